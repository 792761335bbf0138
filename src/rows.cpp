#include "rows.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "exact.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t CHUNK = 256;     // rows that a thread codes at a time
constexpr std::size_t SAMPLE = 16384;  // rows that the mean is taken from

// The largest errors among several rows.
struct Largest {
  double centred = 0, residual = 0;
  void take(const Largest& other) {
    centred = std::max(centred, other.centred);
    residual = std::max(residual, other.residual);
  }
};

template <class T>
Blocks<T> emptied(const Blocks<T>& blocks) {
  Blocks<T> same(blocks.width());
  same.begin_edit(next_edit());
  return same;
}

}  // namespace

std::uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return std::uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

Rows::Rows(Metric metric, std::size_t d, Store store, bool with_errors)
    : metric(metric),
      store(store),
      encoder(metric, d),
      f32(d),
      bf16(d),
      high(encoder.plane_bytes()),
      low(encoder.plane_bytes()),
      with_errors(with_errors) {}

void Rows::begin_edit(std::uint64_t edit) {
  f32.begin_edit(edit);
  bf16.begin_edit(edit);
  high.begin_edit(edit);
  low.begin_edit(edit);
  terms.begin_edit(edit);
  coarse.begin_edit(edit);
}

void Rows::append(MatrixView vectors) {
  const std::size_t first = size(), count = std::size_t(vectors.rows()), d = dimensions();
  if (store == Store::f32) f32.append(count);
  if (store == Store::bf16) bf16.append(count);
  for (std::size_t r = 0; r < count; ++r) {
    const float* x = vectors.data() + r * d;
    if (store == Store::f32) std::copy_n(x, d, f32.fresh(first + r));
    if (store == Store::bf16) std::transform(x, x + d, bf16.fresh(first + r), to_bf16);
  }
}

void Rows::code_new(int num_threads) {
  if (size() >= 4 * centred_on) {
    recenter();
    high = emptied(high);
    low = emptied(low);
    terms = emptied(terms);
    coarse = emptied(coarse);
    longest_centred = largest_residual = 0;
  }
  code(terms.size(), size() - terms.size(), num_threads);
}

void Rows::recenter() {
  const std::size_t n = size(), step = std::max<std::size_t>(n / SAMPLE, 1);
  if (n == 0) return;
  RowMajor<float> sample(std::ptrdiff_t((n + step - 1) / step), std::ptrdiff_t(dimensions()));
  for (std::ptrdiff_t i = 0; i < sample.rows(); ++i)
    copy_vector(std::size_t(i) * step, sample.row(i).data());
  encoder.center_on(MatrixView(sample.data(), sample.rows(), sample.cols()));
  centred_on = n;
}

void Rows::code(std::size_t first, std::size_t count, int num_threads) {
  high.append(count);
  low.append(count);
  terms.append(count);
  if (with_errors) coarse.append(count);
  const std::size_t chunks = (count + CHUNK - 1) / CHUNK;
  std::vector<Largest> largest(chunks);
  parallel_for(
      std::ptrdiff_t(chunks),
      [&](std::ptrdiff_t chunk) {
        std::vector<float> x(dimensions());
        const std::size_t begin = first + std::size_t(chunk) * CHUNK;
        for (std::size_t i = begin; i < std::min(first + count, begin + CHUNK); ++i) {
          copy_vector(i, x.data());
          CodeError error;
          *terms.fresh(i) = encoder.encode(x.data(), high.fresh(i), low.fresh(i), &error);
          if (with_errors)
            *coarse.fresh(i) =
                std::nextafter(float(error.coarse), std::numeric_limits<float>::infinity());
          largest[std::size_t(chunk)].take({error.length, error.residual});
        }
      },
      num_threads, 1);
  for (const Largest& part : largest) {
    longest_centred = std::max(longest_centred, part.centred);
    largest_residual = std::max(largest_residual, part.residual);
  }
}

void Rows::touch_vector(std::size_t i) const {
  if (store == Store::f32) touch(f32.row(i), dimensions() * sizeof(float));
  if (store == Store::bf16) touch(bf16.row(i), dimensions() * sizeof(std::uint16_t));
}

float Rows::score(const float* query, std::size_t i) const {
  const Kernels& simd = kernels();
  const std::size_t d = dimensions();
  if (metric == Metric::l2)
    return -(store == Store::f32 ? simd.squared_distance(query, f32.row(i), d)
                                 : simd.squared_distance_bf16(query, bf16.row(i), d));
  return store == Store::f32 ? simd.dot(query, f32.row(i), d)
                             : simd.dot_bf16(query, bf16.row(i), d);
}

double Rows::exact_score(const float* query, std::size_t i) const {
  const std::size_t d = dimensions();
  if (metric == Metric::l2)
    return -(store == Store::f32 ? exact_squared_distance(query, f32.row(i), d)
                                 : exact_squared_distance(query, bf16.row(i), d));
  return store == Store::f32 ? exact_dot(query, f32.row(i), d) : exact_dot(query, bf16.row(i), d);
}

double Rows::usual_error(double query_length, double query_residual) const {
  const double each = query_length * largest_residual + query_residual * longest_centred;
  return std::sqrt(2 / double(dimensions())) * encoder.slope() * each;
}

void Rows::score_codes(const QueryCode& query, const std::uint32_t* which, std::size_t count,
                       float* out) const {
  const Kernels& simd = kernels();
  for (std::size_t i = 0; i < count; i += WIDTH) {
    const std::uint8_t *plane[WIDTH], *fine[WIDTH];
    std::int32_t upper[WIDTH], lower[WIDTH];
    for (std::size_t j = 0; j < WIDTH; ++j) {
      const std::uint32_t row = which[std::min(i + j, count - 1)];
      plane[j] = high.row(row);
      fine[j] = low.row(row);
    }
    simd.dot_planes(query.codes.data(), plane, encoder.groups(), upper);
    simd.dot_planes(query.codes.data(), fine, encoder.groups(), lower);
    for (std::size_t j = 0; j < WIDTH && i + j < count; ++j)
      out[i + j] = query.score(upper[j], lower[j], terms[which[i + j]]);
  }
}

void Rows::copy_vector(std::size_t i, float* out) const {
  if (store == Store::f32)
    std::copy_n(f32.row(i), dimensions(), out);
  else
    std::transform(bf16.row(i), bf16.row(i) + dimensions(), out, widened);
}

}  // namespace ragtune
