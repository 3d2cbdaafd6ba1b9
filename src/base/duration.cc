// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/duration.h"

#include <time.h>

#include <cstdio>
#include <cstring>

#include "base/strings.h"

namespace rkt {

namespace {

constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;

struct Unit {
  std::string_view name;
  int64_t ns;
};
// Longer names first, so that "ms" is not read as "m".
constexpr Unit kUnits[] = {{"ns", 1},           {"us", 1000},    {"\xc2\xb5s", 1000},
                           {"\xce\xbcs", 1000}, {"ms", 1000000}, {"s", kSecond},
                           {"m", kMinute},      {"h", kHour}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// One "12.5h" at the beginning of `text`, which it shortens.
std::optional<int64_t> TakeTerm(std::string_view& text) {
  int64_t whole = 0;
  bool digits = false;
  while (!text.empty() && IsDigit(text[0])) {
    digits = true;
    if (__builtin_mul_overflow(whole, 10, &whole) ||
        __builtin_add_overflow(whole, text[0] - '0', &whole)) {
      return std::nullopt;
    }
    text.remove_prefix(1);
  }
  double fraction = 0;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    for (double scale = 0.1; !text.empty() && IsDigit(text[0]); scale /= 10) {
      digits = true;
      fraction += scale * (text[0] - '0');
      text.remove_prefix(1);
    }
  }
  if (!digits) return std::nullopt;
  size_t length = 0;
  while (length < text.size() && text[length] != '.' && !IsDigit(text[length])) ++length;
  for (const Unit& unit : kUnits) {
    if (text.substr(0, length) != unit.name) continue;
    text.remove_prefix(length);
    int64_t ns = 0;
    if (__builtin_mul_overflow(whole, unit.ns, &ns) ||
        __builtin_add_overflow(
            ns, static_cast<int64_t>(fraction * static_cast<double>(unit.ns) + 0.5), &ns)) {
      return std::nullopt;
    }
    return ns;
  }
  return std::nullopt;
}

// A number of `unit`s with the digits of the rest after the point, without trailing zeros.
std::string WithFraction(uint64_t ns, uint64_t unit) {
  std::string text = StrCat(ns / unit);
  uint64_t rest = ns % unit;
  if (rest == 0) return text;
  text += '.';
  for (uint64_t digit = unit / 10; rest > 0; digit /= 10) {
    text += static_cast<char>('0' + rest / digit);
    rest %= digit;
  }
  return text;
}

}  // namespace

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

std::optional<int64_t> ParseDuration(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  int64_t total = 0;
  while (!text.empty()) {
    auto term = TakeTerm(text);
    if (!term || __builtin_add_overflow(total, *term, &total)) return std::nullopt;
  }
  return negative ? -total : total;
}

std::string FormatDuration(int64_t ns) {
  if (ns == 0) return "0s";
  std::string sign = ns < 0 ? "-" : "";
  uint64_t abs = ns < 0 ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  if (abs < 1000) return StrCat(sign, abs, "ns");
  if (abs < 1000000) return StrCat(sign, WithFraction(abs, 1000), "\xc2\xb5s");
  if (abs < static_cast<uint64_t>(kSecond)) return StrCat(sign, WithFraction(abs, 1000000), "ms");
  std::string seconds = StrCat(WithFraction(abs % kMinute, kSecond), "s");
  uint64_t minutes = abs / kMinute;
  if (minutes == 0) return StrCat(sign, seconds);
  if (minutes < 60) return StrCat(sign, minutes, "m", seconds);
  return StrCat(sign, minutes / 60, "h", minutes % 60, "m", seconds);
}

std::string LongTime(int64_t ns) {
  time_t seconds = ns / kSecond;
  int64_t rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  tm local;
  if (localtime_r(&seconds, &local) == nullptr) return "-";
  char buffer[64];
  // %Z names the zone; where the zone has no name, "+0530" is written as Go does it.
  size_t length = strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S", &local);
  std::string text(buffer, length);
  int milliseconds = static_cast<int>(rest / 1000000);
  if (milliseconds > 0) {
    char fraction[8];
    snprintf(fraction, sizeof fraction, ".%03d", milliseconds);
    text += fraction;
    while (text.back() == '0') text.pop_back();
  }
  length = strftime(buffer, sizeof buffer, " %z %Z", &local);
  text.append(buffer, length);
  return text;
}

std::string ShortTime(int64_t ns, int64_t now_ns) {
  // Whole seconds on both sides are compared, as the original does.
  int64_t then = ns / kSecond;
  int64_t now = now_ns / kSecond;
  std::string_view when = ns > now_ns ? "from now" : "ago";
  int64_t seconds = ns > now_ns ? then - now : now - then;

  constexpr int64_t kDay = 24 * 3600;
  constexpr int64_t kYear = 12 * 30 * kDay;
  if (seconds < 1) return "now";
  auto plural = [&](int64_t unit, std::string_view name) {
    int64_t n = seconds / unit;
    return StrCat(n, " ", name, n == 1 ? "" : "s", " ", when);
  };
  if (seconds < 60) return plural(1, "second");
  if (seconds < 3600) return plural(60, "minute");
  if (seconds < kDay) return plural(3600, "hour");
  if (seconds < 7 * kDay) return plural(kDay, "day");
  if (seconds < 30 * kDay) return plural(7 * kDay, "week");
  if (seconds < kYear) return plural(30 * kDay, "month");
  if (seconds < 18 * 30 * kDay) return StrCat("1 year ", when);
  if (seconds < 2 * kYear) return StrCat("2 years ", when);  // rounded up from a year and a half
  if (seconds < 37 * kYear) return plural(kYear, "year");
  return StrCat("a long while ", when);
}

std::string HumanSize(uint64_t bytes) {
  constexpr std::string_view kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10) return StrCat(bytes, "B");
  size_t unit = 0;
  double value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < std::size(kNames)) {
    value /= 1024;
    ++unit;
  }
  // Rounded to one decimal first, so that 9.96 prints as "10".
  double rounded = static_cast<double>(static_cast<int64_t>(value * 10 + 0.5)) / 10;
  char buffer[32];
  snprintf(buffer, sizeof buffer, rounded < 10 ? "%.1f" : "%.0f", rounded);
  return StrCat(buffer, kNames[unit]);
}

}  // namespace rkt
