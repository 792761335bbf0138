#include "stop_words.hpp"

#include <algorithm>

namespace ragtune {
namespace {

constexpr std::string_view ENGLISH[] = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
static_assert(std::ranges::is_sorted(ENGLISH));

}  // namespace

bool is_stop_word(std::string_view language, std::string_view word) {
  const bool english = language == "english" || language == "en" || language == "eng";
  return english && std::ranges::binary_search(ENGLISH, word);
}

}  // namespace ragtune
