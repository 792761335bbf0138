#include "neighbours.hpp"

#include <algorithm>
#include <cmath>

#include "hash.hpp"

namespace ragtune {

NeighbourChooser::NeighbourChooser(const Rows& rows)
    : rows_(rows),
      resolution_(
          std::max(1e-30f, float(rows.usual_error(rows.longest_centred, rows.largest_residual)))) {}

QueryCode& NeighbourChooser::as_query(Slot row) const {
  thread_local QueryCode query;
  rows_.row_as_query(row, query);
  return query;
}

std::vector<Slot> NeighbourChooser::choose(Slot row, std::vector<Neighbour> candidates,
                                           std::size_t most) const {
  shuffle_alike(row, candidates);
  std::vector<Slot> kept, kept_rows, others;
  const float own = rows_.terms[row].bias;
  for (const Neighbour& candidate : candidates) {
    if (kept.size() == most) break;
    if (closer_to_another(candidate.row, kept_rows, candidate.score + own)) {
      others.push_back(candidate.slot);
    } else {
      kept.push_back(candidate.slot);
      kept_rows.push_back(candidate.row);
    }
  }
  for (std::size_t i = 0; i < others.size() && kept.size() < (most + 3) / 4; ++i)
    kept.push_back(others[i]);
  return kept;
}

// Is the row at least as close to one of `kept` as `score`? (Scores of a pair of rows are
// comparable once the bias of both is in them.)
bool NeighbourChooser::closer_to_another(Slot row, const std::vector<Slot>& kept,
                                         float score) const {
  if (kept.empty()) return false;
  const QueryCode& query = as_query(row);
  const float own = rows_.terms[row].bias;
  float scores[WIDTH];
  for (std::size_t i = 0; i < kept.size(); i += WIDTH) {
    const std::size_t count = std::min(WIDTH, kept.size() - i);
    rows_.score_codes(query, kept.data() + i, count, scores);
    for (std::size_t j = 0; j < count; ++j)
      if (scores[j] + own >= score) return true;
  }
  return false;
}

void NeighbourChooser::shuffle_alike(Slot row, std::vector<Neighbour>& sorted) const {
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

void NeighbourChooser::make_room(Slot owner, std::vector<Slot>& rows,
                                 std::vector<Slot>& slots) const {
  thread_local std::vector<float> to_owner, to_newcomer;
  for (const Slot row : rows) {
    rows_.touch_upper(row);
    rows_.touch_lower(row);
  }
  const std::size_t last = slots.size() - 1;
  scores_between(owner, rows, to_owner);
  scores_between(rows[last], rows, to_newcomer);
  const float newcomer = to_owner[last];
  std::size_t kept = 0;
  bool redundant = false;
  for (std::size_t i = 0; i < last; ++i) {
    const bool nearer = to_owner[i] >= newcomer;
    redundant |= nearer && to_newcomer[i] > newcomer + resolution_;
    if (nearer || to_newcomer[i] <= to_owner[i] + resolution_) rows[kept++] = slots[i];
  }
  if (redundant) return slots.pop_back();
  if (kept < last) {
    rows[kept++] = slots[last];
    slots.assign(rows.begin(), rows.begin() + std::ptrdiff_t(kept));
    return;
  }
  const auto level = [&](std::size_t i) {
    return std::pair(std::floor(to_owner[i] / resolution_), mixed(owner, slots[i]));
  };
  std::size_t farthest = 0;
  for (std::size_t i = 1; i <= last; ++i)
    if (level(i) < level(farthest)) farthest = i;
  slots.erase(slots.begin() + std::ptrdiff_t(farthest));
}

// Comparable with those of other pairs.
void NeighbourChooser::scores_between(Slot row, const std::vector<Slot>& others,
                                      std::vector<float>& out) const {
  out.resize(others.size());
  rows_.score_codes(as_query(row), others.data(), others.size(), out.data());
  const float own = rows_.terms[row].bias;
  for (float& score : out) score += own;
}

}  // namespace ragtune
