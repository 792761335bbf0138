#include "nudge_directions.hpp"

#include <algorithm>
#include <cmath>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr double STILL = 1e-6;  // sine of an angle that float32 cannot tell from none

struct Pair {
  std::int64_t row, question;
  auto operator<=>(const Pair&) const = default;
};

std::vector<Pair> pairs(const Questions& questions) {
  std::vector<Pair> out;
  for (std::ptrdiff_t q = 0; q + 1 < std::ssize(questions.offsets); ++q)
    for (auto i = questions.offsets[std::size_t(q)]; i < questions.offsets[std::size_t(q) + 1]; ++i)
      out.push_back({questions.rows[std::size_t(i)], q});
  std::ranges::sort(out);
  return out;
}

using Row = Eigen::RowVectorXd;

Row row_of(MatrixView m, std::int64_t i) { return m.row(i).cast<double>(); }

}  // namespace

Directions directions(MatrixView corpus, const Questions& training, const NudgeOptions& options) {
  const std::vector<Pair> all = pairs(training);
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i == 0 || all[i].row != all[i - 1].row) begins.push_back(i);
  const std::size_t m = begins.size();
  begins.push_back(all.size());
  RowMajor<float> units(std::ptrdiff_t(m), corpus.cols());
  std::vector<float> cosine(m), sine(m);
  std::vector<std::uint8_t> moves(m, 0);
  parallel_for(
      std::ptrdiff_t(m),
      [&](std::ptrdiff_t at) {
        const auto j = std::size_t(at);
        Row g = Row::Zero(corpus.cols());
        for (std::size_t i = begins[j]; i < begins[j + 1]; ++i)
          g += row_of(training.embeddings, all[i].question);
        const double length = g.norm();
        if (!(length > 0)) return;
        if (options.kind == NudgeKind::magnitude) {
          units.row(at) = (g / length).cast<float>();
          moves[j] = 1;
          return;
        }
        const Row e = row_of(corpus, all[begins[j]].row);
        const double along = g.dot(e);
        const Row across = g - along * e;
        const double far = across.norm();
        if (along < 0 || far <= STILL * length) return;
        units.row(at) = (across / far).cast<float>();
        cosine[j] = float(along / std::hypot(along, far));
        sine[j] = float(far / std::hypot(along, far));
        moves[j] = 1;
      },
      options.num_threads, 16);
  Directions out;
  for (std::size_t j = 0; j < m; ++j) {
    if (!moves[j]) continue;
    const std::size_t to = out.rows.size();
    out.rows.push_back(all[begins[j]].row);
    units.row(std::ptrdiff_t(to)) = units.row(std::ptrdiff_t(j)).eval();
    out.cosine.push_back(cosine[j]);
    out.sine.push_back(sine[j]);
  }
  units.conservativeResize(std::ssize(out.rows), Eigen::NoChange);
  out.units = std::move(units);
  return out;
}

void to_deltas(MatrixView corpus, Directions& towards, NudgeKind kind, double gamma) {
  if (gamma == 0) towards = {{}, RowMajor<float>(0, corpus.cols()), {}, {}};
  if (kind == NudgeKind::magnitude) {
    towards.units *= float(gamma);
    return;
  }
  const double cosine = 1.0 - gamma / 2, sine = std::sqrt(gamma * (4.0 - gamma)) / 2;
  for (std::size_t j = 0; j < towards.rows.size(); ++j) {
    const bool past = double(towards.cosine[j]) > cosine;
    const double c = past ? double(towards.cosine[j]) : cosine;
    const double s = past ? double(towards.sine[j]) : sine;
    auto row = towards.units.row(std::ptrdiff_t(j));
    row = ((c - 1.0) * row_of(corpus, towards.rows[j]) + s * row.cast<double>()).cast<float>();
  }
}

}  // namespace ragtune
