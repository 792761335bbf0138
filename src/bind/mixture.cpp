#include "../mixture.hpp"

#include "arrays.hpp"

namespace ragtune {

void bind_mixture(py::module_& m) {
  m.def(
      "mixed",
      [](const std::vector<Array<float>>& legs, const Array<float>& memory,
         const Array<float>& words, const Array<float>& dense, const Array<bool>& mask,
         const Array<double>& base, const Array<double>& seen, std::pair<double, double> line,
         const Array<double>& mean, const Array<double>& deviation, const Array<double>& trust,
         double shift, int num_threads) {
        MixtureScores scores{
            {}, rows(memory, "memory"), rows(words, "words"), rows(dense, "dense")};
        for (const Array<float>& leg : legs) scores.legs.push_back(rows(leg, "legs"));
        const auto flags = rows(mask, "mask");
        const MaskView there(reinterpret_cast<const std::uint8_t*>(flags.data()), flags.rows(),
                             flags.cols());
        const MixtureWeights weights{
            flat(base, "base"), flat(seen, "seen"),           line.first,           line.second,
            flat(mean, "mean"), flat(deviation, "deviation"), flat(trust, "trust"), shift};
        Mixed found = [&] {
          const py::gil_scoped_release release;
          return mixed(scores, there, weights, num_threads);
        }();
        return std::pair(std::move(found.probabilities),
                         Array<double>(std::ssize(found.trust), found.trust.data()));
      },
      py::arg("legs").noconvert(), py::arg("memory").noconvert(), py::arg("words").noconvert(),
      py::arg("dense").noconvert(), py::arg("mask").noconvert(), py::kw_only(),
      py::arg("base").noconvert(), py::arg("seen").noconvert(), py::arg("line"),
      py::arg("mean").noconvert(), py::arg("deviation").noconvert(), py::arg("trust").noconvert(),
      py::arg("shift"), py::arg("num_threads") = 0,
      "Probabilities (nq, c) and the trust in stored questions (nq,).");
}

}  // namespace ragtune
