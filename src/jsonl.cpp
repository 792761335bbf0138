#include "jsonl.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include "parallel.hpp"

namespace ragtune {
namespace {

constexpr std::size_t PADDING = simdjson::SIMDJSON_PADDING;
constexpr std::size_t PART_BYTES = 1 << 19;

struct FileText {
  std::string bytes;  // followed by the padding that simdjson may read
  std::size_t size = 0;
};

FileText read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(path + ": " + std::strerror(errno));
  FileText text;
  text.size = std::size_t(file.tellg());
  text.bytes.resize(text.size + PADDING);
  file.seekg(0);
  if (!file.read(text.bytes.data(), std::streamsize(text.size)))
    throw std::runtime_error(path + ": cannot be read: " + std::strerror(errno));
  return text;
}

// A run of whole lines, parsed by one thread.
struct Part {
  std::size_t begin, end;
  std::size_t lines = 0;  // counted, also blank ones
  std::vector<JsonColumn> columns;
  std::string error;  // reason for the line after `lines`, if any
};

std::vector<Part> split(const FileText& text, std::size_t columns) {
  std::vector<Part> parts;
  std::size_t begin = text.bytes.compare(0, 3, "\xef\xbb\xbf") == 0 ? 3 : 0;
  while (begin < text.size) {
    std::size_t end = std::min(text.size, begin + PART_BYTES);
    const void* newline = std::memchr(text.bytes.data() + end, '\n', text.size - end);
    end = newline ? std::size_t(static_cast<const char*>(newline) - text.bytes.data()) + 1
                  : text.size;
    parts.push_back({begin, end, 0, std::vector<JsonColumn>(columns), ""});
    begin = end;
  }
  return parts;
}

bool blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string kind_of(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY: return "an array";
    case simdjson::dom::element_type::OBJECT: return "an object";
    case simdjson::dom::element_type::STRING: return "a string";
    case simdjson::dom::element_type::BOOL: return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

class LineParser {
 public:
  explicit LineParser(const std::vector<JsonField>& fields) : fields_(fields) {}

  // Appends one record to columns, or returns why it cannot and appends nothing.
  std::string parse(std::string_view line, std::vector<JsonColumn>& columns) {
    simdjson::dom::element root;
    // The line lies inside a larger, padded buffer: no copy is needed.
    if (auto error = parser_.parse(line.data(), line.size(), false).get(root))
      return simdjson::error_message(error);
    simdjson::dom::object object;
    if (root.get(object)) return "expected an object, got " + kind_of(root);
    found_.assign(fields_.size(), {});
    present_.assign(fields_.size(), false);
    for (auto [key, value] : object)
      for (std::size_t i = 0; i < fields_.size(); ++i)
        if (key == fields_[i].key) found_[i] = value, present_[i] = true;
    for (std::size_t i = 0; i < fields_.size(); ++i)
      if (std::string reason = check(i); !reason.empty()) return reason;
    for (std::size_t i = 0; i < fields_.size(); ++i) append(i, columns[i]);
    return "";
  }

 private:
  std::string check(std::size_t i) const {
    const JsonField& field = fields_[i];
    if (!present_[i]) return field.required ? "missing \"" + field.key + "\"" : "";
    if (field.kind == JsonField::Kind::raw || found_[i].is_string()) return "";
    return "\"" + field.key + "\": expected a string, got " + kind_of(found_[i]);
  }

  void append(std::size_t i, JsonColumn& column) const {
    if (!present_[i]) return column.append_missing();
    if (fields_[i].kind == JsonField::Kind::raw) return column.append(simdjson::minify(found_[i]));
    column.append(found_[i].get_string().value_unsafe());
  }

  const std::vector<JsonField>& fields_;
  simdjson::dom::parser parser_;
  std::vector<simdjson::dom::element> found_;
  std::vector<bool> present_;
};

void parse_part(const FileText& text, const std::vector<JsonField>& fields, Part& part) {
  LineParser parser(fields);
  for (std::size_t begin = part.begin; begin < part.end && part.error.empty();) {
    const std::size_t newline = std::min(text.bytes.find('\n', begin), part.end);
    const std::string_view line(text.bytes.data() + begin, newline - begin);
    if (!blank(line)) part.error = parser.parse(line, part.columns);
    part.lines += part.error.empty();
    begin = newline + 1;
  }
}

}  // namespace

void JsonColumn::append(std::string_view value) {
  bytes_.append(value);
  ends_.push_back(bytes_.size());
  missing_.push_back(false);
}

void JsonColumn::append_missing() {
  ends_.push_back(bytes_.size());
  missing_.push_back(true);
}

void JsonColumn::append(const JsonColumn& other) {
  const std::size_t base = bytes_.size();
  bytes_.append(other.bytes_);
  for (std::size_t end : other.ends_) ends_.push_back(base + end);
  missing_.insert(missing_.end(), other.missing_.begin(), other.missing_.end());
}

std::vector<JsonColumn> read_jsonl(const std::string& path, const std::vector<JsonField>& fields,
                                   int num_threads) {
  const FileText text = read_file(path);
  std::vector<Part> parts = split(text, fields.size());
  parallel_for(
      std::ssize(parts), [&](std::ptrdiff_t i) { parse_part(text, fields, parts[std::size_t(i)]); },
      num_threads, 1);
  std::vector<JsonColumn> columns(fields.size());
  std::size_t line = 1;
  for (Part& part : parts) {
    line += part.lines;
    if (!part.error.empty())
      throw std::invalid_argument(path + ":" + std::to_string(line) + ": " + part.error);
    for (std::size_t i = 0; i < columns.size(); ++i)
      parts.size() == 1 ? columns[i] = std::move(part.columns[i]) : (columns[i].append(part.columns[i]), columns[i]);
  }
  return columns;
}

}  // namespace ragtune
