#include "parts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "exact.hpp"
#include "parallel.hpp"
#include "touch.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MAX_PARTS = std::size_t(1) << 31;
constexpr std::size_t BLOCK = 256u << 10;                        // bytes
constexpr float NONE = std::numeric_limits<float>::quiet_NaN();  // of a row without parts

void check_row(std::int64_t row) {
  if (row < 0) throw std::invalid_argument("rows: expected >= 0, got " + std::to_string(row));
}

// The TOP_PARTS largest of some values, largest first; LOWEST where there are less.
class Largest {
 public:
  Largest() { values_.fill(LOWEST); }

  void add(float value) {
    for (float& own : values_) {
      const float larger = std::max(own, value);
      value = std::min(own, value);
      own = larger;
    }
  }

  float best() const { return values_.front(); }

  float mean() const {
    float sum = 0;
    std::size_t count = 0;
    for (; count < TOP_PARTS && values_[count] > LOWEST; ++count) sum += values_[count];
    return sum / float(count);
  }

 private:
  std::array<float, TOP_PARTS> values_;
};

}  // namespace

PartsState::PartsState(std::ptrdiff_t d) {
  if (d < 1) throw std::invalid_argument("d: expected >= 1, got " + std::to_string(d));
  encoder_ = Encoder(Metric::inner_product, std::size_t(d));
  codes_ = Blocks<std::uint8_t>(width(), BLOCK);
  scales_ = Blocks<float>(1, BLOCK / 8);
  next_ = Blocks<std::uint32_t>(1, BLOCK / 8);
  begin_edit();
}

void PartsState::begin_edit() {
  const std::uint64_t edit = next_edit();
  codes_.begin_edit(edit);
  scales_.begin_edit(edit);
  next_.begin_edit(edit);
  ids_.begin_edit(edit);
}

// Makes room for parts of these rows, links them, and returns the number of the first.
std::size_t PartsState::append(std::span<const std::int64_t> rows) {
  const std::size_t before = ids_.size();
  codes_.append(rows.size());
  scales_.append(rows.size());
  next_.append(rows.size());
  for (std::size_t first = 0; first < rows.size();) {
    // Ids are found once they are appended: a row may come several times, in runs mostly.
    std::size_t end = first;
    const std::int64_t newest = ids_.row_of(rows[first]);
    const bool linked = newest >= 0 && next_[std::size_t(newest)] != GONE;
    std::uint32_t next = linked ? std::uint32_t(newest) : END;
    for (; end < rows.size() && rows[end] == rows[first]; ++end) {
      *next_.fresh(before + end) = next;
      next = std::uint32_t(before + end);
    }
    ids_.append(rows.subspan(first, end - first));
    first = end;
  }
  return before;
}

void PartsState::add(MatrixView vectors, std::span<const std::int64_t> rows, int num_threads) {
  if (vectors.cols() != dimensions() || vectors.rows() != std::ssize(rows))
    throw std::invalid_argument("vectors: expected shape (" + std::to_string(rows.size()) + ", " +
                                std::to_string(dimensions()) + "), got (" +
                                std::to_string(vectors.rows()) + ", " +
                                std::to_string(vectors.cols()) + ")");
  for (const std::int64_t row : rows) check_row(row);
  if (ids_.size() + rows.size() > MAX_PARTS)
    throw std::invalid_argument("vectors: expected at most 2^31 parts in all");
  const std::size_t before = append(rows), plane = encoder_.plane_bytes();
  parallel_for(
      std::ssize(rows),
      [&](std::ptrdiff_t i) {
        const float* x = vectors.data() + i * vectors.cols();
        std::uint8_t* high = codes_.fresh(before + std::size_t(i));
        const double length = std::sqrt(exact_dot(x, x, encoder_.dimensions()));
        const Terms terms = encoder_.encode(x, high, high + plane, nullptr);
        *scales_.fresh(before + std::size_t(i)) = length > 0 ? float(terms.scale / length) : 0.0f;
      },
      num_threads);
}

std::int64_t PartsState::remove(std::span<const std::int64_t> rows) {
  std::vector<std::size_t> gone;
  for (const std::int64_t row : rows) {
    const std::size_t before = gone.size();
    for_each_part(row, [&](std::size_t part) { gone.push_back(part); });
    for (std::size_t i = before; i < gone.size(); ++i) *next_.edit(gone[i]) = GONE;
  }
  dead_ += gone.size();
  if (2 * dead_ > ids_.size()) *this = compacted();
  return std::ssize(gone);
}

PartsState PartsState::compacted() const {
  PartsState out(dimensions());
  out.restore(stored());
  return out;
}

std::size_t PartsState::size_bytes() const {
  return ids_.size() * (width() + sizeof(float) + sizeof(std::uint32_t)) + ids_.size_bytes();
}

BestAndMean score_parts(const PartsState& parts, MatrixView queries, IdsView candidates,
                        int num_threads) {
  const std::ptrdiff_t nq = candidates.rows(), c = candidates.cols(), d = parts.dimensions();
  if (queries.cols() != d || queries.rows() != nq)
    throw std::invalid_argument("queries: expected shape (" + std::to_string(nq) + ", " +
                                std::to_string(d) + "), got (" + std::to_string(queries.rows()) +
                                ", " + std::to_string(queries.cols()) + ")");
  BestAndMean out{RowMajor<float>(nq, c), RowMajor<float>(nq, c)};
  parallel_for(
      nq,
      [&](std::ptrdiff_t q) {
        parts.best_of(queries.data() + q * d, candidates.data() + q * c, c, out.best.data() + q * c,
                      out.mean.data() + q * c);
      },
      num_threads);
  return out;
}

template <class Part, class Fn>
void PartsState::score(const float* query, std::size_t count, Part part, Fn fn) const {
  thread_local QueryCode coded;
  encoder_.encode_query(query, coded);
  const Kernels& simd = kernels();
  const std::size_t plane = encoder_.plane_bytes();
  for (std::size_t i = 0; i < count; i += WIDTH) {
    const std::uint8_t *high[WIDTH], *low[WIDTH];
    std::int32_t upper[WIDTH], lower[WIDTH];
    for (std::size_t j = 0; j < WIDTH; ++j) {
      high[j] = codes_.row(part(std::min(i + j, count - 1)));
      low[j] = high[j] + plane;
    }
    simd.dot_planes(coded.codes.data(), high, encoder_.groups(), upper);
    simd.dot_planes(coded.codes.data(), low, encoder_.groups(), lower);
    for (std::size_t j = 0; j < WIDTH && i + j < count; ++j)
      fn(i + j, coded.score(upper[j], lower[j], {scales_[part(i + j)], 0.0f}));
  }
}

void PartsState::best_of(const float* query, const std::int64_t* rows, std::ptrdiff_t count,
                         float* best, float* mean) const {
  thread_local std::vector<std::uint32_t> parts, owners;
  thread_local std::vector<Largest> largest;
  parts.clear();
  owners.clear();
  largest.assign(std::size_t(count), {});
  for (std::ptrdiff_t c = 0; c < count; ++c)
    for_each_part(rows[c], [&](std::size_t part) {
      touch(codes_.row(part), codes_.width());
      parts.push_back(std::uint32_t(part));
      owners.push_back(std::uint32_t(c));
    });
  score(
      query, parts.size(), [&](std::size_t i) { return parts[i]; },
      [&](std::size_t i, float cosine) { largest[owners[i]].add(cosine); });
  for (std::ptrdiff_t c = 0; c < count; ++c) {
    const Largest& own = largest[std::size_t(c)];
    const bool none = own.best() == LOWEST;
    best[c] = none ? NONE : own.best();
    mean[c] = none ? NONE : own.mean();
  }
}

std::vector<float> PartsState::cosines(const float* query,
                                       std::span<const std::uint32_t> parts) const {
  std::vector<float> out(parts.size());
  score(
      query, parts.size(), [&](std::size_t i) { return parts[i]; },
      [&](std::size_t i, float cosine) { out[i] = cosine; });
  return out;
}

std::vector<std::int64_t> PartsState::nearest_rows(const float* query, std::size_t k) const {
  std::vector<Scored<float, std::int64_t>> found;
  found.reserve(ids_.size());
  score(
      query, ids_.size(), [](std::size_t i) { return i; },
      [&](std::size_t i, float cosine) {
        if (next_[i] != GONE) found.push_back({cosine, ids_.of_row(i)});
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

StoredParts PartsState::stored() const {
  StoredParts out;
  out.codes.resize(size(), std::ptrdiff_t(width()));
  for (std::size_t part = 0; part < ids_.size(); ++part) {
    if (next_[part] == GONE) continue;
    std::copy_n(codes_.row(part), width(), out.codes.row(std::ssize(out.rows)).data());
    out.scales.push_back(scales_[part]);
    out.rows.push_back(ids_.of_row(part));
  }
  return out;
}

void PartsState::restore(const StoredParts& stored) {
  const auto count = std::ssize(stored.rows);
  if (stored.codes.rows() != count || std::ssize(stored.scales) != count ||
      stored.codes.cols() != std::ptrdiff_t(width()) || std::size_t(count) > MAX_PARTS)
    throw std::invalid_argument(
        "codes: expected shape (" + std::to_string(count) + ", " + std::to_string(width()) +
        ") and as many scales, got (" + std::to_string(stored.codes.rows()) + ", " +
        std::to_string(stored.codes.cols()) + ") and " + std::to_string(stored.scales.size()));
  for (const float scale : stored.scales)
    if (!std::isfinite(scale)) throw std::invalid_argument("scales: expected finite values");
  for (const std::int64_t row : stored.rows) check_row(row);
  const std::size_t before = append(stored.rows);
  for (std::size_t i = 0; i < stored.rows.size(); ++i) {
    std::copy_n(stored.codes.row(std::ptrdiff_t(i)).data(), width(), codes_.fresh(before + i));
    *scales_.fresh(before + i) = stored.scales[i];
  }
}

void Parts::add(MatrixView vectors, std::span<const std::int64_t> rows, int num_threads) {
  const std::lock_guard lock(writer_);
  PartsState next = *state_.get();
  next.begin_edit();
  next.add(vectors, rows, num_threads);
  state_.set(std::move(next));
}

std::int64_t Parts::remove(std::span<const std::int64_t> rows) {
  const std::lock_guard lock(writer_);
  PartsState next = *state_.get();
  next.begin_edit();
  const std::int64_t removed = next.remove(rows);
  if (removed) state_.set(std::move(next));
  return removed;
}

RowMajor<float> Parts::best(MatrixView queries, IdsView candidates, int num_threads) const {
  return best_and_mean(queries, candidates, num_threads).best;
}

BestAndMean Parts::best_and_mean(MatrixView queries, IdsView candidates, int num_threads) const {
  return score_parts(*state_.get(), queries, candidates, num_threads);
}

std::unique_ptr<Parts> Parts::restored(std::ptrdiff_t d, const StoredParts& stored) {
  auto out = std::make_unique<Parts>(d);
  PartsState state(d);
  state.restore(stored);
  out->state_.set(std::move(state));
  return out;
}

}  // namespace ragtune
