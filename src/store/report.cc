// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/report.h"

#include "base/strings.h"

namespace rkt::store {

namespace {
int HexDigit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }
}  // namespace

std::string EscapeWord(std::string_view text) {
  if (text.empty()) return "%";
  std::string word;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || c == '%') {
      word += '%';
      word += HexEncode(&c, 1);
    } else {
      word += c;
    }
  }
  return word;
}

std::optional<std::string> UnescapeWord(std::string_view word) {
  std::string text;
  if (word == "%") return text;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%') {
      text += word[i];
      continue;
    }
    if (i + 2 >= word.size() || HexDigit(word[i + 1]) < 0 || HexDigit(word[i + 2]) < 0) return std::nullopt;
    text += static_cast<char>(HexDigit(word[i + 1]) * 16 + HexDigit(word[i + 2]));
    i += 2;
  }
  return text;
}

}  // namespace rkt::store
