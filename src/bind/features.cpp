#include "../features.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

// numpy's bool.
MaskView mask_of(const Array<bool>& a) {
  const auto view = rows(a, "mask");
  return {reinterpret_cast<const std::uint8_t*>(view.data()), view.rows(), view.cols()};
}

}  // namespace

void bind_features(py::module_& m) {
  m.attr("MEMORY_FEATURES") = MEMORY_FEATURES;
  m.attr("QUESTION_FEATURES") = QUESTION_FEATURES;
  m.def(
      "standardized",
      [](const std::vector<Array<float>>& legs, const Array<bool>& mask, int num_threads) {
        std::vector<MatrixView> scores;
        for (const Array<float>& leg : legs) scores.push_back(rows(leg, "scores"));
        const py::gil_scoped_release release;
        return standardized(scores, mask_of(mask), num_threads);
      },
      py::arg("scores").noconvert(), py::arg("mask").noconvert(), py::kw_only(),
      py::arg("num_threads") = 0, "Scores (nq, c) of each leg -> (nq * c, legs).");
  m.def(
      "memory_features",
      [](const Array<float>& memory, const Array<float>& words, const Array<bool>& mask,
         int num_threads) {
        return memory_features(rows(memory, "memory"), rows(words, "words"), mask_of(mask),
                               num_threads);
      },
      py::arg("memory").noconvert(), py::arg("words").noconvert(), py::arg("mask").noconvert(),
      py::kw_only(), py::arg("num_threads") = 0, NoGil(), "-> (nq * c, MEMORY_FEATURES)");
  m.def(
      "question_features",
      [](const Array<float>& memory, const Array<double>& base, const Array<double>& p_seen,
         const Array<double>& p_base, int num_threads) {
        return question_features(rows(memory, "memory"), rows(base, "base"), rows(p_seen, "p_seen"),
                                 rows(p_base, "p_base"), num_threads);
      },
      py::arg("memory").noconvert(), py::arg("base").noconvert(), py::arg("p_seen").noconvert(),
      py::arg("p_base").noconvert(), py::kw_only(), py::arg("num_threads") = 0, NoGil(),
      "-> (nq, QUESTION_FEATURES)");
  m.def(
      "softmax",
      [](const Array<double>& scores, const Array<bool>& mask, int num_threads) {
        return softmax(rows(scores, "scores"), mask_of(mask), num_threads);
      },
      py::arg("scores").noconvert(), py::arg("mask").noconvert(), py::kw_only(),
      py::arg("num_threads") = 0, NoGil(), "Shares (nq, c) of each question's candidates.");
}

}  // namespace ragtune
