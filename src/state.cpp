#include "state.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "adapter.hpp"
#include "graph_build.hpp"

namespace ragtune {
namespace {

constexpr std::ptrdiff_t ADDED_AT_ONCE = 16384;  // bounds the memory for unit copies

Rows rows_for(std::size_t d, const IndexOptions& options) {
  return Rows(options.metric == "l2" ? Metric::l2 : Metric::inner_product, d,
              options.store == "bf16" ? Store::bf16 : Store::f32, options.kind == "flat");
}

}  // namespace

State::State(std::size_t d, const IndexOptions& options)
    : rows(rows_for(d, options)), graph(options.M) {}

void State::begin_edit() {
  const std::uint64_t edit = next_edit();
  rows.begin_edit(edit);
  graph.begin_edit(edit);
  ids.begin_edit(edit);
}

State State::edited() const {
  State next = *this;
  next.begin_edit();
  return next;
}

std::vector<std::int64_t> State::take_ids(std::optional<std::span<const std::int64_t>> given,
                                          std::ptrdiff_t count) {
  constexpr auto LAST = std::numeric_limits<std::int64_t>::max();
  if (given) {
    for (const std::int64_t id : *given) next_id = std::max(next_id, id == LAST ? LAST : id + 1);
    return {given->begin(), given->end()};
  }
  if (count > LAST - next_id)
    throw std::invalid_argument("ids: expected them given, as id " + std::to_string(next_id - 1) +
                                " is in use");
  std::vector<std::int64_t> numbered(static_cast<std::size_t>(count));
  for (std::int64_t& id : numbered) id = next_id++;
  return numbered;
}

void State::append(MatrixView vectors, std::span<const std::int64_t> names,
                   const IndexOptions& options, int num_threads) {
  const std::size_t before = rows.size();
  const auto d = std::ptrdiff_t(rows.dimensions());
  for (std::ptrdiff_t first = 0; first < vectors.rows(); first += ADDED_AT_ONCE) {
    const std::ptrdiff_t count = std::min(ADDED_AT_ONCE, vectors.rows() - first);
    MatrixView part(vectors.data() + first * d, count, d);
    RowMajor<float> unit;
    if (options.metric == "cosine") {
      unit = part;
      normalize_rows(unit);
      new (&part) MatrixView(unit.data(), count, d);
    }
    rows.append(part);
  }
  rows.code_new(num_threads);
  ids.append(names);
  let_in(alive, before, rows.size());
  link(before, options, num_threads);
}

void State::link(std::size_t first, const IndexOptions& options, int num_threads) {
  if (options.kind == "hnsw")
    insert_rows(graph, rows, first, rows.size() - first,
                {options.ef_construction, options.seed, num_threads});
}

std::size_t State::kill(std::span<const std::int64_t> names) {
  return take_out(alive, rows.size(), ids, names).size();
}

State State::compacted(const IndexOptions& options, int num_threads) const {
  const auto d = std::ptrdiff_t(rows.dimensions());
  State next(rows.dimensions(), options);
  next.begin_edit();
  next.calibration = calibration;
  next.next_id = next_id;
  RowMajor<float> vectors(std::min<std::ptrdiff_t>(ADDED_AT_ONCE, std::ptrdiff_t(live())), d);
  std::vector<std::int64_t> names;
  const auto flush = [&] {
    next.rows.append(MatrixView(vectors.data(), std::ssize(names), d));
    next.ids.append(names);
    names.clear();
  };
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!alive(row)) continue;
    rows.copy_vector(row, vectors.row(std::ssize(names)).data());
    names.push_back(ids.of_row(row));
    if (std::ssize(names) == vectors.rows()) flush();
  }
  if (!names.empty()) flush();
  next.rows.code_new(num_threads);
  next.link(0, options, num_threads);
  return next;
}

}  // namespace ragtune
