// Texts as terms: what a lexical index counts and a question is matched by.
//
//   1. UTF-8 is read character by character; bytes that are none end a word and do no more.
//   2. A word is a run of at least two word characters (letters.hpp), in lower case: the tokens
//      of the pattern \b\w\w+\b. Apostrophes and hyphens divide.
//   3. Runs of Chinese, Japanese and Korean characters give their overlapping pairs instead, and
//      a single one itself.
//   4. With a language, its stop words are left out and the rest are stemmed by Snowball.
//   5. "english pairs" gives each two successive terms as one: phrases. "characters" gives the
//      overlapping runs of five characters of each word, its ends counting as one each: parts of
//      compounds, codes and misspelt names.
//
// A term is the XXH3 of its bytes, in 64 bits: an index needs no dictionary, and that two of a
// million words share a term has a probability of 3e-8.
// Source of the stemmers: https://snowballstem.org.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct sb_stemmer;

namespace ragtune {

using Term = std::uint64_t;  // never 0

// One thread's reader of one language. It remembers what became of the words it met last.
class Analyzer {
 public:
  // language: a name that Snowball knows ("english" or "en"), or empty for words as they are;
  // either may end in " pairs"; or "characters".
  // Throws std::invalid_argument, naming those known, for any other.
  explicit Analyzer(const std::string& language);

  // The calling thread's own.
  static Analyzer& of_thread(const std::string& language);

  // Appends the terms of a text, in its order.
  void read(std::string_view text, std::vector<Term>& terms);

  // The same in letters; of pairs, the words one by one.
  std::vector<std::string> tokens(std::string_view text);

 private:
  struct Release {
    void operator()(sb_stemmer* stemmer) const;
  };
  struct Known {
    Term word = 0, term = 0;  // 0: a stop word
  };

  enum class Unit { words, pairs, characters };

  template <class Emit>
  void split(std::string_view text, Emit emit);
  void read_words(std::string_view text, std::vector<Term>& terms);
  std::string_view stem(std::string_view word);

  std::string language_;
  Unit unit_ = Unit::words;
  std::unique_ptr<sb_stemmer, Release> stemmer_;
  std::vector<Known> known_;  // by the last bits of the word's hash
  std::vector<char> words_;   // of the text that is being read, one after the other
};

// A number that changes when the terms of the same text do: with the language, and with what
// this program and its Snowball make of a few telling words.
std::uint64_t analysis_fingerprint(const std::string& language);

}  // namespace ragtune
