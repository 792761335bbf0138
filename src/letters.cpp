#include "letters.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "letters_table.hpp"

namespace ragtune {
namespace {

constexpr char32_t DIRECT = 0x800;  // Latin, Greek, Cyrillic, Hebrew and Arabic lie below

constexpr std::array<char16_t, DIRECT> direct_table() {
  std::array<char16_t, DIRECT> table{};
  for (const auto& run : WORDS)
    for (char32_t c = run.first; c <= run.last && c < DIRECT; ++c) table[c] = char16_t(c);
  for (const auto& run : CASES)
    for (char32_t c = run.first; c <= run.last && c < DIRECT; c += char32_t(run.step))
      table[c] = char16_t(int(c) + run.added);
  return table;
}

constexpr std::array<char16_t, DIRECT> TABLE = direct_table();

// The run that c is in or that comes after it.
template <class Runs>
auto run_of(const Runs& runs, char32_t c) {
  return std::partition_point(std::begin(runs), std::end(runs),
                              [c](const auto& run) { return run.last < c; });
}

struct Range {
  char32_t first, last;
};

// Hangul letters, kana with their marks, Chinese characters, syllables of Korean.
constexpr Range CJK[] = {{0x1100, 0x11FF}, {0x3005, 0x3007},   {0x3031, 0x3035},  {0x3041, 0x30FF},
                         {0x3105, 0x318E}, {0x31A0, 0x31BF},   {0x31F0, 0x31FF},  {0x3400, 0x4DBF},
                         {0x4E00, 0x9FFF}, {0xA960, 0xA97C},   {0xAC00, 0xD7FB},  {0xF900, 0xFAFF},
                         {0xFF66, 0xFFDC}, {0x1AFF0, 0x1B16F}, {0x20000, 0x3FFFF}};

}  // namespace

char32_t word_character(char32_t c) {
  if (c < DIRECT) return TABLE[c];
  const auto word = run_of(WORDS, c);
  if (word == std::end(WORDS) || c < word->first) return 0;
  const auto run = run_of(CASES, c);
  const bool changes =
      run != std::end(CASES) && c >= run->first && (c - run->first) % char32_t(run->step) == 0;
  return changes ? char32_t(int(c) + run->added) : c;
}

bool is_cjk(char32_t c) {
  if (c < CJK[0].first) return false;
  const auto range = run_of(CJK, c);
  return range != std::end(CJK) && c >= range->first;
}

}  // namespace ragtune
