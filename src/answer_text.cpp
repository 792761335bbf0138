#include "answer_text.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "letters.hpp"

namespace ragtune {
namespace {

constexpr char32_t NONE = 0xFFFFFFFF;

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

// Takes the next character; NONE for a byte that begins none.
char32_t next(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < more) return NONE;
  char32_t c = lead & (0x3Fu >> more);
  for (std::size_t i = 0; i < more; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    if ((byte & 0xC0) != 0x80) return NONE;
    c = c << 6 | (byte & 0x3F);
  }
  constexpr char32_t least[] = {0, 0x80, 0x800, 0x10000};
  if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return NONE;
  at += more;
  return c;
}

bool is_blank(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == 0xA0 || c == 0x3000 || c == 0x202F ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029;
}

constexpr std::array<std::string_view, 7> QUESTION_MARKS = {"?", "？", "؟", "\xCD\xBE",
                                                            "՞", "⁇",  "⸮"};  // CD BE is Greek

// Quotes, brackets and emphasis that may stand around a question.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> AROUND = {{
    {"\"", "\""},
    {"'", "'"},
    {"“", "”"},
    {"‘", "’"},
    {"„", "“"},
    {"«", "»"},
    {"「", "」"},
    {"『", "』"},
    {"`", "`"},
}};
constexpr std::string_view PLAIN_AROUND = "\"'`*_";  // all that are ASCII, of both
constexpr std::array<std::string_view, 4> EMPHASIS = {"***", "**", "__", "*"};

bool held_by(std::string_view text, std::string_view open, std::string_view close) {
  if (text.size() <= open.size() + close.size()) return false;
  if (!text.starts_with(open) || !text.ends_with(close)) return false;
  // "a" and "b" begins and ends with a quote, but no quote holds it.
  const std::string_view inner = text.substr(open.size(), text.size() - open.size() - close.size());
  return inner.find(open) == std::string_view::npos && inner.find(close) == std::string_view::npos;
}

std::string_view bared(std::string_view text) {
  for (bool again = true; again;) {
    again = false;
    text = trimmed(text);
    if (text.empty() || (is_ascii(text[0]) && PLAIN_AROUND.find(text[0]) == PLAIN_AROUND.npos))
      return text;
    for (const auto& [open, close] : AROUND)
      if (held_by(text, open, close)) {
        text = text.substr(open.size(), text.size() - open.size() - close.size());
        again = true;
      }
    for (const std::string_view mark : EMPHASIS)
      if (held_by(text, mark, mark)) {
        text = text.substr(mark.size(), text.size() - 2 * mark.size());
        again = true;
        break;
      }
  }
  return text;
}

// What word_character tells of it.
char32_t ascii_word(char c) {
  const char low = char(c | 32);
  if (low >= 'a' && low <= 'z') return char32_t(low);
  return (c >= '0' && c <= '9') || c == '_' ? char32_t(c) : 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A number of up to three digits and what ends it: "1." "1)" "1:" "1、" "1．" "(1)" "[1]" "#1".
std::size_t numbered(std::string_view text, int& number) {
  std::size_t at = 0;
  const char open = text.empty() ? 0 : text[0];
  if (!is_digit(open) && open != '(' && open != '[' && open != '#') return 0;
  if (open == '(' || open == '[' || open == '#') ++at;
  const std::size_t first = at;
  for (number = 0; at < text.size() && at < first + 3 && is_digit(text[at]); ++at)
    number = 10 * number + (text[at] - '0');
  if (at == first) return 0;
  if (at < text.size() && is_digit(text[at])) return 0;
  const std::string_view rest = text.substr(at);
  if (open == '(') return rest.starts_with(')') ? at + 1 : 0;
  if (open == '[') return rest.starts_with(']') ? at + 1 : 0;
  if (!rest.empty() && !is_ascii(rest[0]))
    for (const std::string_view end : {"、", "．", "）", "：", "。"})
      if (rest.starts_with(end)) return at + end.size();
  if (rest.starts_with(".)")) return at + 2;
  if (!rest.empty() && std::string_view(".):-").find(rest[0]) != std::string_view::npos)
    // 3.5 and 10:30 are no marks, nor is 2-factor
    return rest.size() > 1 && rest[1] != ' ' && rest[1] != '\t' && rest[1] != '*' &&
                   !(static_cast<unsigned char>(rest[1]) >= 0x80) && rest[1] != '"'
               ? 0
               : at + 1;
  return open == '#' && (rest.empty() || rest[0] == ' ') ? at : 0;
}

// "Q1:", "Question 2.", "Frage 3)", "问题1：": a word for question, a number or none, its end.
std::size_t named(std::string_view text, int& number) {
  if (text.empty() ||
      (is_ascii(text[0]) && std::string_view("qpfdQPFD").find(text[0]) == text.npos))
    return 0;
  for (const std::string_view word :
       {"question", "query", "pregunta", "frage", "pergunta", "domanda", "вопрос", "Вопрос", "问题",
        "問題", "質問", "질문", "سؤال", "q"}) {
    if (!begins(text, word)) continue;
    std::size_t at = word.size();
    while (at < text.size() && (text[at] == ' ' || text[at] == '#')) ++at;
    const std::size_t first = at;
    for (number = 0; at < text.size() && at < first + 3 && is_digit(text[at]); ++at)
      number = 10 * number + (text[at] - '0');
    const bool counted = at > first;
    while (at < text.size() && text[at] == '*') ++at;
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("：")) return at + 3;
    if (rest.starts_with(':')) return at + 1;
    if (counted && !rest.empty() && (rest[0] == '.' || rest[0] == ')' || rest[0] == '-'))
      return at + 1;
    return 0;
  }
  return 0;
}

std::size_t bullet(std::string_view text) {
  if (!text.empty() && !is_ascii(text[0]))
    for (const std::string_view mark :
         {"•", "◦", "▪", "‣", "●", "–", "—", "·", "➤", "→", "✅", "❓"})
      if (text.starts_with(mark)) return mark.size();
  const bool spaced = text.size() > 1 && (text[1] == ' ' || text[1] == '\t');
  return spaced && std::string_view("-*+>").find(text[0]) != std::string_view::npos ? 1 : 0;
}

// "①" to "⑳", and "a)" or "A." before a blank.
std::size_t lettered(std::string_view text) {
  if (text.size() >= 3 && text[0] == '\xE2' && text[1] == '\x91' && text[2] >= '\xA0' &&
      text[2] <= '\xB3')
    return 3;
  const bool letter = text.size() > 3 && ((text[0] | 32) >= 'a' && (text[0] | 32) <= 'j');
  return letter && text[1] == ')' && text[2] == ' ' ? 2 : 0;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_ascii_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_ascii_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string cleaned(std::string_view text) {
  text = bared(text);
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    while (at < text.size() && text[at] > ' ' && is_ascii(text[at])) ++at;  // a word at once
    if (at == from) {
      const char32_t c = next(text, at);
      gap = gap || is_blank(c);
      if (c == NONE || is_blank(c)) continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out.append(text.substr(from, at - from));
  }
  return out;
}

std::string likeness_of(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t last = 0;  // ends the last character that is no mark
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    const char32_t c = next(text, at);
    if (c == NONE) continue;
    const char32_t word = c < 0x80 ? ascii_word(char(c)) : word_character(c);
    any = any || word;
    if (c < 0x80)
      out += char(word ? word : c);
    else
      out += text.substr(from, at - from);
    const bool mark = !word && (c == '.' || c == '!' || c == ' ' || c == '?' ||
                                (c >= 0x80 && asks(text.substr(from, at - from))));
    if (!mark) last = out.size();
  }
  out.resize(last);
  return any ? out : std::string();
}

bool asks(std::string_view text) {
  for (bool again = true; again;) {
    again = false;
    text = trimmed(text);
    if (text.empty()) return false;
    if (is_ascii(text.back())) {  // nearly always
      if (text.back() == '?') return true;
      again = std::string_view("\"'*_)!`").find(text.back()) != std::string_view::npos;
      text.remove_suffix(1);
      continue;
    }
    for (const std::string_view mark : QUESTION_MARKS)
      if (text.ends_with(mark)) return true;
    for (const std::string_view mark : {"”", "“", "’", "»", "」", "』", "）"})
      if (text.ends_with(mark)) {
        text.remove_suffix(mark.size());
        again = true;
      }
  }
  return false;
}

std::size_t end_of_question(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '?' && is_ascii(text[at])) continue;
    for (const std::string_view mark : QUESTION_MARKS) {
      const std::string_view rest = text.substr(at);
      if (!rest.starts_with(mark)) continue;
      const std::size_t end = at + mark.size();
      if (mark.size() > 1 || end == text.size() || BLANKS.find(text[end]) != BLANKS.npos)
        return end;
    }
  }
  return std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return out;
}

bool begins(std::string_view text, std::string_view start) {
  if (text.size() < start.size()) return false;
  for (std::size_t i = 0; i < start.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? char(c + 32) : c) != start[i]) return false;
  }
  return true;
}

bool begins_any(std::string_view text, std::span<const std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](auto start) { return begins(text, start); });
}

Marked unmarked(std::string_view text) {
  Marked out{trimmed(text)};
  for (int round = 0; round < 4; ++round) {
    std::string_view bare = out.text;
    while (bare.starts_with('*') && bare.size() > 2 && bare[1] == '*') bare.remove_prefix(2);
    int number = 0;
    std::size_t size = numbered(bare, number);
    char kind = '1';
    if (!size) size = named(bare, number);
    if (!size) size = lettered(bare);
    if (!size && (size = bullet(out.text))) bare = out.text, kind = '-';
    if (!size) break;
    if (!out.kind || kind == '1') out.kind = kind;
    if (number) out.number = number;
    bare = bare.substr(size);
    // "**1.** What" and "**1. What**": what was opened before the mark ends after it.
    if (bare.starts_with("**")) bare.remove_prefix(2);
    out.text = trimmed(bare);
  }
  if (out.kind && out.text.ends_with("**") && out.text.find("**") == out.text.size() - 2)
    out.text = trimmed(out.text.substr(0, out.text.size() - 2));
  return out;
}

}  // namespace ragtune
