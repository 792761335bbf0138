// An index as a file: see artifact.hpp for the container. Rows, codes and links are mapped;
// ids are indexed anew.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "artifact.hpp"
#include "index.hpp"

namespace ragtune {
namespace {

constexpr std::int64_t FORMAT = 1;

// The numbers of the section "about", in this order.
struct About {
  std::int64_t format = FORMAT, d = 0, rows = 0, metric = 0, kind = 0, store = 0, M = 0,
               ef_construction = 0, seed = 0, layers = 0, entry = 0, live = 0, calibrated_rows = 0,
               centred_on = 0, next_id = 0;
};
constexpr std::size_t ABOUT_SIZE = sizeof(About) / sizeof(std::int64_t);

constexpr const char* METRICS[] = {"cosine", "ip", "l2"};
constexpr const char* KINDS[] = {"flat", "hnsw"};
constexpr const char* STORES[] = {"f32", "bf16"};

template <std::size_t N>
std::int64_t number_of(const char* const (&names)[N], const std::string& name) {
  return std::find(names, names + N, name) - names;
}

template <class T>
constexpr Dtype dtype_of();
template <>
constexpr Dtype dtype_of<std::uint8_t>() {
  return Dtype::u8;
}
template <>
constexpr Dtype dtype_of<std::uint16_t>() {
  return Dtype::u16;
}
template <>
constexpr Dtype dtype_of<Slot>() {
  return Dtype::i32;
}
template <>
constexpr Dtype dtype_of<std::int64_t>() {
  return Dtype::i64;
}
template <>
constexpr Dtype dtype_of<std::uint64_t>() {
  return Dtype::i64;
}
template <>
constexpr Dtype dtype_of<float>() {
  return Dtype::f32;
}
template <>
constexpr Dtype dtype_of<double>() {
  return Dtype::f64;
}

class Writer {
 public:
  template <class T>
  void add(const std::string& name, const T* data, std::size_t rows, std::size_t columns) {
    sections_.push_back(
        {name, dtype_of<T>(), {rows, columns}, {std::as_bytes(std::span(data, rows * columns))}});
  }

  template <class T>
  void add(const std::string& name, const Blocks<T>& blocks) {
    ScatteredSection section{name, dtype_of<T>(), {blocks.size(), blocks.width()}, {}};
    for (std::size_t i = 0; i < blocks.size(); i += blocks.run(i))
      section.parts.push_back(
          std::as_bytes(std::span(blocks.row(i), blocks.run(i) * blocks.width())));
    sections_.push_back(std::move(section));
  }

  void add_terms(const Blocks<Terms>& terms) {
    ScatteredSection section{"terms", Dtype::f32, {terms.size(), 2}, {}};
    for (std::size_t i = 0; i < terms.size(); i += terms.run(i))
      section.parts.push_back(std::as_bytes(std::span(terms.row(i), terms.run(i))));
    sections_.push_back(std::move(section));
  }

  void write(const std::string& path) const { write_artifact(path, sections_); }

 private:
  std::vector<ScatteredSection> sections_;
};

// The sections of a file, each asked for with the shape that it must have.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(std::make_shared<Artifact>(path)) {
    for (const Section& section : file_->sections()) sections_[section.name] = &section;
  }

  [[noreturn]] void damaged(const std::string& what) const {
    throw CorruptFile(path_ + ": not an index: " + what);
  }
  void expect(bool right, const std::string& what) const {
    if (!right) damaged(what);
  }

  bool has(const std::string& name) const { return sections_.contains(name); }

  template <class T>
  std::span<const T> read(const std::string& name) const {
    const auto at = sections_.find(name);
    if (at == sections_.end()) damaged("no section " + name);
    if (at->second->dtype != dtype_of<T>()) damaged("section " + name + " has another dtype");
    const auto bytes = at->second->bytes;
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  template <class T>
  std::span<const T> read(const std::string& name, std::size_t rows, std::size_t columns) const {
    const auto data = read<T>(name);
    const auto& shape = sections_.at(name)->shape;
    expect(shape[0] == rows && shape[1] == columns, "section " + name + " has another shape");
    return data;
  }

  template <class T>
  void map(const std::string& name, std::size_t rows, Blocks<T>& blocks) const {
    blocks.map(file_, read<T>(name, rows, blocks.width()).data(), rows);
  }

  void map_terms(std::size_t rows, Blocks<Terms>& terms) const {
    const auto data = read<float>("terms", rows, 2);
    terms.map(file_, reinterpret_cast<const Terms*>(data.data()), rows);
  }

  const std::shared_ptr<Artifact>& file() const { return file_; }

 private:
  std::string path_;
  std::shared_ptr<Artifact> file_;
  std::map<std::string, const Section*> sections_;
};

About read_about(const Reader& reader) {
  const auto numbers = reader.read<std::int64_t>("about", 1, ABOUT_SIZE);
  std::array<std::int64_t, ABOUT_SIZE> raw;
  std::ranges::copy(numbers, raw.begin());
  const auto about = std::bit_cast<About>(raw);
  reader.expect(about.format == FORMAT, "format " + std::to_string(about.format) +
                                            ", this program reads " + std::to_string(FORMAT));
  const auto in = [&](std::int64_t value, std::int64_t least, std::int64_t most) {
    reader.expect(value >= least && value <= most, "a number is out of range");
  };
  in(about.d, 1, 65536);
  in(about.rows, 0, std::int64_t(1) << 31);
  in(about.metric, 0, std::ssize(METRICS) - 1);
  in(about.kind, 0, std::ssize(KINDS) - 1);
  in(about.store, 0, std::ssize(STORES) - 1);
  in(about.M, 2, 256);
  in(about.ef_construction, 1, 10000);
  in(about.layers, about.rows > 0 && about.kind == 1, MAX_LAYERS);
  in(about.next_id, 0, std::numeric_limits<std::int64_t>::max());
  in(about.live, 0, about.rows);
  reader.expect(about.kind == 1 || about.layers == 0, "a flat index with links");
  return about;
}

void read_rows(const Reader& reader, const About& about, Rows& rows) {
  const auto n = std::size_t(about.rows);
  const auto mean = reader.read<float>("mean", 1, std::size_t(about.d));
  reader.expect(std::ranges::all_of(mean, [](float x) { return std::isfinite(x); }),
                "a mean that is no number");
  rows.encoder.set_mean({mean.begin(), mean.end()});
  const auto bounds = reader.read<double>("bounds", 1, 2);
  rows.longest_centred = bounds[0];
  rows.largest_residual = bounds[1];
  rows.centred_on = std::size_t(std::clamp<std::int64_t>(about.centred_on, 0, about.rows));
  rows.store == Store::f32 ? reader.map("vectors", n, rows.f32)
                           : reader.map("vectors", n, rows.bf16);
  reader.map("high", n, rows.high);
  reader.map("low", n, rows.low);
  reader.map_terms(n, rows.terms);
  if (rows.with_errors) reader.map("coarse", n, rows.coarse);
}

void read_graph(const Reader& reader, const About& about, Graph& graph) {
  const auto all_below = [&](const Blocks<Slot>& numbers, std::size_t limit) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      for (std::size_t j = 0; j < numbers.width(); ++j)
        reader.expect(numbers.row(i)[j] < limit, "a link points beyond the end");
  };
  for (std::int64_t at = 0; at < about.layers; ++at) {
    const std::string number = std::to_string(at);
    graph.add_layer();
    Layer& layer = graph.layers.back();
    const std::size_t width = layer.links.width();
    const std::size_t size = reader.read<Slot>("links" + number).size() / width;
    reader.expect(size >= 1 && (at > 0 || size == std::size_t(about.rows)),
                  "a layer has another size");
    reader.map("links" + number, size, layer.links);
    all_below(layer.links, size);
    if (at == 0) continue;
    reader.map("rows" + number, size, layer.rows);
    reader.map("down" + number, size, layer.down);
    all_below(layer.rows, std::size_t(about.rows));
    all_below(layer.down, graph.layers[std::size_t(at) - 1].size());
  }
  const std::size_t top = graph.empty() ? 1 : graph.layers.back().size();
  reader.expect(about.entry >= 0 && std::size_t(about.entry) < top, "the entry is beyond the end");
  graph.entry = Slot(about.entry);
}

void read_alive(const Reader& reader, const About& about, Allowed& alive) {
  if (!reader.has("alive")) return reader.expect(about.live == about.rows, "rows that are gone");
  const std::size_t words = words_of(std::size_t(about.rows));
  const auto bits = reader.read<std::uint64_t>("alive", words, 1);
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < about.rows; ++row)
    count += bits[std::size_t(row) >> 6] >> (row & 63) & 1;
  reader.expect(count == about.live, "another number of rows is gone");
  alive = {std::make_shared<std::vector<std::uint64_t>>(bits.begin(), bits.end()),
           std::size_t(count)};
}

}  // namespace

void Index::save(const std::string& path, std::span<const std::int64_t> note) const {
  const auto state = state_.get();
  const Rows& rows = state->rows;
  const Graph& graph = state->graph;
  const About about{FORMAT,
                    d_,
                    std::int64_t(rows.size()),
                    number_of(METRICS, options_.metric),
                    number_of(KINDS, options_.kind),
                    number_of(STORES, options_.store),
                    std::int64_t(options_.M),
                    std::int64_t(options_.ef_construction),
                    std::int64_t(options_.seed),
                    std::ssize(graph.layers),
                    graph.entry,
                    std::int64_t(state->live()),
                    std::int64_t(state->calibration.rows),
                    std::int64_t(rows.centred_on),
                    state->next_id};
  const double bounds[] = {rows.longest_centred, rows.largest_residual};
  std::vector<double> calibration;
  for (const auto& point : state->calibration.points)
    calibration.insert(calibration.end(), {double(point.ef), point.recall});
  Writer writer;
  const auto raw = std::bit_cast<std::array<std::int64_t, ABOUT_SIZE>>(about);
  writer.add("about", raw.data(), 1, ABOUT_SIZE);
  writer.add("note", note.data(), 1, note.size());
  writer.add("mean", rows.encoder.mean().data(), 1, rows.dimensions());
  writer.add("bounds", bounds, 1, 2);
  rows.store == Store::f32 ? writer.add("vectors", rows.f32) : writer.add("vectors", rows.bf16);
  writer.add("high", rows.high);
  writer.add("low", rows.low);
  writer.add_terms(rows.terms);
  if (rows.with_errors) writer.add("coarse", rows.coarse);
  if (!state->ids.are_rows()) writer.add("ids", state->ids.table());
  if (!state->alive.all())
    writer.add("alive", state->alive.bits->data(), state->alive.bits->size(), 1);
  for (std::size_t at = 0; at < graph.layers.size(); ++at) {
    const std::string number = std::to_string(at);
    writer.add("links" + number, graph.layers[at].links);
    if (at > 0) writer.add("rows" + number, graph.layers[at].rows);
    if (at > 0) writer.add("down" + number, graph.layers[at].down);
  }
  writer.add("calibration", calibration.data(), calibration.size() / 2, 2);
  writer.write(path);
}

std::unique_ptr<Index> Index::load(const std::string& path, std::vector<std::int64_t>& note) {
  const Reader reader(path);
  const About about = read_about(reader);
  auto index = std::make_unique<Index>(
      about.d, IndexOptions{METRICS[about.metric], KINDS[about.kind], STORES[about.store],
                            std::size_t(about.M), std::size_t(about.ef_construction),
                            std::uint64_t(about.seed)});
  State state = *index->state_.get();
  read_rows(reader, about, state.rows);
  read_graph(reader, about, state.graph);
  read_alive(reader, about, state.alive);
  const auto n = std::size_t(about.rows);
  if (reader.has("ids")) {
    const auto ids = reader.read<std::int64_t>("ids", n, 1);
    reader.expect(std::ranges::all_of(ids, [](std::int64_t id) { return id >= 0; }),
                  "a negative id");
    state.ids.map(reader.file(), ids.data(), n);
  } else {
    state.ids.number(n);
  }
  const auto points = reader.read<double>("calibration");
  state.calibration.rows =
      std::size_t(std::clamp<std::int64_t>(about.calibrated_rows, 0, 1LL << 31));
  for (std::size_t i = 0; i + 1 < points.size(); i += 2) {
    reader.expect(points[i] >= 1 && points[i] <= 1e6 && points[i + 1] >= 0 && points[i + 1] <= 1,
                  "a calibration that is none");
    state.calibration.points.push_back({std::size_t(points[i]), points[i + 1]});
  }
  state.next_id = about.next_id;
  const auto noted = reader.read<std::int64_t>("note");
  note.assign(noted.begin(), noted.end());
  index->state_.set(std::move(state));
  return index;
}

}  // namespace ragtune
