// The k best documents for a question.
//
//   k results.
//
// A segment is read in windows of documents. While its impact codes are summed, a document's sum
// is an upper bound of its score; what may still be among the k best is scored exactly, in
// float64 and in the order of the terms, so that a score does not depend on how it was found.
// Lists that together bring a document less than a third of that far are only looked up for
// documents that others brought up (after MaxScore: Turtle & Flood 1995,
// doi:10.1016/0306-4573(95)00020-H); to read the others is cheaper than to avoid it. In the first
// window the lists that bring most are read first, unless all are short: how far they bring k
// documents tells which of the others can be passed over.
#pragma once

#include "bm25_question.hpp"

namespace ragtune {

// Fills scores (k,) and rows (k,), best first, ties by row; 0 and -1 where nothing matches.
void find_best(const Searched& in, const Question& question, std::size_t k, float* scores,
               std::int64_t* rows);

}  // namespace ragtune
