// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/uuid.h"

#include <sys/random.h>

#include <cstdlib>

#include "base/strings.h"

namespace rkt {

std::string NewUuid() {
  unsigned char bytes[16];
  // Never short for 16 bytes; before the pool is ready it waits, as an identity must.
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) ::abort();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  return *NormalizeUuid(HexEncode(bytes, sizeof bytes));
}

std::optional<std::string> NormalizeUuid(std::string_view text) {
  std::string digits;
  if (text.size() == 36) {
    for (size_t i = 0; i < text.size(); ++i) {
      bool dash = i == 8 || i == 13 || i == 18 || i == 23;
      if (dash != (text[i] == '-')) return std::nullopt;
      if (!dash) digits += text[i];
    }
  } else {
    digits = text;
  }
  if (digits.size() != 32) return std::nullopt;
  digits = ToLower(digits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return StrCat(digits.substr(0, 8), "-", digits.substr(8, 4), "-", digits.substr(12, 4), "-",
                digits.substr(16, 4), "-", digits.substr(20));
}

bool IsUuid(std::string_view text) { return NormalizeUuid(text).has_value(); }

}  // namespace rkt
