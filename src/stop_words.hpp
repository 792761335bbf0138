// Words too common to search for, by language.
//
// English: the 33 words of Lucene's EnglishAnalyzer (Apache-2.0), which bm25s calls "en". Other
// languages have none here: idf makes their common words weigh little as it is.
#pragma once

#include <string_view>

namespace ragtune {

// language: as Snowball names it, or its ISO 639 code. word: in lower case, not stemmed.
bool is_stop_word(std::string_view language, std::string_view word);

}  // namespace ragtune
