// What one term adds to the score of a document, after each of five authors.
//
//   n documents, of which df have the term; tf times in this one of l terms, L on average.
//
//   K = k1 (1 - b + b l / L), delta = 0.5        tf part                      idf
//   lucene                            tf / (tf + K)            ln(1 + (n - df + 0.5) / (df + 0.5))
//   robertson                         tf / (tf + K)            ln((n - df + 0.5) / (df + 0.5)), >=
//   0 atire                             (k1 + 1) tf / (tf + K)   ln(n / df) bm25+ the same + delta
//   ln((n + 1) / df) bm25l  (k1 + 1) (c + delta) / (k1 + c + delta), c = tf k1 / K   ln((n + 1) /
//   (df + 0.5))
//
// A term that a document lacks counts as tf = 0: nothing, but for bm25+ and bm25l.
// Source: Kamphuis et al. 2020, doi:10.1007/978-3-030-45442-5_4, as bm25s implements it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postings.hpp"

namespace ragtune {

struct Bm25Options {
  std::string language;  // see Analyzer; empty: words as they are
  std::string method = "lucene";
  double k1 = 1.5, b = 0.75;
};

// Throws std::invalid_argument unless the names are known, 0 <= k1 <= 1000 (above 0 for bm25l)
// and 0 <= b <= 1.
void check(const Bm25Options& options);

class Weights {
 public:
  // The options must have been checked.
  Weights(const Bm25Options& options, double mean_length);

  double idf(double df, double n) const;

  // What every document has of a term's tf part, and what one that has the term has beyond that.
  double absent() const { return absent_; }
  double present(double tf, double normalizer) const {
    if (form_ != Form::bm25l) return scale_ * tf / (tf + normalizer);
    const double c = tf * k1_ / normalizer;
    return scale_ * (c + DELTA) / (k1_ + c + DELTA) - absent_;
  }
  double most() const {
    return scale_ - (form_ == Form::bm25l ? absent_ : 0);
  }  // present() is less

  // K of a document.
  double normalizer(double length) const { return flat_ + slope_ * length; }

 private:
  enum class Form { plain, plus, bm25l };
  enum class Idf { lucene, robertson, atire, bm25l, plus };
  static constexpr double DELTA = 0.5;

  Form form_;
  Idf idf_;
  double k1_, scale_, flat_, slope_, absent_ = 0;
};

// A posting as a search reads it.
struct Posting {
  std::uint16_t document;
  std::uint8_t code;   // an upper bound of present() in steps of most() / 255
  std::uint8_t count;  // MANY for that many or more
};
constexpr std::uint32_t MANY = 255;

struct Impacts {
  std::vector<Posting> postings;      // (p,)
  std::vector<std::uint8_t> largest;  // (v,) code of each list
  double mean_length;                 // of the documents when they were computed
};
Impacts impacts(const Postings& postings, const Weights& weights, double mean_length);

// What codes for one mean length must be multiplied by to be bounds for another: K falls at most
// as the mean rises, and present() rises at most as K falls.
inline double inflation(double mean_then, double mean_now) {
  return mean_now > mean_then ? mean_now / mean_then : 1;
}

}  // namespace ragtune
