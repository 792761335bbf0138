#include "scan_bounds.hpp"

#include <stdexcept>
#include <string>

namespace ragtune {

Question bounded(const Rows& rows, const float* vector, int limit) {
  Question question;
  CodeError error;
  rows.encoder.encode_query(vector, question.code, &error, limit);
  question.vector = vector;
  question.constant = rows.encoder.constant(vector);
  const double reach = error.length + rows.longest_centred;
  if (!(reach * reach < 1e36))
    throw std::invalid_argument(
        "vectors: expected lengths below 1e18 (float32 overflows), got a query and a row of " +
        std::to_string(reach) + " together");
  const double slope = rows.encoder.slope();
  const double coded = error.length + error.residual;  // of the query's codes, at most
  // Sums of d terms in float32, with room: the terms are at most |q'| |x'| sqrt(d).
  // What the mean adds to products is rounded, too.
  const double shift = rows.encoder.shift() * reach;
  const double rounding =
      0x1p-21 * shift + 0x1p-19 * std::sqrt(double(rows.dimensions())) * reach * reach + 1e-37;
  const double query_part = slope * error.residual * rows.longest_centred + rounding;
  question.fine = up(query_part + slope * coded * rows.largest_residual);
  question.coarse = up(query_part);
  question.coarse_slope = up(slope * coded);
  return question;
}

}  // namespace ragtune
