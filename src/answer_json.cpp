#include "answer_json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "answer_text.hpp"

namespace ragtune {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t AHEAD = 64;  // bytes that are looked at to tell what a quote does

// One a thread: it keeps its buffers, and its texts live until the next answer.
simdjson::dom::parser& parser() {
  static thread_local simdjson::dom::parser own;
  return own;
}

void flatten(element value, int depth, std::vector<AnswerToken>& out) {
  const element_type type = value.type();
  if (type == element_type::STRING) {
    out.push_back({AnswerToken::Kind::text, value.get_string().value_unsafe()});
  } else if ((type != element_type::ARRAY && type != element_type::OBJECT) || depth == 0) {
    out.push_back({AnswerToken::Kind::other, {}});
  } else if (type == element_type::ARRAY) {
    out.push_back({AnswerToken::Kind::array, {}});
    const simdjson::dom::array items = value.get_array().value_unsafe();
    for (const element item : items) flatten(item, depth - 1, out);
    out.push_back({AnswerToken::Kind::end, {}});
  } else {
    out.push_back({AnswerToken::Kind::object, {}});
    const simdjson::dom::object fields = value.get_object().value_unsafe();
    for (const auto field : fields) {
      out.push_back({AnswerToken::Kind::key, field.key});
      flatten(field.value, depth - 1, out);
    }
    out.push_back({AnswerToken::Kind::end, {}});
  }
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | c >> 6);
    out += char(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += char(0xE0 | c >> 12);
    out += char(0x80 | (c >> 6 & 63));
    out += char(0x80 | (c & 63));
  } else {
    out += char(0xF0 | c >> 18);
    out += char(0x80 | (c >> 12 & 63));
    out += char(0x80 | (c >> 6 & 63));
    out += char(0x80 | (c & 63));
  }
}

// The four digits at `at`; false if they are none.
bool hex4(std::string_view text, std::size_t at, char32_t& value) {
  if (text.size() < at + 4) return false;
  value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const char low = char(c | 32);
    if (c >= '0' && c <= '9')
      value = value * 16 + char32_t(c - '0');
    else if (low >= 'a' && low <= 'f')
      value = value * 16 + char32_t(low - 'a' + 10);
    else
      return false;
  }
  return true;
}

// Appends the escape whose backslash is at `at` and returns where it ends.
std::size_t unescape(std::string_view text, std::size_t at, std::string& out) {
  if (at + 1 >= text.size()) return text.size();
  const char c = text[at + 1];
  constexpr std::string_view from = "nrtbf\"'\\/\n`", to = "\n \t  \"'\\/\n`";
  if (const std::size_t known = from.find(c); known != std::string_view::npos) {
    out += to[known];
    return at + 2;
  }
  char32_t value = 0, half = 0;
  if (c != 'u' || !hex4(text, at + 2, value)) {
    out += '\\';  // an escape that JSON does not have: a path or a formula
    return at + 1;
  }
  at += 6;
  if (value >= 0xD800 && value < 0xDC00 &&
      text.substr(std::min(at, text.size())).starts_with("\\u") && hex4(text, at + 2, half) &&
      half >= 0xDC00 && half < 0xE000) {
    value = 0x10000 + ((value - 0xD800) << 10) + (half - 0xDC00);
    at += 6;
  } else if (value >= 0xD800 && value < 0xE000) {
    value = 0xFFFD;
  }
  append_utf8(out, value);
  return at;
}

struct Quote {
  std::string_view open;
  std::array<std::string_view, 3> close;
};
constexpr std::array<Quote, 8> QUOTES = {{
    {"\"", {"\"", "”", ""}},
    {"'", {"'", "’", ""}},
    {"“", {"”", "\"", "“"}},
    {"‘", {"’", "'", ""}},
    {"„", {"“", "”", "\""}},
    {"«", {"»", "", ""}},
    {"「", {"」", "", ""}},
    {"`", {"`", "", ""}},
}};

const Quote* quote_at(std::string_view text, std::size_t at) {
  if (at >= text.size()) return nullptr;
  const std::string_view rest = text.substr(at, 3);
  for (const Quote& quote : QUOTES)
    if (rest[0] == quote.open[0] && rest.starts_with(quote.open)) return &quote;
  return nullptr;
}

bool is_name(char c) {
  return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || c == '-';
}

}  // namespace

// Reads one value; every step moves on, so that the time is linear.
class BrokenJson {
 public:
  BrokenJson(std::string_view text, std::size_t at, AnswerJson& out)
      : text_(text), at_(at), out_(out) {}

  std::size_t read() {
    do step();
    while (!open_.empty() && at_ < text_.size());
    for (; !open_.empty(); open_.pop_back()) close();
    return std::min(at_, text_.size());
  }

 private:
  void step() {
    skip();
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    if (c == '{' || c == '[') {
      open_.push_back(c);
      if (open_.size() <= AnswerJson::DEEPEST)
        put(c == '{' ? AnswerToken::Kind::object : AnswerToken::Kind::array, {});
      wants_key_ = c == '{';
      ++at_;
    } else if (c == '}' || c == ']') {
      // One of the wrong kind closes what is open, too: models mix them up.
      ++at_;
      close();
      open_.pop_back();
      wants_key_ = !open_.empty() && open_.back() == '{';
    } else if (c == ',' || c == ';') {
      wants_key_ = open_.back() == '{';
      ++at_;
    } else if (c == ':') {
      wants_key_ = false;
      ++at_;
    } else if (const Quote* quote = quote_at(text_, at_)) {
      quoted(*quote);
    } else {
      word();
    }
  }

  void close() {
    if (open_.size() <= AnswerJson::DEEPEST) put(AnswerToken::Kind::end, {});
  }

  void put(AnswerToken::Kind kind, std::string_view text) { out_.tokens_.push_back({kind, text}); }

  void put_value(AnswerToken::Kind kind, std::string_view text) {
    if (open_.size() > AnswerJson::DEEPEST) return;
    if (wants_key_ && open_.back() == '{') kind = AnswerToken::Kind::key;
    put(kind, text);
    wants_key_ = kind != AnswerToken::Kind::key && open_.back() == '{';
  }

  // Blanks and comments.
  void skip() {
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (is_ascii_blank(text_[at_])) {
        ++at_;
      } else if (rest.starts_with("//") || rest[0] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (rest.starts_with("/*")) {
        const std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  // A text in quotes. One without an end is left out, and nothing follows it.
  void quoted(const Quote& quote) {
    const std::size_t first = at_ += quote.open.size();
    std::string* copy = nullptr;
    std::size_t kept = first;  // text before it is in the copy
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\') {
        if (!copy) copy = &out_.owned_.emplace_front();
        copy->append(text_.substr(kept, at_ - kept));
        kept = at_ = unescape(text_, at_, *copy);
        continue;
      }
      const std::size_t mark = c == '\n' ? end_of_line() : closing(quote);
      if (mark) {
        std::string_view value = text_.substr(kept, at_ - kept);
        if (copy) value = copy->append(value);
        at_ += mark - 1;
        put_value(AnswerToken::Kind::text, value);
        return;
      }
      ++at_;
    }
  }

  // 1 + the size of a quote that ends the text here, else 0.
  std::size_t closing(const Quote& quote) const {
    for (const std::string_view mark : quote.close)
      if (!mark.empty() && text_[at_] == mark[0] && text_.substr(at_).starts_with(mark) &&
          ends_at(at_ + mark.size()))
        return mark.size() + 1;
    return 0;
  }

  // Whether a value may end before `at`: what follows is no more of its text.
  bool ends_at(std::size_t at) const {
    const std::string_view rest = text_.substr(at, AHEAD);
    const std::size_t next = rest.find_first_not_of(BLANKS);
    if (next == std::string_view::npos) return true;
    const bool new_line = rest.substr(0, next).find('\n') != std::string_view::npos;
    const char c = rest[next];
    if (c == ']' || c == '}' || (c == '/' && new_line)) return true;
    if (c == ':') return wants_key_;
    if (c == ',' || c == ';') return begins_value(rest.substr(next + 1));
    // A comma was forgotten.
    return new_line && (quote_at(rest, next) || c == '{' || c == '[' || c == '`');
  }

  static bool begins_value(std::string_view rest) {
    const std::size_t next = rest.find_first_not_of(BLANKS);
    if (next == std::string_view::npos) return true;
    rest.remove_prefix(next);
    const char c = rest[0];
    if (std::string_view("]}[{/#.,").find(c) != std::string_view::npos || quote_at(rest, 0))
      return true;
    for (const std::string_view word : {"null", "true", "false", "None", "True", "False"})
      if (rest.starts_with(word)) return true;
    std::size_t at = 0;  // a number, or a key without quotes
    while (at < rest.size() && is_name(rest[at])) ++at;
    if (at && c >= '0' && c <= '9') return true;
    return at && at < rest.size() && rest[at] == ':';
  }

  // At a line's end: a quote was forgotten if the next line begins as a value or ends one.
  std::size_t end_of_line() const {
    const std::string_view rest = text_.substr(at_, AHEAD);
    const std::size_t next = rest.find_first_not_of(BLANKS);
    if (next == std::string_view::npos) return 0;
    return rest[next] == ']' || rest[next] == '}' || rest[next] == '"' ? 1 : 0;
  }

  // Something without quotes: a key, a number, null, or a text that a comma or line ends.
  void word() {
    const std::size_t first = at_;
    const std::string_view ends = wants_key_ ? ":,]}\n" : ",]}\n";
    at_ = std::min(text_.find_first_of(ends, at_), text_.size());
    const std::string_view value = trimmed(text_.substr(first, at_ - first));
    const bool whole = at_ < text_.size();
    if (whole && !value.empty()) put_value(AnswerToken::Kind::word, value);
  }

  std::string_view text_;
  std::size_t at_;
  AnswerJson& out_;
  std::string open_;  // braces and brackets that are open
  bool wants_key_ = false;
};

bool AnswerJson::take_valid(std::string_view text) {
  element root;
  if (parser().parse(text.data(), text.size(), true).get(root)) return false;
  flatten(root, DEEPEST, tokens_);
  return true;
}

std::size_t AnswerJson::take_broken(std::string_view text, std::size_t at) {
  return BrokenJson(text, at, *this).read();
}

}  // namespace ragtune
