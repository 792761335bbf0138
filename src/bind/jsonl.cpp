#include "../jsonl.hpp"

#include <pybind11/typing.h>

#include <cstring>

#include "arrays.hpp"

namespace ragtune {
namespace {

bool is_ascii(std::string_view text) {
  unsigned char high = 0;
  for (char c : text) high |= static_cast<unsigned char>(c);
  return high < 128;
}

// A str of text that simdjson has found to be valid UTF-8. ASCII, the usual case, is copied as
// it is; Python's decoder would look at every byte once more.
PyObject* string_of(std::string_view text) {
  if (!is_ascii(text)) return PyUnicode_DecodeUTF8(text.data(), py::ssize_t(text.size()), nullptr);
  PyObject* value = PyUnicode_New(py::ssize_t(text.size()), 127);
  if (value) std::memcpy(PyUnicode_1BYTE_DATA(value), text.data(), text.size());
  return value;
}

void extend(py::list& list, const JsonColumn& column) {
  for (std::size_t i = 0; i < column.size(); ++i) {
    PyObject* value = column.missing(i) ? py::none().release().ptr() : string_of(column[i]);
    if (!value) throw py::error_already_set();
    list.append(py::reinterpret_steal<py::object>(value));
  }
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
        std::vector<py::typing::List<py::object>> out(fields.size());
        {
          const py::gil_scoped_release release;
          read_jsonl(path, fields, [&](const std::vector<JsonColumn>& columns) {
            const py::gil_scoped_acquire acquire;
            for (std::size_t i = 0; i < columns.size(); ++i) extend(out[i], columns[i]);
          });
        }
        return out;
      },
      py::arg("path"), py::kw_only(), py::arg("required"),
      py::arg("optional") = std::vector<std::string>(), py::arg("raw") = std::vector<std::string>(),
      "One list of str per key (required, optional, raw); None where a key is missing.");
}

}  // namespace ragtune
