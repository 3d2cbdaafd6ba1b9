// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <algorithm>

#include "base/json.h"

namespace rkt::json {

namespace {

constexpr char kHex[] = "0123456789abcdef";

// The length of the UTF-8 sequence at `at` (RFC 3629: no surrogates, nothing overlong), 0 where
// there is none.
size_t SequenceLength(std::string_view text, size_t at) {
  auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool IsPlain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 &&
         c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void AppendString(std::string& out, std::string_view text) {
  out += '"';
  size_t at = 0;
  while (at < text.size()) {
    size_t plain = at;
    while (plain < text.size() && IsPlain(text[plain])) ++plain;
    out.append(text, at, plain - at);
    at = plain;
    if (at == text.size()) break;
    unsigned char c = static_cast<unsigned char>(text[at]);
    if (c >= 0x80) {
      size_t length = SequenceLength(text, at);
      if (length == 0) {
        out += "\\ufffd";
        ++at;
        continue;
      }
      std::string_view sequence = text.substr(at, length);
      if (sequence == "\xe2\x80\xa8") {
        out += "\\u2028";
      } else if (sequence == "\xe2\x80\xa9") {
        out += "\\u2029";
      } else {
        out += sequence;
      }
      at += length;
      continue;
    }
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
    ++at;
  }
  out += '"';
}

// depth < 0: compact.
void Append(std::string& out, const Value& value, int depth) {
  auto new_line = [&out](int level) {
    if (level < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(level), '\t');
  };
  int inner = depth < 0 ? -1 : depth + 1;
  switch (value.type()) {
    case Type::kNull:
      out += "null";
      return;
    case Type::kBool:
      out += value.boolean() ? "true" : "false";
      return;
    case Type::kNumber:
      out += value.text();
      return;
    case Type::kString:
      AppendString(out, value.text());
      return;
    case Type::kArray: {
      out += '[';
      bool first = true;
      for (const Value& item : value.items()) {
        if (!first) out += ',';
        first = false;
        new_line(inner);
        Append(out, item, inner);
      }
      if (!first) new_line(depth);
      out += ']';
      return;
    }
    case Type::kObject: {
      out += '{';
      bool first = true;
      for (const Member& member : value.members()) {
        if (!first) out += ',';
        first = false;
        new_line(inner);
        AppendString(out, member.key);
        out += depth < 0 ? ":" : ": ";
        Append(out, member.value, inner);
      }
      if (!first) new_line(depth);
      out += '}';
      return;
    }
  }
}

}  // namespace

std::string Write(const Value& value) {
  std::string out;
  Append(out, value, -1);
  return out;
}

std::string WriteIndented(const Value& value) {
  std::string out;
  Append(out, value, 0);
  return out;
}

std::string QuoteString(std::string_view text) {
  std::string out;
  AppendString(out, text);
  return out;
}

Position Locate(std::string_view text, size_t offset) {
  offset = std::min(offset, text.size());
  Position position{1, 1};
  size_t at = 0;
  for (size_t next; (next = text.find('\n', at)) != std::string_view::npos && next < offset;) {
    ++position.line;
    at = next + 1;
  }
  while (at < offset) {
    at += std::max<size_t>(SequenceLength(text, at), 1);
    if (at <= offset) ++position.column;
  }
  return position;
}

std::string PointAt(std::string_view text, size_t offset, std::string_view what) {
  constexpr size_t kBefore = 60, kAfter = 40;  // characters of the line around the place
  offset = std::min(offset, text.size());
  Position position = Locate(text, offset);
  size_t begin = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  size_t skip = position.column > kBefore + 1 ? position.column - kBefore - 1 : 0;
  std::string line;
  size_t column = 1;
  for (size_t at = begin; at < text.size() && text[at] != '\n';) {
    size_t length = SequenceLength(text, at);
    if (column > position.column + kAfter) break;
    if (column > skip) {
      // What would move the caret or steer a terminal shows as one harmless character.
      unsigned char c = static_cast<unsigned char>(text[at]);
      if (length == 1 && c >= 0x20 && c < 0x7f) {
        line += text[at];
      } else if (c == '\t') {
        line += ' ';
      } else if (length > 1 && !(c == 0xc2 && static_cast<unsigned char>(text[at + 1]) < 0xa0)) {
        line.append(text, at, length);
      } else {
        line += '?';
      }
    }
    at += std::max<size_t>(length, 1);
    ++column;
  }
  return StrCat("Error at line ", position.line, ", column ", position.column, "\n", line, "\n",
                std::string(position.column - 1 - skip, ' '), "^\n", what);
}

}  // namespace rkt::json
