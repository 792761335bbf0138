// Small things that are read from the text of an answer: characters, marks, names of styles.
//
// Text is UTF-8; bytes that are none are left out of whatever is returned.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace ragtune {

constexpr std::string_view BLANKS = " \t\r\n\v\f";

// Whether it is one of BLANKS: a search in them for every byte would cost more than the rest.
constexpr bool is_ascii_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

constexpr bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// `text` without blanks at its ends.
std::string_view trimmed(std::string_view text);

// As a reader would copy it: runs of blanks become one, blanks, marks of emphasis and quotes
// that hold all of it are left out.
std::string cleaned(std::string_view text);

// What two questions that a reader takes for the same have in common: lower case, no mark at
// the end. Empty for a text without a letter or digit.
std::string likeness_of(std::string_view text);

// Whether it ends with a question mark of any script; quotes, brackets, emphasis may follow.
bool asks(std::string_view text);

// Where the first question mark ends that is followed by a blank or by no mark of one byte;
// npos without one.
std::size_t end_of_question(std::string_view text);

// "keyword", "question", "paraphrase" or "symptom" if the text names such a style, else empty.
std::string_view style_named(std::string_view text);

// The style as it is kept: the known name, else the text in lower case, 32 bytes at most.
std::string style_of(std::string_view text);

// ASCII letters in lower case; all else as it is.
std::string lower(std::string_view text);

// Whether `text` begins with `start`, whatever the case of ASCII letters; `start` is lower.
bool begins(std::string_view text, std::string_view start);
bool begins_any(std::string_view text, std::span<const std::string_view> starts);

// `text` without a number or bullet before it, and of which kind that was: '1', '-' or 0.
struct Marked {
  std::string_view text;
  char kind = 0;
  int number = 0;
};
Marked unmarked(std::string_view text);

// Whether it is no question but says that some follow ("Here are two questions:").
bool is_preamble(std::string_view text);

}  // namespace ragtune
