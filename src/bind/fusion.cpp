#include "../fusion.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

FusionExamples examples(const Array<float>& features, const Array<float>& grades,
                        const Array<float>& weights) {
  const auto x = rows(features, "features"), g = rows(grades, "grades");
  return {{x.data(), x.rows(), x.cols()}, {g.data(), g.rows(), g.cols()}, flat(weights, "weights")};
}

Eigen::VectorXd vector(const Array<double>& a, const char* name) {
  const auto values = flat(a, name);
  return Eigen::Map<const Eigen::VectorXd>(values.data(), std::ssize(values));
}

}  // namespace

void bind_fusion(py::module_& m) {
  m.def(
      "fit_fusion",
      [](const Array<float>& features, const Array<float>& grades, const Array<float>& weights,
         const Array<double>& prior, double penalty, const std::optional<Array<double>>& initial,
         int num_threads) {
        FusionFit fit =
            fit_fusion(examples(features, grades, weights), vector(prior, "prior"), penalty,
                       initial ? vector(*initial, "initial") : Eigen::VectorXd(), num_threads);
        return std::tuple(std::move(fit.weights), fit.loss, fit.steps);
      },
      py::arg("features").noconvert(), py::arg("grades").noconvert(),
      py::arg("weights").noconvert(), py::arg("prior").noconvert(), py::kw_only(),
      py::arg("penalty"), py::arg("initial").noconvert() = py::none(), py::arg("num_threads") = 0,
      NoGil(), "Weights (f,), loss and steps.");
  m.def(
      "fusion_loss",
      [](const Array<float>& features, const Array<float>& grades, const Array<float>& weights,
         const Array<double>& w) {
        FusionLoss loss = fusion_loss(examples(features, grades, weights), vector(w, "w"));
        return std::tuple(loss.value, std::move(loss.gradient), std::move(loss.hessian));
      },
      py::arg("features").noconvert(), py::arg("grades").noconvert(),
      py::arg("weights").noconvert(), py::arg("w").noconvert(), NoGil(),
      "Loss, gradient (f,) and Hessian (f, f), without the penalty.");
}

}  // namespace ragtune
