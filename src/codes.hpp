// Vectors as 8-bit codes in two planes of 4 bits, and scores that are read off them.
//
//   d dimensions, padded with zeros to `groups` groups of 128 (simd.hpp).
//
// A row x is centred, x' = x - mean, and stored as integers c_j = 128 + round(x'_j / scale)
// with scale = max|x'_j| / 127. The upper 4 bits of all c_j are one plane, the lower 4 another:
// the upper plane alone estimates a score at half the memory traffic, both together give it
// to 8 bits. A query q' = q - mean is coded as signed integers. Then
//
//   score(q, x) = gain * scale * sum_j c'_j q'_j + bias,    c' = c - 128,
//
// where larger is closer: gain and bias make it q.x for inner products and -|q - x|^2 for l2,
// both up to a constant of the query, see Encoder::constant.
#pragma once

#include <vector>

#include "simd.hpp"
#include "topk.hpp"

namespace ragtune {

// What a row needs beside its planes.
struct Terms {
  float scale;
  float bias;
};

// A query, or a row in its role.
struct QueryCode {
  std::vector<std::int8_t> codes;  // (groups * GROUP,)
  float gain = 0;                  // of an 8-bit sum, to be multiplied by the row's scale
  float sum = 0;                   // of codes

  float estimate(std::int32_t high, Terms row) const {  // lower bits taken as their mean
    return gain * row.scale * (16.0f * float(high) + (7.5f - 128.0f) * sum) + row.bias;
  }
  float score(std::int32_t high, std::int32_t low, Terms row) const {
    return gain * row.scale * (float(16 * high + low) - 128.0f * sum) + row.bias;
  }
};

// How far codes are from what they stand for (Euclidean lengths).
struct CodeError {
  double length = 0;    // |x'|
  double residual = 0;  // |x' - 8-bit codes|
  double coarse = 0;    // |x' - 4-bit codes|
};

// Both planes as bytes, a dimension each. out (groups * GROUP,)
void join_planes(const std::uint8_t* high, const std::uint8_t* low, std::size_t groups,
                 std::uint8_t* out);

class Encoder {
 public:
  Encoder() = default;
  Encoder(Metric metric, std::size_t d);

  std::size_t groups() const { return (d_ + GROUP - 1) / GROUP; }
  std::size_t plane_bytes() const { return groups() * GROUP_BYTES; }
  std::size_t dimensions() const { return d_; }

  // Takes the mean of these rows as the centre, from now on.
  void center_on(MatrixView rows);
  const std::vector<float>& mean() const { return mean_; }
  void set_mean(std::vector<float> mean) { mean_ = std::move(mean); }

  // x (d,) -> high and low (plane_bytes(),).
  Terms encode(const float* x, std::uint8_t* high, std::uint8_t* low, CodeError* error) const;

  // q (d,) -> its codes; error->residual is that of the query's.
  // Codes lie in [-limit, limit].
  void encode_query(const float* q, QueryCode& out, CodeError* error = nullptr,
                    int limit = 127) const;

  // A stored row as a query: distances between rows, from codes alone.
  void row_as_query(const std::uint8_t* high, const std::uint8_t* low, Terms row,
                    QueryCode& out) const;

  // score(q, x) = (q.x or -|q - x|^2) - constant(q), but for the error of the codes: at most
  // slope * (|q'| residual + |query residual| |x'|) by Cauchy and Schwarz.
  double constant(const float* q) const;
  double slope() const { return distance_ ? 2.0 : 1.0; }
  // Length of the mean where scores depend on it.
  double shift() const;

 private:
  std::size_t d_ = 0;
  bool distance_ = false;  // l2: 2 q'.x' - |x'|^2; else q'.x' + mean.x'
  std::vector<float> mean_;
};

}  // namespace ragtune
