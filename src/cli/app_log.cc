// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/app_log.h"

#include <time.h>
#include <unistd.h>

#include "base/duration.h"

namespace rkt::cli {

namespace {

constexpr size_t kChunk = 64 << 10;
// A line that is longer comes in pieces.
constexpr size_t kMaxLine = 1 << 20;

// Takes `count` digits off the front.
std::optional<int> TakeDigits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::string_view TakeWord(std::string_view& text) {
  size_t space = text.find(' ');
  std::string_view word = text.substr(0, space);
  text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
  return word;
}

// "Z", "+01:00"; in seconds.
std::optional<int> TakeZone(std::string_view& text) {
  if (TakeChar(text, 'Z')) return 0;
  int sign = text.starts_with('-') ? -1 : 1;
  if (!TakeChar(text, '+') && !TakeChar(text, '-')) return std::nullopt;
  auto hours = TakeDigits(text, 2);
  if (!hours || !TakeChar(text, ':')) return std::nullopt;
  auto minutes = TakeDigits(text, 2);
  if (!minutes) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<int64_t> ParseRfc3339(std::string_view text) {
  tm parts = {};
  struct Field {
    size_t digits;
    int tm::*member;
    int offset;
    char after;  // 0: nothing
  };
  constexpr Field kFields[] = {{4, &tm::tm_year, 1900, '-'}, {2, &tm::tm_mon, 1, '-'},
                               {2, &tm::tm_mday, 0, 'T'},    {2, &tm::tm_hour, 0, ':'},
                               {2, &tm::tm_min, 0, ':'},     {2, &tm::tm_sec, 0, 0}};
  for (const Field& field : kFields) {
    auto value = TakeDigits(text, field.digits);
    if (!value || (field.after != 0 && !TakeChar(text, field.after))) return std::nullopt;
    parts.*field.member = *value - field.offset;
  }
  int64_t fraction = 0;
  if (TakeChar(text, '.')) {
    int64_t digit = kSecond / 10;
    size_t count = 0;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; ++count, digit /= 10) {
      fraction += digit * (text[0] - '0');
      text.remove_prefix(1);
    }
    if (count == 0) return std::nullopt;
  }
  auto zone = TakeZone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return (timegm(&parts) - *zone) * kSecond + fraction;
}

std::optional<LogEntry> ParseLogLine(std::string_view line) {
  auto time = ParseRfc3339(TakeWord(line));
  if (!time) return std::nullopt;
  std::string_view stream = TakeWord(line);
  if (stream != "stdout" && stream != "stderr") return std::nullopt;
  // Tags are separated by colons; the first says whether the line ends here.
  std::string_view tags = TakeWord(line);
  std::string_view first = tags.substr(0, tags.find(':'));
  if (first != "F" && first != "P") return std::nullopt;
  return LogEntry{*time, first == "F", std::string(line)};
}

Result<std::optional<LogEntry>> LogReader::Next(bool last) {
  for (;;) {
    size_t newline = buffer_.find('\n', scanned_);
    const bool cut = newline == std::string::npos && buffer_.size() - used_ >= kMaxLine;
    if (newline != std::string::npos || cut) {
      size_t end = cut ? buffer_.size() : newline;
      std::string_view line = std::string_view(buffer_).substr(used_, end - used_);
      LogEntry entry;
      if (auto parsed = ParseLogLine(line)) {
        entry = *std::move(parsed);
        last_time_ns_ = entry.time_ns;
      } else {
        entry = {last_time_ns_, true, std::string(line)};
      }
      if (cut) entry.ends_line = false;
      used_ = cut ? end : end + 1;
      scanned_ = used_;
      return std::optional<LogEntry>(std::move(entry));
    }
    buffer_.erase(0, used_);
    used_ = 0;
    scanned_ = buffer_.size();
    size_t size = buffer_.size();
    buffer_.resize(size + kChunk);
    ssize_t n;
    do {
      n = read(file_.get(), buffer_.data() + size, kChunk);
    } while (n < 0 && errno == EINTR);
    int err = errno;
    buffer_.resize(size + static_cast<size_t>(n > 0 ? n : 0));
    if (n < 0) return ErrnoError(err, "reading the log");
    if (n > 0) continue;
    if (!last || buffer_.empty()) return std::optional<LogEntry>();
    buffer_ += '\n';
  }
}

}  // namespace rkt::cli
