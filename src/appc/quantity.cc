// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/quantity.h"

#include <array>

namespace rkt::appc {

namespace {

using Wide = unsigned __int128;

struct Suffix {
  std::string_view text;
  Quantity::Format format;
  int exponent;  // of 10, or of 1024
};
constexpr std::array kSuffixes = {
    Suffix{"n", Quantity::Format::kDecimal, -9}, Suffix{"u", Quantity::Format::kDecimal, -6},
    Suffix{"m", Quantity::Format::kDecimal, -3}, Suffix{"", Quantity::Format::kDecimal, 0},
    Suffix{"k", Quantity::Format::kDecimal, 3},  Suffix{"M", Quantity::Format::kDecimal, 6},
    Suffix{"G", Quantity::Format::kDecimal, 9},  Suffix{"T", Quantity::Format::kDecimal, 12},
    Suffix{"P", Quantity::Format::kDecimal, 15}, Suffix{"E", Quantity::Format::kDecimal, 18},
    Suffix{"Ki", Quantity::Format::kBinary, 1},  Suffix{"Mi", Quantity::Format::kBinary, 2},
    Suffix{"Gi", Quantity::Format::kBinary, 3},  Suffix{"Ti", Quantity::Format::kBinary, 4},
    Suffix{"Pi", Quantity::Format::kBinary, 5},  Suffix{"Ei", Quantity::Format::kBinary, 6},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<Quantity> Quantity::Parse(std::string_view text) {
  auto bad = [text](std::string_view why) {
    std::string_view shown = text.substr(0, 80);
    return Err(Code::kInvalid, "invalid quantity ", Quote(shown), ": ", why);
  };
  size_t at = 0;
  bool negative = false;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) negative = text[at++] == '-';
  // Digits as one whole number, and how many of them stood behind the point.
  constexpr int kMostDigits = 30;  // all that 2^63-1 thousandths or a rounding can need
  Wide digits = 0;
  int significant = 0, fraction = 0;
  bool any = false, point = false, lost = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
      continue;
    }
    if (!IsDigit(text[at])) break;
    any = true;
    if (significant == kMostDigits) {
      if (!point) return bad("too large");
      lost |= text[at] != '0';
      continue;
    }
    digits = digits * 10 + static_cast<unsigned>(text[at] - '0');
    if (digits > 0) ++significant;
    if (point) ++fraction;
    if (fraction > 2 * kMostDigits) return bad("too many digits");
  }
  if (!any) return bad("it must begin with a number");

  std::string_view suffix = text.substr(at);
  Format format = Format::kDecimal;
  int exponent = 0;
  bool found = false;
  for (const Suffix& known : kSuffixes) {
    if (known.text == suffix) {
      format = known.format;
      exponent = known.exponent;
      found = true;
    }
  }
  if (!found && (suffix[0] == 'e' || suffix[0] == 'E')) {
    std::string_view number = suffix.substr(1);
    if (number.starts_with('+') && !number.starts_with("+-")) number.remove_prefix(1);
    std::optional<int64_t> value = ParseInt(number);
    if (value && *value >= -100 && *value <= 100) {
      format = Format::kExponent;
      exponent = static_cast<int>(*value);
      found = true;
    }
  }
  if (!found) return bad("unknown suffix");

  // Thousandths = digits * 10^(3 - fraction) * unit, rounded up.
  constexpr Wide kMost = static_cast<Wide>(INT64_MAX);
  Wide amount = digits;
  int power = 3 - fraction;
  if (format == Format::kBinary) {
    for (int i = 0; i < exponent; ++i) {
      if (amount > (~Wide{0} >> 10)) return bad("too large");
      amount <<= 10;
    }
  } else {
    power += exponent;
  }
  for (; power > 0 && amount > 0; --power) {
    if (amount > kMost) return bad("too large");
    amount *= 10;
  }
  for (; power < 0; ++power) {
    lost |= amount % 10 != 0;
    amount /= 10;
  }
  if (lost) ++amount;
  if (amount > kMost) return bad("too large");
  int64_t millis = static_cast<int64_t>(amount);
  return Quantity(negative ? -millis : millis, format);
}

int64_t Quantity::Value() const {
  int64_t whole = millis_ / 1000;
  return millis_ % 1000 > 0 ? whole + 1 : whole;
}

std::string Quantity::Text() const {
  if (millis_ == 0) return "0";
  if (millis_ % 1000 != 0) {
    return format_ == Format::kExponent ? StrCat(millis_, "e-3") : StrCat(millis_, "m");
  }
  int64_t whole = millis_ / 1000;
  if (format_ == Format::kBinary && (whole >= 1024 || whole <= -1024)) {
    static constexpr const char* kNames[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    int step = 0;
    for (; whole % 1024 == 0; ++step) whole /= 1024;
    return StrCat(whole, kNames[step]);
  }
  static constexpr const char* kNames[] = {"", "k", "M", "G", "T", "P", "E"};
  int step = 0;
  for (; whole % 1000 == 0; ++step) whole /= 1000;
  if (format_ == Format::kExponent) return step == 0 ? StrCat(whole) : StrCat(whole, "e", 3 * step);
  return StrCat(whole, kNames[step]);
}

}  // namespace rkt::appc
