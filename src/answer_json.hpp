// JSON as language models write it, as a flat list of what stands in it.
//
// Valid JSON goes through simdjson. What is not is read as a person would: trailing and missing
// commas, single and typographic quotes, quotes within quotes, keys without quotes, comments,
// Python's and YAML's words, and text that was cut off. Nothing here throws.
//
//   n bytes of the answer; at most DEEPEST levels are kept, what is deeper is passed over.
//   Time and memory are linear in n.
#pragma once

#include <forward_list>
#include <string>
#include <string_view>
#include <vector>

namespace ragtune {

struct AnswerToken {
  enum class Kind { object, array, end, key, text, word, other };
  Kind kind = Kind::other;
  std::string_view text;  // of a key, text (was in quotes) or word (was not)
};

class AnswerJson {
 public:
  static constexpr int DEEPEST = 32;

  // Takes all of `text` if it is one valid JSON value, and says whether it is.
  bool take_valid(std::string_view text);

  // Takes the value that begins at `at`, a bracket or brace, and returns where it ends. A text
  // that was cut off is left out, containers that were are closed.
  std::size_t take_broken(std::string_view text, std::size_t at);

  // An open container is followed by what it holds and by `end`.
  const std::vector<AnswerToken>& tokens() const { return tokens_; }
  void clear() { tokens_.clear(), owned_.clear(); }

 private:
  friend class BrokenJson;
  std::vector<AnswerToken> tokens_;
  std::forward_list<std::string> owned_;  // what had escapes; seldom any
};

}  // namespace ragtune
