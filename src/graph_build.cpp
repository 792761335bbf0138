#include "graph_build.hpp"

#include <algorithm>
#include <cmath>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t MAX_BATCH = 512;  // bounds the comparisons within a batch

struct Link {
  Slot from, to;
  auto operator<=>(const Link&) const = default;
};

struct Neighbour {
  float score;
  Slot slot;
  bool operator<(const Neighbour& other) const {  // better first
    return score != other.score ? score > other.score : slot < other.slot;
  }
};

// One row on its way in: its slot and its neighbours in each of its layers.
struct Newcomer {
  Slot row;
  std::vector<Slot> slots;
  std::vector<std::vector<Slot>> neighbours;
};

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {  // splitmix64
  std::uint64_t z = (a + 1) * 0x9e3779b97f4a7c15u + b;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Layer of a row, drawn by a hash so that it does not depend on what was added with it.
std::size_t top_layer(std::uint64_t seed, Slot row, std::size_t M) {
  const std::uint64_t z = mixed(seed, row);
  const double uniform = (double(z >> 11) + 1) * 0x1p-53;
  return std::min(std::size_t(-std::log(uniform) / std::log(double(M))), MAX_LAYERS - 1);
}

class Inserter {
 public:
  Inserter(Graph& graph, const Rows& rows, const BuildOptions& options)
      : graph_(graph),
        rows_(rows),
        options_(options),
        resolution_(std::max(
            1e-30f, float(rows.usual_error(rows.longest_centred, rows.largest_residual)))) {}

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

  Slot row_of(const Layer& layer, Slot slot) const {
    return layer.rows.size() ? layer.rows[slot] : slot;
  }
  QueryCode& as_query(Slot row) const {
    thread_local QueryCode query;
    rows_.encoder.row_as_query(rows_.high.row(row), rows_.low.row(row), rows_.terms[row], query);
    return query;
  }

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
    const QueryCode query = as_query(newcomer.row);
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
          found.push_back({pool.score(j), pool.slot(j)});
        start = {found.front().slot, found.front().score};
        if (at > 0) start.slot = graph_.layers[at].down[start.slot];
      }
      add_batch_mates(found, batch, i, at, query);
      shuffle_alike(found, newcomer.row);
      newcomer.neighbours[at] = diverse(found, batch, at, newcomer.row, graph_.M);
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
    for (std::size_t j = 0; j < rows.size(); ++j) found.push_back({scores[j], slots[j]});
    const std::size_t keep = std::min(found.size(), options_.ef_construction);
    std::partial_sort(found.begin(), found.begin() + std::ptrdiff_t(keep), found.end());
    found.resize(keep);
  }

  // Neighbours whose scores the codes cannot tell apart, in an order of its own for each row:
  // else many near-duplicates would all link to the same few, and none to the others.
  void shuffle_alike(std::vector<Neighbour>& sorted, Slot row) const {
    const auto level = [&](const Neighbour& n) { return std::floor(n.score / resolution_); };
    for (auto begin = sorted.begin(); begin != sorted.end();) {
      const auto end = std::find_if(begin + 1, sorted.end(),
                                    [&](const Neighbour& n) { return level(n) != level(*begin); });
      std::sort(begin, end, [&](const Neighbour& a, const Neighbour& b) {
        return mixed(row, a.slot) < mixed(row, b.slot);
      });
      begin = end;
    }
  }

  Slot row_in(const std::vector<Newcomer>& batch, std::size_t at, Slot slot) const {
    const std::size_t there = at < graph_.layers.size() ? graph_.layers[at].size() : 0;
    if (slot < there) return row_of(graph_.layers[at], slot);
    if (at == 0) return slot;
    for (const Newcomer& newcomer : batch)
      if (newcomer.slots.size() > at && newcomer.slots[at] == slot) return newcomer.row;
    return slot;  // not reached: slots come from the graph or from the batch
  }

  // At most `most` of the sorted candidates, each closer to the row than to those before it;
  // then the best of the others until half of the list is used.
  std::vector<Slot> diverse(const std::vector<Neighbour>& candidates,
                            const std::vector<Newcomer>& batch, std::size_t at, Slot row,
                            std::size_t most) const {
    std::vector<Slot> kept, kept_rows, others;
    const float own = rows_.terms[row].bias;
    for (const Neighbour& candidate : candidates) {
      if (kept.size() == most) break;
      const Slot candidate_row = row_in(batch, at, candidate.slot);
      if (closer_to_another(candidate_row, kept_rows, candidate.score + own)) {
        others.push_back(candidate.slot);
      } else {
        kept.push_back(candidate.slot);
        kept_rows.push_back(candidate_row);
      }
    }
    for (std::size_t i = 0; i < others.size() && kept.size() < (most + 1) / 2; ++i)
      kept.push_back(others[i]);
    return kept;
  }

  // Is the row at least as close to one of `kept` as `score`? (Scores of a pair of rows are
  // comparable once the bias of both is in them.)
  bool closer_to_another(Slot row, const std::vector<Slot>& kept, float score) const {
    constexpr std::size_t STEP = 4;
    if (kept.empty()) return false;
    const QueryCode& query = as_query(row);
    const float own = rows_.terms[row].bias;
    float scores[STEP];
    for (std::size_t i = 0; i < kept.size(); i += STEP) {
      const std::size_t count = std::min(STEP, kept.size() - i);
      rows_.score_codes(query, kept.data() + i, count, scores);
      for (std::size_t j = 0; j < count; ++j)
        if (scores[j] + own >= score) return true;
    }
    return false;
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
          add_links(graph_.layers[at], {links.data() + begin, end - begin}, at);
        },
        threads(starts.size()), 16);
  }

  void add_links(Layer& layer, std::span<const Link> links, std::size_t at) const {
    const Slot slot = links.front().from;
    Slot* list = layer.links.edit(slot);
    const std::size_t degree = layer.links.width();
    std::vector<Slot> slots;
    for (std::size_t i = 0; i < degree && list[i] != slot; ++i) slots.push_back(list[i]);
    for (const Link& link : links)
      if (std::find(slots.begin(), slots.end(), link.to) == slots.end()) slots.push_back(link.to);
    if (slots.size() > degree) slots = best_of(layer, slot, slots, at);
    std::fill(std::copy(slots.begin(), slots.end(), list), list + degree, slot);
  }

  std::vector<Slot> best_of(const Layer& layer, Slot slot, const std::vector<Slot>& slots,
                            std::size_t at) const {
    const Slot row = row_of(layer, slot);
    std::vector<Slot> rows;
    for (const Slot other : slots) rows.push_back(row_of(layer, other));
    std::vector<float> scores(rows.size());
    rows_.score_codes(as_query(row), rows.data(), rows.size(), scores.data());
    std::vector<Neighbour> candidates;
    for (std::size_t i = 0; i < slots.size(); ++i) candidates.push_back({scores[i], slots[i]});
    std::sort(candidates.begin(), candidates.end());
    shuffle_alike(candidates, row);
    return diverse(candidates, {}, at, row, layer.links.width());
  }

  Graph& graph_;
  const Rows& rows_;
  const BuildOptions& options_;
  const float resolution_;
  std::size_t top_ = 0;  // layers of the graph with the newcomers in it
};

}  // namespace

void insert_rows(Graph& graph, const Rows& rows, std::size_t first, std::size_t count,
                 const BuildOptions& options) {
  Inserter(graph, rows, options).insert(first, count);
}

}  // namespace ragtune
