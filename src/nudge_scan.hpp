// What validation questions see of a corpus in which some documents may move.
//
//   b questions, n documents of which m move, d dimensions.
//
// Blocks of documents are scored and forgotten. What threads found is merged under a lock, by
// operations that do not mind the order, so the result does not depend on the threads.
#pragma once

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "nudge_directions.hpp"
#include "parallel.hpp"
#include "tiles.hpp"

namespace ragtune {

struct Hit {
  float score = -std::numeric_limits<float>::infinity();
  std::int64_t row = -1;

  // Larger is better, then the earlier row: in whatever order hits come, the best is the same.
  void offer(float other, std::int64_t at) {
    if (other > score || (other == score && at < row)) *this = {other, at};
  }
};

// Documents by their scores: those that stay, and those that move with both of theirs.
class Scan {
 public:
  Scan(MatrixView corpus, const Directions& towards, int num_threads)
      : corpus_(corpus), towards_(towards), num_threads_(num_threads) {
    auto moving = towards.rows.begin();
    for (std::int64_t row = 0; row < corpus.rows(); ++row) {
      if (moving != towards.rows.end() && *moving == row)
        ++moving;
      else
        staying_.push_back(row);
    }
  }

  // The best of the documents that stay, for each question.
  std::vector<Hit> best_staying(const PackedQueries& questions) const {
    std::vector<Hit> best(questions.rows());
    std::mutex merging;
    over_chunks(staying_.size(), [&](std::size_t begin, std::size_t end) {
      TileScorer scorer(questions);
      std::vector<Hit> own(questions.rows());
      std::vector<const float*> documents;
      for (std::size_t i = begin; i < end; i += documents.size()) {
        point(documents, std::span(staying_).subspan(i, std::min(scorer.block(), end - i)));
        const float* scores = scorer.score(documents.data(), documents.size());
        for (std::size_t q = 0; q < own.size(); ++q, scores += scorer.block()) {
          const float* top = std::max_element(scores, scores + documents.size());
          own[q].offer(*top, staying_[i + std::size_t(top - scores)]);
        }
      }
      const std::lock_guard lock(merging);
      for (std::size_t q = 0; q < own.size(); ++q) best[q].offer(own[q].score, own[q].row);
    });
    return best;
  }

  // Calls visit(own, question, first, count, scores, turned) for every question and every few
  // moving documents [first, first + count): their scores and those of their directions. Each
  // thread starts from a copy of `empty`; merge(own) brings together what they made of it.
  template <class Own, class Visit, class Merge>
  void over_moving(const PackedQueries& questions, const Own& empty, Visit visit,
                   Merge merge) const {
    std::mutex merging;
    over_chunks(towards_.rows.size(), [&](std::size_t begin, std::size_t end) {
      TileScorer here(questions), there(questions);
      Own own = empty;
      std::vector<const float*> documents;
      for (std::size_t i = begin; i < end; i += documents.size()) {
        point(documents, std::span(towards_.rows).subspan(i, std::min(here.block(), end - i)));
        const float* scores = here.score(documents.data(), documents.size());
        const float* turned =
            there.score_rows(towards_.units.row(std::ptrdiff_t(i)).data(), documents.size());
        for (std::size_t q = 0; q < questions.rows(); ++q)
          visit(own, q, i, documents.size(), scores + q * here.block(), turned + q * there.block());
      }
      const std::lock_guard lock(merging);
      merge(own);
    });
  }

 private:
  static constexpr std::size_t CHUNK = 512;  // documents that a thread takes at a time

  template <class Fn>
  void over_chunks(std::size_t count, Fn fn) const {
    parallel_for(
        std::ptrdiff_t((count + CHUNK - 1) / CHUNK),
        [&](std::ptrdiff_t c) {
          fn(std::size_t(c) * CHUNK, std::min(count, (std::size_t(c) + 1) * CHUNK));
        },
        num_threads_, 1);
  }

  void point(std::vector<const float*>& documents, std::span<const std::int64_t> rows) const {
    documents.clear();
    for (std::int64_t row : rows) documents.push_back(corpus_.data() + row * corpus_.cols());
  }

  MatrixView corpus_;
  const Directions& towards_;
  int num_threads_;
  std::vector<std::int64_t> staying_;
};

}  // namespace ragtune
