// What a language model answered -> the questions in it.
//
// The answer should be {"questions": [{"question": ..., "style": ...}, ...]} and seldom is only
// that. It is looked for, in this order: as one valid JSON value (simdjson); as JSON somewhere in
// the text, in fences or prose, broken or cut off (answer_json.hpp); as a list, a table or
// sentences that ask (answer_lines.hpp). Thoughts (<think>...</think>), tokens of chat templates
// and a byte order mark are left out, and so is what only announces questions.
//
//   n bytes of the answer. Time and memory are linear in n; of an answer that is longer than
//   LONGEST the beginning is read, and MOST questions are kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ragtune {

struct AskedQuestion {
  std::string question;  // valid UTF-8, blanks squeezed, never empty
  std::string style;     // keyword, question, paraphrase, symptom, the answer's own, or empty
};

constexpr std::size_t LONGEST_ANSWER = std::size_t(1) << 20;  // bytes
constexpr std::size_t MOST_QUESTIONS = 256;

// The questions in the order of the answer, each once, whatever its case and final mark.
// Bytes that are no UTF-8 are left out. Throws nothing but std::bad_alloc.
std::vector<AskedQuestion> parse_answer(std::string_view text);

}  // namespace ragtune
