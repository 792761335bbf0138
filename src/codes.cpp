#include "codes.hpp"

#include <algorithm>
#include <cmath>

namespace ragtune {
namespace {

constexpr float LEVELS = 127;
constexpr float TINY = 1e-36f;  // below, 1 / scale overflows: the codes stay zero

// Nearest integer in [-127, 127] without a call; -127 of what is not a number, as a file may say.
int rounded(float x) { return int(std::min(std::max(-LEVELS, x), LEVELS) + 128.5f) - 128; }

float largest(const float* x, std::size_t d) {
  float most = 0;
  for (std::size_t j = 0; j < d; ++j) most = std::max(most, std::abs(x[j]));
  return most;
}

// x - mean, and the scale that brings it into [-limit, limit].
struct Centred {
  const std::vector<float>& values;
  float scale, inverse;
};

Centred centred_on(const std::vector<float>& mean, const float* x, float limit) {
  thread_local std::vector<float> values;
  values.resize(mean.size());
  for (std::size_t j = 0; j < mean.size(); ++j) values[j] = x[j] - mean[j];
  const float scale = largest(values.data(), values.size()) / limit;
  return {values, scale, scale > TINY ? 1 / scale : 0};
}

}  // namespace

void join_planes(const std::uint8_t* high, const std::uint8_t* low, std::size_t groups,
                 std::uint8_t* out) {
  for (std::size_t g = 0; g < groups; ++g, high += GROUP_BYTES, low += GROUP_BYTES, out += GROUP)
    for (std::size_t j = 0; j < GROUP_BYTES; ++j) {
      out[j] = std::uint8_t((high[j] & 15) << 4 | (low[j] & 15));
      out[j + GROUP_BYTES] = std::uint8_t((high[j] & 0xf0) | low[j] >> 4);
    }
}

Encoder::Encoder(Metric metric, std::size_t d)
    : d_(d), distance_(metric == Metric::l2), mean_(d, 0.0f) {}

double Encoder::constant(const float* q) const {
  double product = 0, gap = 0;
  for (std::size_t j = 0; j < d_; ++j) {
    const double from_mean = double(q[j]) - double(mean_[j]);
    product += double(q[j]) * double(mean_[j]);
    gap += from_mean * from_mean;
  }
  return distance_ ? -gap : product;
}

void Encoder::center_on(MatrixView rows) {
  const RowMajor<double> mean = rows.cast<double>().colwise().mean();
  for (std::size_t j = 0; j < d_; ++j) mean_[j] = float(mean(0, std::ptrdiff_t(j)));
}

double Encoder::shift() const {
  double square = 0;
  for (const float value : mean_) square += double(value) * double(value);
  return distance_ ? 0.0 : std::sqrt(square);
}

Terms Encoder::encode(const float* x, std::uint8_t* high, std::uint8_t* low,
                      CodeError* error) const {
  const auto [centred, scale, inverse] = centred_on(mean_, x, LEVELS);
  std::fill_n(high, plane_bytes(), std::uint8_t(0x88));
  std::fill_n(low, plane_bytes(), std::uint8_t(0));
  double length = 0, residual = 0, coarse = 0, shift = 0;
  for (std::size_t j = 0; j < d_; ++j) {
    const int code = 128 + rounded(centred[j] * inverse);
    const std::size_t at = j / GROUP * GROUP_BYTES + j % GROUP_BYTES;
    if (j % GROUP < GROUP_BYTES) {
      high[at] = std::uint8_t((high[at] & 0xf0) | (code >> 4));
      low[at] = std::uint8_t((low[at] & 0xf0) | (code & 15));
    } else {
      high[at] = std::uint8_t((high[at] & 0x0f) | (code & 0xf0));
      low[at] = std::uint8_t((low[at] & 0x0f) | (code << 4));
    }
    const double value = centred[j], fine = value - double(scale) * (code - 128);
    const double rough = value - double(scale) * ((code & 0xf0) + 7.5 - 128);
    length += value * value;
    residual += fine * fine;
    coarse += rough * rough;
    shift += double(mean_[j]) * value;
  }
  if (error) *error = {std::sqrt(length), std::sqrt(residual), std::sqrt(coarse)};
  return {scale, float(distance_ ? -length : shift)};
}

void Encoder::encode_query(const float* q, QueryCode& out, CodeError* error, int limit) const {
  const auto [centred, scale, inverse] = centred_on(mean_, q, float(limit));
  out.codes.assign(groups() * GROUP, 0);
  int sum = 0;
  for (std::size_t j = 0; j < d_; ++j) {
    const int code = rounded(centred[j] * inverse);
    out.codes[j] = std::int8_t(code);
    sum += code;
  }
  out.sum = float(sum);
  out.gain = float(slope()) * scale;
  if (!error) return;
  double length = 0, residual = 0;
  for (std::size_t j = 0; j < d_; ++j) {
    const double value = centred[j], fine = value - double(scale) * out.codes[j];
    length += value * value;
    residual += fine * fine;
  }
  *error = {std::sqrt(length), std::sqrt(residual), 0};
}

void Encoder::row_as_query(const std::uint8_t* high, const std::uint8_t* low, Terms row,
                           QueryCode& out) const {
  out.codes.resize(groups() * GROUP);
  join_planes(high, low, groups(), reinterpret_cast<std::uint8_t*>(out.codes.data()));
  int sum = 0;
  for (std::int8_t& code : out.codes) {
    code = std::int8_t(std::uint8_t(code) - 128);
    sum += code;
  }
  out.sum = float(sum);
  out.gain = float(slope()) * row.scale;
}

}  // namespace ragtune
