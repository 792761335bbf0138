// Which characters words are made of, and their lower case, for all of Unicode.
//
// A word character is what Python's \w matches (letters, digits, the underscore) and also a
// combining mark, without which the words of Indic scripts fall apart. Lower case is Python's
// str.lower() of one character, but for two letters: the dotted capital I becomes i, and a
// final sigma becomes sigma, so that a word has one spelling wherever it stands.
// Source: the Unicode Character Database, through tools/letters.py.
#pragma once

namespace ragtune {

// The lower case of a word character; 0 for any other.
char32_t word_character(char32_t c);

// Whether a character is of a script that puts no spaces between words (Chinese, Japanese), or
// spaces where a search does not want them (Korean).
bool is_cjk(char32_t c);

}  // namespace ragtune
