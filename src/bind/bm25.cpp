#include "../bm25.hpp"

#include <pybind11/typing.h>

#include <map>

#include "filter.hpp"
#include "texts.hpp"

namespace ragtune {
namespace {

using TextList = py::typing::List<py::str>;

// Calls fn(name, array) for each array of an index, in the order of a file.
template <class Arrays, class Fn>
void for_each(Arrays& arrays, Fn fn) {
  fn("names", arrays.names);
  fn("parameters", arrays.parameters);
  fn("analysis", arrays.analysis);
  fn("segments", arrays.segments);
  fn("rows", arrays.rows);
  fn("lengths", arrays.lengths);
  fn("terms", arrays.terms);
  fn("sizes", arrays.sizes);
  fn("documents", arrays.documents);
  fn("counts", arrays.counts);
}

// One column, as an artifact wants it.
template <class T>
py::array column(const std::vector<T>& values) {
  return py::array_t<T>({py::ssize_t(values.size()), py::ssize_t(1)}, values.data());
}

template <class T>
std::vector<T> values_of(const std::map<std::string, py::array>& arrays, const char* name) {
  const auto at = arrays.find(name);
  if (at == arrays.end())
    throw std::invalid_argument(std::string("arrays: expected one named ") + name);
  if (!Array<T>::check_(at->second) || at->second.ndim() != 2 || at->second.shape(1) != 1)
    throw std::invalid_argument(std::string(name) + ": expected a column of " +
                                std::string(py::str(py::dtype::of<T>())) + ", got " +
                                std::string(py::str(at->second.dtype())));
  const auto* data = static_cast<const T*>(at->second.data());
  return {data, data + at->second.size()};
}

std::unique_ptr<Bm25> from_arrays(const std::map<std::string, py::array>& arrays) {
  Bm25Arrays given;
  for_each(given, [&]<class T>(const char* name, std::vector<T>& values) {
    values = values_of<T>(arrays, name);
  });
  const py::gil_scoped_release release;
  return std::make_unique<Bm25>(given);
}

std::map<std::string, py::array> arrays_of(const Bm25& self) {
  const Bm25Arrays made = [&] {
    const py::gil_scoped_release release;
    return self.arrays();
  }();
  std::map<std::string, py::array> out;
  for_each(made, [&](const char* name, const auto& values) { out[name] = column(values); });
  return out;
}

}  // namespace

void bind_bm25(py::module_& m) {
  py::class_<Bm25>(m, "Bm25")
      .def(py::init([](const std::optional<std::string>& language, const std::string& method,
                       double k1, double b) {
             return std::make_unique<Bm25>(Bm25Options{language.value_or(""), method, k1, b});
           }),
           py::arg("language"), py::arg("method") = "lucene", py::arg("k1") = 1.5,
           py::arg("b") = 0.75)
      .def(
          "add",
          [](Bm25& self, const Array<std::int64_t>& rows, const TextList& texts, int num_threads) {
            const BorrowedTexts borrowed(texts, "texts");
            const py::gil_scoped_release release;
            self.add(flat(rows, "rows"), borrowed.views(), num_threads);
          },
          py::arg("rows").noconvert(), py::arg("texts"), py::arg("num_threads") = 0)
      .def(
          "remove",
          [](Bm25& self, const Array<std::int64_t>& rows) {
            return self.remove(flat(rows, "rows"));
          },
          py::arg("rows").noconvert(), NoGil())
      .def(
          "search",
          [](const Bm25& self, const TextList& texts, std::int64_t k,
             const std::optional<Array<std::uint8_t>>& mask,
             const std::optional<Array<std::int64_t>>& ids, int num_threads) {
            const BorrowedTexts borrowed(texts, "texts");
            Ranking found = [&] {
              const py::gil_scoped_release release;
              return self.search(borrowed.views(), k, filter_of(mask, ids), num_threads);
            }();
            return std::pair(std::move(found.scores), std::move(found.rows));
          },
          py::arg("texts"), py::arg("k"), py::kw_only(), py::arg("mask").noconvert() = py::none(),
          py::arg("ids").noconvert() = py::none(), py::arg("num_threads") = 0)
      .def(
          "score",
          [](const Bm25& self, const TextList& texts, const Array<std::int64_t>& candidates,
             int num_threads) {
            const BorrowedTexts borrowed(texts, "texts");
            const py::gil_scoped_release release;
            return self.score(borrowed.views(), rows(candidates, "candidates"), num_threads);
          },
          py::arg("texts"), py::arg("candidates").noconvert(), py::arg("num_threads") = 0)
      .def(
          "score_and_coordination",
          [](const Bm25& self, const TextList& texts, const Array<std::int64_t>& candidates,
             int num_threads) {
            const BorrowedTexts borrowed(texts, "texts");
            Bm25::Coordinated found = [&] {
              const py::gil_scoped_release release;
              return self.score_and_coordination(borrowed.views(), rows(candidates, "candidates"),
                                                 num_threads);
            }();
            return std::pair(std::move(found.scores), std::move(found.shares));
          },
          py::arg("texts"), py::arg("candidates").noconvert(), py::arg("num_threads") = 0)
      .def("arrays", &arrays_of, "The index as (n, 1) arrays, for write_artifact.")
      .def_static("from_arrays", &from_arrays, py::arg("arrays"),
                  "The index of such arrays, each of which is checked.")
      .def_property_readonly("language",
                             [](const Bm25& self) -> std::optional<std::string> {
                               const std::string& language = self.options().language;
                               return language.empty() ? std::nullopt : std::optional(language);
                             })
      .def_property_readonly("method", [](const Bm25& self) { return self.options().method; })
      .def_property_readonly("k1", [](const Bm25& self) { return self.options().k1; })
      .def_property_readonly("b", [](const Bm25& self) { return self.options().b; })
      .def("__len__", &Bm25::size);

  m.def(
      "tokens",
      [](const std::string& text, const std::optional<std::string>& language) {
        py::typing::List<py::str> out;
        for (const std::string& token : Analyzer::of_thread(language.value_or("")).tokens(text))
          out.append(py::str(token));
        return out;
      },
      py::arg("text"), py::arg("language"),
      "What an index makes of a text, in its order; bytes are read as UTF-8.");
}

}  // namespace ragtune
