#include "bm25_weights.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace ragtune {
namespace {

constexpr const char* METHODS[] = {"lucene", "robertson", "atire", "bm25l", "bm25+"};

std::size_t number_of(const std::string& method) {
  return std::size_t(std::ranges::find(METHODS, method) - METHODS);
}

}  // namespace

void check(const Bm25Options& options) {
  if (number_of(options.method) == std::size(METHODS))
    throw std::invalid_argument(
        "method: expected one of lucene, robertson, atire, bm25l, bm25+, got " + options.method);
  const bool needs_k1 = options.method == "bm25l";
  if (!(options.k1 >= 0 && options.k1 <= 1000) || (needs_k1 && options.k1 == 0))
    throw std::invalid_argument(std::string("k1: expected in ") + (needs_k1 ? "(" : "[") +
                                "0, 1000], got " + std::to_string(options.k1));
  if (!(options.b >= 0 && options.b <= 1))
    throw std::invalid_argument("b: expected in [0, 1], got " + std::to_string(options.b));
  Analyzer::of_thread(options.language);  // throws
}

Weights::Weights(const Bm25Options& options, double mean_length)
    : form_(options.method == "bm25l"   ? Form::bm25l
            : options.method == "bm25+" ? Form::plus
                                        : Form::plain),
      idf_(Idf(number_of(options.method))),
      k1_(options.k1),
      scale_(options.method == "lucene" || options.method == "robertson" ? 1 : options.k1 + 1),
      flat_(options.k1 * (1 - options.b)),
      slope_(mean_length > 0 ? options.k1 * options.b / mean_length : 0) {
  if (form_ == Form::plus) absent_ = DELTA;
  if (form_ == Form::bm25l) absent_ = scale_ * DELTA / (k1_ + DELTA);
}

double Weights::idf(double df, double n) const {
  switch (idf_) {
    case Idf::lucene: return std::log(1 + (n - df + 0.5) / (df + 0.5));
    case Idf::robertson: return std::log(std::max(1.0, (n - df + 0.5) / (df + 0.5)));
    case Idf::atire: return std::log(n / df);
    case Idf::bm25l: return std::log((n + 1) / (df + 0.5));
    case Idf::plus: return std::log((n + 1) / df);
  }
  return 0;
}

Impacts impacts(const Postings& postings, const Weights& weights, double mean_length) {
  Impacts out{{}, {}, mean_length};
  out.postings.resize(postings.documents.size());
  out.largest.resize(postings.terms.size());
  std::vector<double> normalizers;
  for (const std::uint32_t length : postings.lengths)
    normalizers.push_back(weights.normalizer(length));
  const double steps = 255 / weights.most();
  for (std::size_t list = 0; list < postings.terms.size(); ++list) {
    std::uint8_t largest = 0;
    for (std::uint32_t p = postings.offsets[list]; p < postings.offsets[list + 1]; ++p) {
      const std::uint32_t document = postings.documents[p], count = postings.counts[p];
      const double bound = steps * weights.present(count, normalizers[document]);
      const auto code = std::uint8_t(std::min(255.0, std::ceil(bound)));
      out.postings[p] = {std::uint16_t(document), code, std::uint8_t(std::min(count, MANY))};
      largest = std::max(largest, code);
    }
    out.largest[list] = largest;
  }
  return out;
}

}  // namespace ragtune
