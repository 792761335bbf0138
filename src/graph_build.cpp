#include "graph_build.hpp"

#include <algorithm>
#include <cmath>

#include "hash.hpp"
#include "neighbours.hpp"
#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MAX_BATCH = 512;  // bounds the comparisons within a batch

struct Link {
  Slot from, to;
  auto operator<=>(const Link&) const = default;
};

// One row on its way in: its slot and its neighbours in each of its layers.
struct Newcomer {
  Slot row;
  std::vector<Slot> slots;
  std::vector<std::vector<Slot>> neighbours;
};

// Layer of a row, drawn by a hash so that it does not depend on what was added with it.
std::size_t top_layer(std::uint64_t seed, Slot row, std::size_t M) {
  const std::uint64_t z = mixed(seed, row);
  const double uniform = (double(z >> 11) + 1) * 0x1p-53;
  return std::min(std::size_t(-std::log(uniform) / std::log(double(M))), MAX_LAYERS - 1);
}

class Inserter {
 public:
  Inserter(Graph& graph, const Rows& rows, const BuildOptions& options)
      : graph_(graph), rows_(rows), options_(options), chooser_(rows) {}

  void insert(std::size_t first, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      const std::size_t there = first + done;
      const std::size_t batch =
          std::min({count - done, MAX_BATCH, std::max<std::size_t>(there / 50, 1)});
      insert_batch(there, batch);
      done += batch;
    }
  }

 private:
  // Few steps are done before other threads are awake.
  int threads(std::size_t steps) const { return steps < 32 ? 1 : options_.num_threads; }

  void insert_batch(std::size_t first, std::size_t count) {
    std::vector<Newcomer> batch(count);
    number(batch, first);
    parallel_for(
        std::ptrdiff_t(count), [&](std::ptrdiff_t i) { find_neighbours(batch, std::size_t(i)); },
        threads(count), 8);
    append(batch);
    for (std::size_t at = 0; at < graph_.layers.size(); ++at) write_links(batch, at);
    for (const Newcomer& newcomer : batch) {
      if (newcomer.slots.size() <= top_) continue;
      top_ = newcomer.slots.size();
      graph_.entry = newcomer.slots.back();
    }
  }

  // Gives every newcomer its slots: those that append() will make.
  void number(std::vector<Newcomer>& batch, std::size_t first) {
    top_ = graph_.layers.size();
    std::vector<std::size_t> sizes(MAX_LAYERS, 0);
    for (std::size_t at = 0; at < top_; ++at) sizes[at] = graph_.layers[at].size();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Newcomer& newcomer = batch[i];
      newcomer.row = Slot(first + i);
      newcomer.slots.resize(top_layer(options_.seed, newcomer.row, graph_.M) + 1);
      newcomer.neighbours.resize(newcomer.slots.size());
      for (std::size_t at = 0; at < newcomer.slots.size(); ++at)
        newcomer.slots[at] = Slot(sizes[at]++);
    }
  }

  void find_neighbours(std::vector<Newcomer>& batch, std::size_t i) const {
    thread_local Scratch scratch;
    Newcomer& newcomer = batch[i];
    QueryCode query;
    rows_.row_as_query(newcomer.row, query);
    const std::size_t layers = graph_.layers.size();
    const std::size_t highest = std::min(newcomer.slots.size(), layers);
    Start start{};
    if (layers) start = descend(graph_, rows_, query, highest - 1);
    for (std::size_t at = newcomer.slots.size(); at-- > 0;) {
      std::vector<Neighbour> found;
      if (at < layers) {
        walk(graph_, rows_, query, at, start, options_.ef_construction, scratch);
        const Pool& pool = scratch.pool;
        for (std::size_t j = 0; j < pool.size(); ++j)
          found.push_back({pool.score(j), pool.slot(j), graph_.layers[at].row_of(pool.slot(j))});
        start = {found.front().slot, found.front().score};
        if (at > 0) start.slot = graph_.layers[at].down[start.slot];
      }
      add_batch_mates(found, batch, i, at, query);
      newcomer.neighbours[at] =
          chooser_.choose(newcomer.row, std::move(found), at ? graph_.M : 2 * graph_.M);
    }
  }

  // The other newcomers of the layer, scored against this one.
  void add_batch_mates(std::vector<Neighbour>& found, const std::vector<Newcomer>& batch,
                       std::size_t i, std::size_t at, const QueryCode& query) const {
    std::vector<Slot> rows, slots;
    for (std::size_t j = 0; j < batch.size(); ++j) {
      if (j == i || batch[j].slots.size() <= at) continue;
      rows.push_back(batch[j].row);
      slots.push_back(batch[j].slots[at]);
    }
    if (rows.empty()) return;
    std::vector<float> scores(rows.size());
    rows_.score_codes(query, rows.data(), rows.size(), scores.data());
    for (std::size_t j = 0; j < rows.size(); ++j) found.push_back({scores[j], slots[j], rows[j]});
    const std::size_t keep = std::min(found.size(), options_.ef_construction);
    std::partial_sort(found.begin(), found.begin() + std::ptrdiff_t(keep), found.end());
    found.resize(keep);
  }

  void append(const std::vector<Newcomer>& batch) {
    for (const Newcomer& newcomer : batch) {
      while (graph_.layers.size() < newcomer.slots.size()) graph_.add_layer();
      for (std::size_t at = 0; at < newcomer.slots.size(); ++at) {
        Layer& layer = graph_.layers[at];
        const Slot slot = newcomer.slots[at];
        layer.links.append(1);
        const std::vector<Slot>& neighbours = newcomer.neighbours[at];
        Slot* list = layer.links.fresh(slot);
        std::fill(std::copy(neighbours.begin(), neighbours.end(), list), list + layer.links.width(),
                  slot);
        if (at == 0) continue;
        layer.rows.append(1);
        layer.down.append(1);
        *layer.rows.fresh(slot) = newcomer.row;
        *layer.down.fresh(slot) = newcomer.slots[at - 1];
      }
    }
  }

  // The links back: every neighbour of a newcomer learns of it.
  void write_links(const std::vector<Newcomer>& batch, std::size_t at) {
    std::vector<Link> links;
    for (const Newcomer& newcomer : batch)
      if (newcomer.slots.size() > at)
        for (const Slot neighbour : newcomer.neighbours[at])
          links.push_back({neighbour, newcomer.slots[at]});
    if (links.empty()) return;
    std::sort(links.begin(), links.end());
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (i > 0 && links[i].from == links[i - 1].from) continue;
      starts.push_back(i);
      graph_.layers[at].links.edit(links[i].from);  // copies blocks on this thread alone
    }
    starts.push_back(links.size());
    parallel_for(
        std::ssize(starts) - 1,
        [&](std::ptrdiff_t i) {
          const std::size_t begin = starts[std::size_t(i)], end = starts[std::size_t(i) + 1];
          add_links(graph_.layers[at], {links.data() + begin, end - begin});
        },
        threads(starts.size()), 16);
  }

  void add_links(Layer& layer, std::span<const Link> links) const {
    const Slot slot = links.front().from;
    Slot* list = layer.links.edit(slot);
    const std::size_t degree = layer.links.width();
    std::vector<Slot> slots;
    for (std::size_t i = 0; i < degree && list[i] != slot; ++i) slots.push_back(list[i]);
    for (const Link& link : links) {
      if (std::find(slots.begin(), slots.end(), link.to) != slots.end()) continue;
      slots.push_back(link.to);
      if (slots.size() > degree) drop_one(layer, slot, slots);
    }
    std::fill(std::copy(slots.begin(), slots.end(), list), list + degree, slot);
  }

  void drop_one(const Layer& layer, Slot slot, std::vector<Slot>& slots) const {
    thread_local std::vector<Slot> rows;
    rows.clear();
    for (const Slot other : slots) rows.push_back(layer.row_of(other));
    chooser_.make_room(layer.row_of(slot), rows, slots);
  }

  Graph& graph_;
  const Rows& rows_;
  const BuildOptions& options_;
  const NeighbourChooser chooser_;
  std::size_t top_ = 0;  // layers of the graph with the newcomers in it
};

}  // namespace

void insert_rows(Graph& graph, const Rows& rows, std::size_t first, std::size_t count,
                 const BuildOptions& options) {
  Inserter(graph, rows, options).insert(first, count);
}

}  // namespace ragtune
