#include "../index.hpp"

#include "filter.hpp"

namespace ragtune {

void bind_index(py::module_& m) {
  py::class_<Index>(m, "Index")
      .def(py::init([](std::ptrdiff_t d, const std::string& metric, const std::string& kind,
                       const std::string& store, std::size_t M, std::size_t ef_construction,
                       std::uint64_t seed) {
             return std::make_unique<Index>(
                 d, IndexOptions{metric, kind, store, M, ef_construction, seed});
           }),
           py::arg("d"), py::kw_only(), py::arg("metric") = "cosine", py::arg("kind") = "flat",
           py::arg("store") = "f32", py::arg("M") = 16, py::arg("ef_construction") = 100,
           py::arg("seed") = 0)
      .def(
          "update",
          [](Index& self, const Array<float>& vectors,
             const std::optional<Array<std::int64_t>>& ids, const Array<std::int64_t>& removed,
             int num_threads) {
            const py::gil_scoped_release release;
            std::optional<std::span<const std::int64_t>> given;
            if (ids) given = flat(*ids, "ids");
            const std::vector<std::int64_t> named =
                self.update(rows(vectors, "vectors"), given, flat(removed, "removed"), num_threads);
            const py::gil_scoped_acquire acquire;
            return py::array_t<std::int64_t>(std::ssize(named), named.data());
          },
          py::arg("vectors").noconvert(), py::arg("ids").noconvert(), py::kw_only(),
          py::arg("removed").noconvert(), py::arg("num_threads") = 0)
      .def(
          "remove",
          [](Index& self, const Array<std::int64_t>& ids, int num_threads) {
            return self.remove(flat(ids, "ids"), num_threads);
          },
          py::arg("ids").noconvert(), py::arg("num_threads") = 0, NoGil())
      .def("compact", &Index::compact, py::arg("num_threads") = 0, NoGil())
      .def(
          "calibrate",
          [](Index& self, const std::optional<Array<float>>& queries, int num_threads) {
            std::optional<MatrixView> view;
            if (queries) view.emplace(rows(*queries, "queries"));
            self.calibrate(view, num_threads);
          },
          py::arg("queries").noconvert(), py::arg("num_threads") = 0, NoGil())
      .def(
          "search",
          [](const Index& self, const Array<float>& queries, std::int64_t k,
             std::optional<std::size_t> ef_search, std::optional<double> recall,
             const std::optional<Array<std::uint8_t>>& mask,
             const std::optional<Array<std::int64_t>>& ids, int num_threads) {
            Ranking found = self.search(rows(queries, "queries"), k,
                                        {ef_search, recall, filter_of(mask, ids), num_threads});
            return std::pair(std::move(found.scores), std::move(found.rows));
          },
          py::arg("queries").noconvert(), py::kw_only(), py::arg("k"),
          py::arg("ef_search") = py::none(), py::arg("recall") = py::none(),
          py::arg("mask").noconvert() = py::none(), py::arg("ids").noconvert() = py::none(),
          py::arg("num_threads") = 0, NoGil())
      .def(
          "scores",
          [](const Index& self, const Array<float>& queries, const Array<std::int64_t>& which,
             int num_threads) {
            return self.scores(rows(queries, "queries"), ids(which, "ids"), num_threads);
          },
          py::arg("queries").noconvert(), py::arg("ids").noconvert(), py::kw_only(),
          py::arg("num_threads") = 0, NoGil(), "Scores of chosen ids, 0 where one is not there.")
      .def(
          "save",
          [](const Index& self, const std::string& path, const Array<std::int64_t>& note) {
            self.save(path, flat(note, "note"));
          },
          py::arg("path"), py::arg("note").noconvert(), NoGil())
      .def_static(
          "load",
          [](const std::string& path) {
            std::vector<std::int64_t> note;
            auto index = [&] {
              const py::gil_scoped_release release;
              return Index::load(path, note);
            }();
            return std::pair(std::move(index), note);
          },
          py::arg("path"), "The index and the note that was saved with it.")
      .def_property_readonly("dimensions", &Index::dimensions)
      .def_property_readonly("metric", [](const Index& self) { return self.options().metric; })
      .def_property_readonly("kind", [](const Index& self) { return self.options().kind; })
      .def_property_readonly("store", [](const Index& self) { return self.options().store; })
      .def_property_readonly(
          "calibration",
          [](const Index& self) {
            std::vector<std::pair<std::size_t, double>> points;
            for (const auto& point : self.calibration().points)
              points.emplace_back(point.ef, point.recall);
            return points;
          },
          "(breadth of the walk, recall@10 that was measured) in rising order.")
      .def("__len__", &Index::size);
}

}  // namespace ragtune
