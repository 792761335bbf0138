#include "../contrastive.hpp"

#include <pybind11/typing.h>

#include <chrono>

#include "../mined_loss.hpp"
#include "../partition.hpp"
#include "arrays.hpp"
#include "matrices.hpp"
#include "progress.hpp"

namespace ragtune {
namespace {

using Results = py::typing::Dict<py::str, py::object>;

using Qrels = std::tuple<Array<float>, Array<std::int64_t>, Array<std::int64_t>, Array<float>>;
using Arrays = std::map<std::string, Array<float>>;

QrelsView qrels_of(const Array<std::int64_t>& offsets, const Array<std::int64_t>& rows,
                   const Array<float>& grades) {
  return {flat(offsets, "offsets"), flat(rows, "rows"), flat(grades, "grades")};
}

TrainingSet training_set(const Qrels& set) {
  const auto& [queries, offsets, relevant, grades] = set;
  return {rows(queries, "queries"), qrels_of(offsets, relevant, grades)};
}

Results to_dict(const ContrastiveResult& result, const std::string& kind) {
  Results out;
  out["kind"] = kind;
  out["matrices"] = result.matrices;
  out["loss"] = py::array_t<double>(py::ssize_t(result.loss.size()), result.loss.data());
  out["validation"] =
      py::array_t<double>(py::ssize_t(result.validation.size()), result.validation.data());
  out["best_epoch"] = result.best_epoch;
  out["steps"] = result.steps;
  out["measured"] = result.measured;
  out["cancelled"] = result.cancelled;
  return out;
}

Results train(const Array<float>& corpus, const Array<float>& queries,
              const Array<std::int64_t>& offsets, const Array<std::int64_t>& relevant,
              const Array<float>& grades, const std::string& kind, std::ptrdiff_t width,
              double temperature, double penalty, double learning_rate, std::int64_t epochs,
              std::int64_t batch, std::uint64_t seed, const std::string& negatives,
              std::int64_t patience, double drift, std::int64_t shortlist,
              const std::optional<Qrels>& validation, const std::optional<Arrays>& initial,
              int num_threads, const py::object& progress) {
  ContrastiveOptions options{.kind = residual_kind(kind),
                             .width = width,
                             .temperature = temperature,
                             .penalty = penalty,
                             .learning_rate = learning_rate,
                             .epochs = epochs,
                             .batch = batch,
                             .seed = seed,
                             .negatives = negative_kind(negatives),
                             .patience = patience,
                             .drift = drift,
                             .shortlist = shortlist,
                             .num_threads = num_threads};
  if (initial) options.initial = copied(*initial);
  options.progress = reporter<std::int64_t, std::int64_t, double>(progress);
  const TrainingSet training{rows(queries, "queries"), qrels_of(offsets, relevant, grades)};
  std::optional<TrainingSet> held_out;
  if (validation) held_out.emplace(training_set(*validation));
  const ContrastiveResult result = [&] {
    const py::gil_scoped_release release;
    return train_contrastive(rows(corpus, "corpus"), training, held_out, options);
  }();
  return to_dict(result, kind);
}

std::pair<double, Results> loss_and_gradient(
    const Array<float>& corpus, const Array<float>& queries, const Array<std::int64_t>& offsets,
    const Array<std::int64_t>& relevant, const Array<float>& grades, const Arrays& matrices,
    const std::string& kind, double temperature, double penalty, std::int64_t shortlist,
    const std::optional<Arrays>& anchor, int num_threads) {
  const Residual residual(residual_kind(kind), copied(matrices));
  std::optional<Residual> start;
  if (anchor) start.emplace(residual_kind(kind), copied(*anchor));
  const LossAndGradient found = contrastive_loss(
      rows(corpus, "corpus"), {rows(queries, "queries"), qrels_of(offsets, relevant, grades)},
      residual, start,
      {.temperature = temperature,
       .penalty = penalty,
       .shortlist = shortlist,
       .num_threads = num_threads});
  Results out;
  out["gradient"] = found.gradient;
  out["mean_squared_drift"] = found.mean_squared_drift;
  return {found.loss, out};
}

void bind_mined(py::module_& m) {
  m.def(
      "hard_negatives",
      [](const Array<float>& corpus, const Array<float>& adapted,
         const Array<std::int64_t>& offsets, const Array<std::int64_t>& relevant,
         const Array<float>& grades, int num_threads) {
        const Positives positives(qrels_of(offsets, relevant, grades), corpus.shape(0),
                                  adapted.shape(0));
        return hard_negatives(rows(corpus, "corpus"), rows(adapted, "adapted"), positives,
                              num_threads);
      },
      py::arg("corpus").noconvert(), py::arg("adapted").noconvert(), py::arg("offsets").noconvert(),
      py::arg("rows").noconvert(), py::arg("grades").noconvert(), py::kw_only(),
      py::arg("num_threads") = 0, NoGil(), "Rows near but not too near, -1 is none. -> (nq, 4)");
  m.def(
      "sampled_loss",
      [](const Array<float>& corpus, const Array<float>& adapted,
         const Array<std::int64_t>& offsets, const Array<std::int64_t>& relevant,
         const Array<float>& grades, const Array<std::int64_t>& hard,
         const Array<std::int64_t>& shared, double temperature) {
        const Positives positives(qrels_of(offsets, relevant, grades), corpus.shape(0),
                                  adapted.shape(0));
        std::vector<std::int64_t> all(std::size_t(adapted.shape(0)));
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = std::int64_t(i);
        const RowMajor<std::int64_t> own = rows(hard, "hard");
        RowMajor<float> gradient;
        const double loss = sampled_loss(
            rows(corpus, "corpus"), positives,
            {rows(adapted, "adapted"), all, own, flat(shared, "shared")}, temperature, gradient);
        return std::pair(loss, gradient);
      },
      py::arg("corpus").noconvert(), py::arg("adapted").noconvert(), py::arg("offsets").noconvert(),
      py::arg("rows").noconvert(), py::arg("grades").noconvert(), py::arg("hard").noconvert(),
      py::arg("shared").noconvert(), py::kw_only(), py::arg("temperature"),
      "Sum of the losses of a batch against sampled negatives, and its gradient (b, d).");
  m.def(
      "partition",
      [](const Array<float>& corpus, const Array<float>& queries, double temperature,
         std::size_t keep, const std::optional<Array<float>>& floors, int num_threads) {
        const Partition found = [&] {
          const py::gil_scoped_release release;
          return partition(rows(corpus, "corpus"), rows(queries, "queries"), temperature, keep,
                           floors ? flat(*floors, "floors") : std::span<const float>(),
                           num_threads);
        }();
        const auto columns = std::min(std::ptrdiff_t(keep), corpus.shape(0));
        RowMajor<std::int64_t> best =
            RowMajor<std::int64_t>::Constant(queries.shape(0), columns, -1);
        for (std::ptrdiff_t q = 0; q < best.rows(); ++q)
          for (std::size_t r = 0; r < found.best[std::size_t(q)].size(); ++r)
            best(q, std::ptrdiff_t(r)) = found.best[std::size_t(q)][r].row;
        return std::tuple(found.log_mass, found.moment, best);
      },
      py::arg("corpus").noconvert(), py::arg("queries").noconvert(), py::kw_only(),
      py::arg("temperature"), py::arg("keep"), py::arg("floors").noconvert() = py::none(),
      py::arg("num_threads") = 0,
      "Log partition function (nq,), mean row (nq, d) and best rows (nq, keep) of the softmax; -1\n"
      "where fewer are above the floor (nq,) of their query.");
}

}  // namespace

void bind_contrastive(py::module_& m) {
  m.def("train_contrastive", &train, py::arg("corpus").noconvert(), py::arg("queries").noconvert(),
        py::arg("offsets").noconvert(), py::arg("rows").noconvert(), py::arg("grades").noconvert(),
        py::kw_only(), py::arg("kind") = "linear", py::arg("width") = 32,
        py::arg("temperature") = 0.05, py::arg("penalty") = 1e-2, py::arg("learning_rate") = 1e-3,
        py::arg("epochs") = 30, py::arg("batch") = 256, py::arg("seed") = 0,
        py::arg("negatives") = "corpus", py::arg("patience") = 5, py::arg("drift") = 3.0,
        py::arg("shortlist") = 24, py::arg("validation").noconvert() = py::none(),
        py::arg("initial").noconvert() = py::none(), py::arg("num_threads") = 0,
        py::arg("progress") = py::none(),
        "Learn a residual by InfoNCE; validation is (queries, offsets, rows, grades). -> kind, "
        "matrices, loss (epochs,), validation (epochs + 1,), best_epoch, steps, measured, "
        "cancelled");
  m.def("contrastive_loss", &loss_and_gradient, py::arg("corpus").noconvert(),
        py::arg("queries").noconvert(), py::arg("offsets").noconvert(), py::arg("rows").noconvert(),
        py::arg("grades").noconvert(), py::arg("matrices").noconvert(), py::kw_only(),
        py::arg("kind") = "linear", py::arg("temperature") = 0.05, py::arg("penalty") = 0.0,
        py::arg("shortlist") = 24, py::arg("anchor").noconvert() = py::none(),
        py::arg("num_threads") = 0,
        "Mean loss plus penalty, and {gradient, mean_squared_drift}: estimated from the corpus "
        "as measured at the anchor, if there is one.");
  bind_mined(m);
}

}  // namespace ragtune
