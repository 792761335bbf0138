#include "parts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "exact.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MAX_PARTS = std::size_t(1) << 31;

void check_row(std::int64_t row) {
  if (row < 0) throw std::invalid_argument("rows: expected >= 0, got " + std::to_string(row));
}

}  // namespace

Parts::Parts(std::ptrdiff_t d) {
  if (d < 1) throw std::invalid_argument("d: expected >= 1, got " + std::to_string(d));
  encoder_ = Encoder(Metric::inner_product, std::size_t(d));
}

void Parts::add(MatrixView vectors, std::span<const std::int64_t> rows) {
  if (vectors.cols() != dimensions() || vectors.rows() != std::ssize(rows))
    throw std::invalid_argument("vectors: expected shape (" + std::to_string(rows.size()) + ", " +
                                std::to_string(dimensions()) + "), got (" +
                                std::to_string(vectors.rows()) + ", " +
                                std::to_string(vectors.cols()) + ")");
  for (const std::int64_t row : rows) check_row(row);
  const std::size_t before = scales_.size(), count = rows.size();
  if (before + count > MAX_PARTS)
    throw std::invalid_argument("vectors: expected at most 2^31 parts in all");
  codes_.resize((before + count) * width());
  scales_.resize(before + count);
  rows_.resize(before + count);
  next_.resize(before + count);
  const std::size_t plane = encoder_.plane_bytes();
  parallel_for(std::ptrdiff_t(count), [&](std::ptrdiff_t i) {
    const float* x = vectors.data() + i * vectors.cols();
    std::uint8_t* high = codes_.data() + (before + std::size_t(i)) * width();
    const double length = std::sqrt(exact_dot(x, x, encoder_.dimensions()));
    const Terms terms = encoder_.encode(x, high, high + plane, nullptr);
    scales_[before + std::size_t(i)] = length > 0 ? float(terms.scale / length) : 0.0f;
  });
  for (std::size_t i = 0; i < count; ++i) link(before + i, rows[i]);
}

void Parts::link(std::size_t part, std::int64_t row) {
  rows_[part] = row;
  const auto [place, is_new] = first_.try_emplace(row, std::uint32_t(part));
  next_[part] = is_new ? END : place->second;
  place->second = std::uint32_t(part);
}

std::int64_t Parts::remove(std::span<const std::int64_t> rows) {
  std::int64_t removed = 0;
  for (const std::int64_t row : rows) {
    const auto place = first_.find(row);
    if (place == first_.end()) continue;
    for (std::uint32_t part = place->second; part != END; part = next_[part], ++removed)
      rows_[part] = -1;
    first_.erase(place);
  }
  dead_ += removed;
  if (2 * dead_ > std::ssize(scales_)) drop_dead();
  return removed;
}

void Parts::drop_dead() {
  std::size_t kept = 0;
  first_.clear();
  for (std::size_t part = 0; part < scales_.size(); ++part) {
    if (rows_[part] < 0) continue;
    std::copy_n(code(part), width(), codes_.data() + kept * width());
    scales_[kept] = scales_[part];
    link(kept++, rows_[part]);
  }
  codes_.resize(kept * width());
  scales_.resize(kept);
  rows_.resize(kept);
  next_.resize(kept);
  dead_ = 0;
}

std::size_t Parts::size_bytes() const {
  const std::size_t node = sizeof(std::pair<std::int64_t, std::uint32_t>) + 2 * sizeof(void*);
  return codes_.size() + scales_.size() * (sizeof(float) + sizeof(std::int64_t) + sizeof(END)) +
         first_.size() * node + first_.bucket_count() * sizeof(void*);
}

RowMajor<float> Parts::best(MatrixView queries, IdsView candidates, int num_threads) const {
  if (queries.cols() != dimensions() || queries.rows() != candidates.rows())
    throw std::invalid_argument("queries: expected shape (" + std::to_string(candidates.rows()) +
                                ", " + std::to_string(dimensions()) + "), got (" +
                                std::to_string(queries.rows()) + ", " +
                                std::to_string(queries.cols()) + ")");
  RowMajor<float> out(candidates.rows(), candidates.cols());
  parallel_for(
      queries.rows(),
      [&](std::ptrdiff_t q) {
        best_of(queries.data() + q * queries.cols(), candidates.data() + q * candidates.cols(),
                candidates.cols(), out.data() + q * out.cols());
      },
      num_threads);
  return out;
}

template <class Part, class Fn>
void Parts::score(const float* query, std::size_t count, Part part, Fn fn) const {
  thread_local QueryCode coded;
  encoder_.encode_query(query, coded);
  const Kernels& simd = kernels();
  const std::size_t plane = encoder_.plane_bytes();
  for (std::size_t i = 0; i < count; i += WIDTH) {
    const std::uint8_t *high[WIDTH], *low[WIDTH];
    std::int32_t upper[WIDTH], lower[WIDTH];
    for (std::size_t j = 0; j < WIDTH; ++j) {
      high[j] = code(part(std::min(i + j, count - 1)));
      low[j] = high[j] + plane;
    }
    simd.dot_planes(coded.codes.data(), high, encoder_.groups(), upper);
    simd.dot_planes(coded.codes.data(), low, encoder_.groups(), lower);
    for (std::size_t j = 0; j < WIDTH && i + j < count; ++j)
      fn(i + j, coded.score(upper[j], lower[j], {scales_[part(i + j)], 0.0f}));
  }
}

void Parts::best_of(const float* query, const std::int64_t* rows, std::ptrdiff_t count,
                    float* out) const {
  thread_local std::vector<std::uint32_t> parts, owners;
  parts.clear();
  owners.clear();
  for (std::ptrdiff_t c = 0; c < count; ++c) {
    out[c] = std::numeric_limits<float>::quiet_NaN();
    for_each_part(rows[c], [&](std::size_t part) {
      __builtin_prefetch(code(part), 0, 2);
      parts.push_back(std::uint32_t(part));
      owners.push_back(std::uint32_t(c));
      out[c] = LOWEST;
    });
  }
  score(
      query, parts.size(), [&](std::size_t i) { return parts[i]; },
      [&](std::size_t i, float cosine) { out[owners[i]] = std::max(out[owners[i]], cosine); });
}

std::vector<float> Parts::cosines(const float* query, std::span<const std::uint32_t> parts) const {
  std::vector<float> out(parts.size());
  score(
      query, parts.size(), [&](std::size_t i) { return parts[i]; },
      [&](std::size_t i, float cosine) { out[i] = cosine; });
  return out;
}

std::vector<std::int64_t> Parts::nearest_rows(const float* query, std::size_t k) const {
  std::vector<Scored<float, std::int64_t>> found;
  found.reserve(scales_.size());
  score(
      query, scales_.size(), [](std::size_t i) { return i; },
      [&](std::size_t i, float cosine) {
        if (rows_[i] >= 0) found.push_back({cosine, rows_[i]});
      });
  std::vector<std::int64_t> out;
  // A row may have many parts: take as many as it needs, twice as many each time.
  for (std::size_t take = 2 * k, done = 0; out.size() < k && done < found.size(); take *= 2) {
    const std::size_t end = std::min(take, found.size());
    std::partial_sort(found.begin() + std::ptrdiff_t(done), found.begin() + std::ptrdiff_t(end),
                      found.end());
    for (; done < end && out.size() < k; ++done)
      if (std::find(out.begin(), out.end(), found[done].row) == out.end())
        out.push_back(found[done].row);
    done = end;
  }
  return out;
}

Parts::Stored Parts::stored() const {
  Stored out;
  out.codes.resize(size(), std::ptrdiff_t(width()));
  for (std::size_t part = 0; part < scales_.size(); ++part) {
    if (rows_[part] < 0) continue;
    std::copy_n(code(part), width(), out.codes.row(std::ssize(out.rows)).data());
    out.scales.push_back(scales_[part]);
    out.rows.push_back(rows_[part]);
  }
  return out;
}

Parts Parts::restored(std::ptrdiff_t d, const Stored& stored) {
  Parts out(d);
  const auto count = std::ssize(stored.rows);
  if (stored.codes.rows() != count || std::ssize(stored.scales) != count ||
      stored.codes.cols() != std::ptrdiff_t(out.width()) || std::size_t(count) > MAX_PARTS)
    throw std::invalid_argument(
        "codes: expected shape (" + std::to_string(count) + ", " + std::to_string(out.width()) +
        ") and as many scales, got (" + std::to_string(stored.codes.rows()) + ", " +
        std::to_string(stored.codes.cols()) + ") and " + std::to_string(stored.scales.size()));
  for (const float scale : stored.scales)
    if (!std::isfinite(scale)) throw std::invalid_argument("scales: expected finite values");
  for (const std::int64_t row : stored.rows) check_row(row);
  out.codes_.assign(stored.codes.data(), stored.codes.data() + stored.codes.size());
  out.scales_ = stored.scales;
  out.rows_.resize(std::size_t(count));
  out.next_.resize(std::size_t(count));
  for (std::size_t part = 0; part < std::size_t(count); ++part) out.link(part, stored.rows[part]);
  return out;
}

}  // namespace ragtune
