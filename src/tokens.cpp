#include "tokens.hpp"

#include <libstemmer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <new>
#include <span>
#include <stdexcept>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hash.hpp"
#include "letters.hpp"
#include "stop_words.hpp"
#include "touch.hpp"

namespace ragtune {
namespace {

constexpr std::size_t KNOWN = std::size_t(1) << 16;  // words remembered: 1 MB
constexpr std::size_t LONGEST_STEMMED = 255;         // bytes; what is longer is no word

constexpr std::string_view PAIRS = " pairs", CHARACTERS = "characters";
constexpr std::size_t RUN = 5;  // characters of a run
constexpr char MARK = '#';      // no word has it

// What an ASCII byte is in a word: its lower case, 0 if it ends the word; OTHER if not ASCII.
constexpr unsigned char OTHER = 0xFF;

constexpr std::array<unsigned char, 256> ascii_table() {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < 128; ++c) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    table[c] = static_cast<unsigned char>(upper ? c + 32 : word ? c : 0);
  }
  for (unsigned c = 128; c < 256; ++c) table[c] = OTHER;
  return table;
}

constexpr std::array<unsigned char, 256> ASCII = ascii_table();

// Not inlined: gcc 12 follows it into branches for long inputs and warns of a short buffer there.
[[gnu::noinline]] Term hash_of(std::string_view bytes) {
  const Term hash = XXH3_64bits(bytes.data(), bytes.size());
  return hash ? hash : 1;
}

// Takes the next character of well-formed UTF-8 (Unicode, table 3-7), or one byte as 0.
char32_t next_character(const char*& at, const char* end) {
  const auto lead = static_cast<unsigned char>(*at++);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || end - at < more) return 0;
  char32_t c = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    c = c << 6 | (byte & 0x3F);
  }
  constexpr char32_t LEAST[] = {0, 0x80, 0x800, 0x10000};
  if (c < LEAST[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
  at += more;
  return c;
}

char* write_character(char32_t c, char* out) {
  if (c < 0x80) {
    *out++ = char(c);
    return out;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr unsigned char LEAD[] = {0, 0xC0, 0xE0, 0xF0};
  *out++ = char(LEAD[more] | (c >> 6 * more));
  for (int i = more - 1; i >= 0; --i) *out++ = char(0x80 | (c >> 6 * i & 0x3F));
  return out;
}

std::string known_languages() {
  std::string names;
  for (const char** name = sb_stemmer_list(); *name; ++name)
    names += (names.empty() ? "" : ", ") + std::string(*name);
  return names;
}

// Emits the pairs of the CJK characters from `at` on, of which there is at least one, and
// returns where they end.
template <class Emit>
const char* split_cjk(const char* at, const char* end, Emit& emit) {
  char pair[8];
  std::size_t first = 0;  // bytes of the character before
  bool paired = false;
  for (const char* next = at; at < end; at = next) {
    const char32_t c = word_character(next_character(next, end));
    if (!c || !is_cjk(c)) break;
    const auto both = std::size_t(write_character(c, pair + first) - pair);
    if (first) {
      emit(std::string_view(pair, both), true);
      std::memmove(pair, pair + first, both - first);
      paired = true;
    }
    first = both - first;
  }
  if (!paired) emit(std::string_view(pair, first), true);
  return at;
}

// Calls fn for each run of RUN characters of a word between two marks of its ends.
template <class Fn>
void for_each_run(std::string_view word, bool cjk, Fn fn) {
  if (cjk) return fn(word);
  thread_local std::string marked;
  thread_local std::vector<std::size_t> starts;
  marked.assign(1, MARK).append(word).append(1, MARK);
  starts.clear();
  for (std::size_t i = 0; i < marked.size(); ++i)
    if ((static_cast<unsigned char>(marked[i]) & 0xC0) != 0x80) starts.push_back(i);
  starts.push_back(marked.size());
  const std::string_view whole = marked;
  if (starts.size() <= RUN) return fn(whole);
  for (std::size_t i = 0; i + RUN < starts.size(); ++i)
    fn(whole.substr(starts[i], starts[i + RUN] - starts[i]));
}

}  // namespace

void Analyzer::Release::operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }

Analyzer::Analyzer(const std::string& language) : language_(language) {
  if (language == CHARACTERS) {
    unit_ = Unit::characters;
    return;
  }
  if (language_.ends_with(PAIRS)) {
    unit_ = Unit::pairs;
    language_.resize(language_.size() - PAIRS.size());
  }
  if (language_.empty()) return;
  stemmer_.reset(sb_stemmer_new(language_.c_str(), "UTF_8"));
  if (!stemmer_)
    throw std::invalid_argument("language: expected one of " + known_languages() + ", got " +
                                language);
  known_.resize(KNOWN);
}

Analyzer& Analyzer::of_thread(const std::string& language) {
  thread_local std::map<std::string, Analyzer> analyzers;
  return analyzers.try_emplace(language, language).first->second;
}

// Calls emit(word, whether it is made of CJK characters) for each word. Words that are not CJK
// stay where they are until the next text.
template <class Emit>
void Analyzer::split(std::string_view text, Emit emit) {
  // A character of two bytes may have one of three as its lower case.
  if (words_.size() < 2 * text.size() + 8) words_.resize(2 * text.size() + 8);
  char* begin = words_.data();
  char* out = begin;
  std::size_t length = 0;  // characters in the word
  const char *at = text.data(), *const end = at + text.size();
  const auto finish = [&] {
    if (length >= 2) emit(std::string_view(begin, std::size_t(out - begin)), false);
    begin = out;
    length = 0;
  };
  while (at < end) {
    const unsigned char ascii = ASCII[static_cast<unsigned char>(*at)];
    if (ascii != OTHER) {
      ++at;
      if (ascii) {
        *out++ = char(ascii);
        ++length;
      } else {
        finish();
      }
      continue;
    }
    const char* const here = at;
    const char32_t c = word_character(next_character(at, end));
    if (c && !is_cjk(c)) {
      out = write_character(c, out);
      ++length;
      continue;
    }
    finish();
    if (c) at = split_cjk(here, end, emit);
  }
  finish();
}

void Analyzer::read(std::string_view text, std::vector<Term>& terms) {
  const std::size_t first = terms.size();
  if (unit_ == Unit::characters)
    split(text, [&](std::string_view word, bool cjk) {
      for_each_run(word, cjk, [&](std::string_view run) { terms.push_back(hash_of(run)); });
    });
  else
    read_words(text, terms);
  if (unit_ != Unit::pairs) return;
  for (std::size_t i = first; i + 1 < terms.size(); ++i)
    terms[i] = std::max<Term>(mixed(terms[i], terms[i + 1]), 1);
  if (terms.size() > first) terms.pop_back();
}

// What is known of a few words is fetched side by side before any of it is looked at.
void Analyzer::read_words(std::string_view text, std::vector<Term>& terms) {
  struct Met {
    Term hash;
    std::string_view word;  // empty: the hash is the term
  };
  constexpr std::size_t TOGETHER = 32;
  Met met[TOGETHER];
  std::size_t count = 0;
  const auto resolve = [&] {
    for (const auto& [hash, word] : std::span(met, count)) {
      if (word.empty()) {
        terms.push_back(hash);
        continue;
      }
      Known& known = known_[hash & (KNOWN - 1)];
      if (known.word != hash)
        known = {hash, is_stop_word(language_, word) ? 0 : hash_of(stem(word))};
      if (known.term) terms.push_back(known.term);
    }
    count = 0;
  };
  split(text, [&](std::string_view word, bool cjk) {
    const Term hash = hash_of(word);
    const bool whole = cjk || !stemmer_;
    if (!whole) touch(&known_[hash & (KNOWN - 1)], 1);
    met[count++] = {hash, whole ? std::string_view() : word};
    if (count == TOGETHER) resolve();
  });
  resolve();
}

std::vector<std::string> Analyzer::tokens(std::string_view text) {
  std::vector<std::string> out;
  split(text, [&](std::string_view word, bool cjk) {
    if (unit_ == Unit::characters) {
      for_each_run(word, cjk, [&](std::string_view run) { out.emplace_back(run); });
    } else if (cjk || !stemmer_) {
      out.emplace_back(word);
    } else if (!is_stop_word(language_, word)) {
      out.emplace_back(stem(word));
    }
  });
  return out;
}

std::string_view Analyzer::stem(std::string_view word) {
  if (word.size() > LONGEST_STEMMED) return word;
  const sb_symbol* stemmed = sb_stemmer_stem(
      stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()), int(word.size()));
  if (!stemmed) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(stemmed), std::size_t(sb_stemmer_length(stemmer_.get()))};
}

std::uint64_t analysis_fingerprint(const std::string& language) {
  // Words that Snowball 2 and 3 stem differently, and one of each kind of character.
  constexpr std::string_view TELLING =
      "The geologists were evening added generously eying \xC3\x84pfel naturelles "
      "\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3 \xD0\xA1\xD0\xBB\xD0\xBE\xD0\xB2\xD0\xB0 "
      "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E snake_case don't 3.14";
  std::vector<Term> terms;
  Analyzer::of_thread(language).read(TELLING, terms);
  terms.push_back(hash_of(language));
  return XXH3_64bits(terms.data(), terms.size() * sizeof(Term));
}

}  // namespace ragtune
