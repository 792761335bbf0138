#include "../jsonl.hpp"

#include "arrays.hpp"

namespace ragtune {
namespace {

py::list strings_of(const JsonColumn& column) {
  py::list out(column.size());
  for (std::size_t i = 0; i < column.size(); ++i) {
    py::object value = py::none();
    if (!column.missing(i)) {
      const std::string_view text = column[i];
      value = py::reinterpret_steal<py::object>(
          PyUnicode_DecodeUTF8(text.data(), py::ssize_t(text.size()), nullptr));
      if (!value) throw py::error_already_set();
    }
    PyList_SET_ITEM(out.ptr(), py::ssize_t(i), value.release().ptr());
  }
  return out;
}

}  // namespace

void bind_jsonl(py::module_& m) {
  m.def(
      "read_jsonl",
      [](const std::string& path, const std::vector<std::string>& required,
         const std::vector<std::string>& optional, const std::vector<std::string>& raw) {
        std::vector<JsonField> fields;
        for (const std::string& key : required) fields.push_back({key});
        for (const std::string& key : optional)
          fields.push_back({key, JsonField::Kind::text, false});
        for (const std::string& key : raw) fields.push_back({key, JsonField::Kind::raw, false});
        const std::vector<JsonColumn> columns = [&] {
          const py::gil_scoped_release release;
          return read_jsonl(path, fields);
        }();
        py::list out;
        for (const JsonColumn& column : columns) out.append(strings_of(column));
        return out;
      },
      py::arg("path"), py::kw_only(), py::arg("required"),
      py::arg("optional") = std::vector<std::string>(), py::arg("raw") = std::vector<std::string>(),
      "One list of str per key (required, optional, raw); None where a key is missing.");
}

}  // namespace ragtune
