// Readers and writers of an index at once, to be run under ThreadSanitizer (`make tsan`).
//
// A writer replaces, removes, compacts and saves; every row carries the number of the add that
// brought it, so that a reader that meets two numbers has seen half of an add. All loops run on
// one thread: the sanitizer does not know libgomp's barriers.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "index.hpp"

using namespace ragtune;

namespace {

constexpr std::ptrdiff_t D = 24, ROWS = 1500;
constexpr int GENERATIONS = 12, READERS = 6;

RowMajor<float> directions() {
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  return RowMajor<float>::NullaryExpr(ROWS, D, [&] { return normal(random); })
      .rowwise()
      .normalized();
}

// Row i of generation g is g + 1 times a fixed direction: scores tell the generation.
int generation_of(const RowMajor<float>& unit, const RowMajor<float>& query, float score,
                  std::int64_t id) {
  return int(std::lround(score / unit.row(id).dot(query.row(0)))) - 1;
}

int run(const char* kind) {
  const RowMajor<float> unit = directions();
  Index index(D, {"ip", kind, "f32", 8, 40, 0});
  std::vector<std::int64_t> ids(ROWS);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = std::int64_t(i);
  index.update(MatrixView(unit.data(), ROWS, D), ids, {}, 1);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < READERS; ++reader)
    readers.emplace_back([&, reader] {
      RowMajor<float> query = unit.row(reader * 7);
      SearchParameters parameters;
      parameters.ef_search = 60;
      parameters.num_threads = 1;
      while (!done) {
        const Ranking found = index.search(MatrixView(query.data(), 1, D), 5, parameters);
        const int first = generation_of(unit, query, found.scores(0, 0), found.rows(0, 0));
        for (int i = 1; i < 5; ++i)
          torn += generation_of(unit, query, found.scores(0, i), found.rows(0, i)) != first;
      }
    });
  const auto file =
      std::filesystem::temp_directory_path() / ("ragtune_stress_" + std::string(kind));
  for (int generation = 1; generation < GENERATIONS; ++generation) {
    const RowMajor<float> longer = unit * float(generation + 1);
    index.update(MatrixView(longer.data(), ROWS, D), ids, {}, 1);
    if (generation % 4 == 0) index.compact(1);
    index.save(file.string(), {});
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  std::filesystem::remove(file);
  std::printf("%s: %d torn results\n", kind, torn.load());
  return torn;
}

}  // namespace

int main() { return run("flat") + run("hnsw") ? EXIT_FAILURE : EXIT_SUCCESS; }
