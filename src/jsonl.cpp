#include "jsonl.hpp"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ragtune {
namespace {

constexpr std::size_t PADDING = simdjson::SIMDJSON_PADDING;
constexpr std::size_t BATCH_BYTES = 1 << 18;  // handed over while it is still in cache

#ifdef MAP_POPULATE
constexpr int POPULATE = MAP_POPULATE;  // one call in place of a page fault every 64 KiB
#else
constexpr int POPULATE = 0;
#endif

// A file in memory, followed by the padding that simdjson may read.
class FileText {
 public:
  explicit FileText(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw std::runtime_error(path + ": " + std::strerror(errno));
    struct stat status{};
    const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    size_ = regular ? std::size_t(status.st_size) : 0;
    // A private mapping one page longer than the file: the part behind the file's last page
    // stays anonymous memory, readable zeros.
    mapped_ = size_ + PADDING;
    void* at = mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED && size_ > 0 &&
        mmap(at, size_, PROT_READ, MAP_PRIVATE | MAP_FIXED | POPULATE, fd, 0) == MAP_FAILED) {
      munmap(at, mapped_);
      at = MAP_FAILED;
    }
    close(fd);
    if (!regular || at == MAP_FAILED) {
      if (at != MAP_FAILED) munmap(at, mapped_);
      throw std::runtime_error(path + ": cannot be read: not a regular file or no memory");
    }
    data_ = static_cast<const char*>(at);
  }
  ~FileText() { munmap(const_cast<char*>(data_), mapped_); }
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;

  std::string_view text() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;
};

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

}  // namespace

void JsonColumn::clear() {
  bytes_.clear();
  ends_.clear();
  missing_.clear();
}

void JsonColumn::append(std::string_view value) {
  bytes_.append(value);
  ends_.push_back(bytes_.size());
  missing_.push_back(false);
}

void JsonColumn::append_missing() {
  ends_.push_back(bytes_.size());
  missing_.push_back(true);
}

void read_jsonl(const std::string& path, const std::vector<JsonField>& fields,
                const JsonSink& sink) {
  const FileText file(path);
  LineParser parser(fields);
  std::vector<JsonColumn> columns(fields.size());
  std::string_view rest = file.text();
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  std::size_t pending = 0;  // bytes parsed since the sink was last called
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    if (!blank(line))
      if (const std::string reason = parser.parse(line, columns); !reason.empty())
        throw std::invalid_argument(path + ":" + std::to_string(number) + ": " + reason);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    pending += line.size() + 1;
    if (pending < BATCH_BYTES && !rest.empty()) continue;
    sink(columns);
    for (JsonColumn& column : columns) column.clear();
    pending = 0;
  }
}

}  // namespace ragtune
