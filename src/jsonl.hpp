// Files with one JSON object a line: BEIR corpora and queries, question and pair files.
//
// The whole file is read or nothing: the first bad line (by number) ends the call with
// "path:line: reason". Blank lines and a UTF-8 byte order mark are skipped.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ragtune {

// A key of each object.
struct JsonField {
  enum class Kind {
    text,  // must be a string; unescaped
    raw,   // any value; kept as minified JSON
  };
  std::string key;
  Kind kind = Kind::text;
  bool required = true;
};

// The values of one key of some consecutive records, back to back in one buffer.
class JsonColumn {
 public:
  void clear();
  void append(std::string_view value);
  void append_missing();

  std::size_t size() const { return ends_.size(); }
  bool missing(std::size_t i) const { return missing_[i]; }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i ? ends_[i - 1] : 0;
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<bool> missing_;
};

// Takes the next records, one column per field, all of the same size.
using JsonSink = std::function<void(const std::vector<JsonColumn>&)>;

// Hands the records to `sink` in the order of the file, about a megabyte at a time. Where a
// key is repeated the last one counts. One thread: parsing takes less than what most callers
// then do with the strings, and a second thread gained nothing on a busy machine.
// Throws std::runtime_error if the file cannot be read, std::invalid_argument
// ("path:line: reason") if a line is not an object or lacks a required key; what the sink
// was given before that is to be thrown away.
void read_jsonl(const std::string& path, const std::vector<JsonField>& fields,
                const JsonSink& sink);

}  // namespace ragtune
