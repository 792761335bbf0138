#include "codes.hpp"

#include <algorithm>
#include <cmath>

namespace ragtune {
namespace {

constexpr float LEVELS = 127;
constexpr float TINY = 1e-36f;  // below, 1 / scale overflows: the codes stay zero

// Nearest integer without a call; |x| <= 127.
int rounded(float x) { return int(x + 128.5f) - 128; }

float largest(const float* x, std::size_t d) {
  float most = 0;
  for (std::size_t j = 0; j < d; ++j) most = std::max(most, std::abs(x[j]));
  return most;
}

std::vector<float>& buffer(std::size_t d) {
  thread_local std::vector<float> centred;
  centred.resize(d);
  return centred;
}

}  // namespace

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
  std::vector<float>& centred = buffer(d_);
  for (std::size_t j = 0; j < d_; ++j) centred[j] = x[j] - mean_[j];
  const float scale = largest(centred.data(), d_) / LEVELS;
  const float inverse = scale > TINY ? 1 / scale : 0;
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
  std::vector<float>& centred = buffer(d_);
  for (std::size_t j = 0; j < d_; ++j) centred[j] = q[j] - mean_[j];
  const float scale = largest(centred.data(), d_) / float(limit);
  const float inverse = scale > TINY ? 1 / scale : 0;
  out.codes.assign(groups() * GROUP, 0);
  int sum = 0;
  for (std::size_t j = 0; j < d_; ++j) {
    const int code = rounded(centred[j] * inverse);
    out.codes[j] = std::int8_t(code);
    sum += code;
  }
  out.sum = float(sum);
  out.gain = (distance_ ? 2.0f : 1.0f) * scale;
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
  int sum = 0;
  for (std::size_t g = 0; g < groups(); ++g) {
    std::int8_t* first = out.codes.data() + g * GROUP;
    std::int8_t* second = first + GROUP_BYTES;
    for (std::size_t j = 0; j < GROUP_BYTES; ++j) {
      const int h = high[g * GROUP_BYTES + j], l = low[g * GROUP_BYTES + j];
      first[j] = std::int8_t(((h & 15) << 4 | (l & 15)) - 128);
      second[j] = std::int8_t(((h & 0xf0) | (l >> 4)) - 128);
    }
    for (std::size_t j = 0; j < GROUP; ++j) sum += first[j];
  }
  out.sum = float(sum);
  out.gain = (distance_ ? 2.0f : 1.0f) * row.scale;
}

}  // namespace ragtune
