// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/app_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/duration.h"
#include "base/file.h"

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

// The fraction behind a dot, in ns. Nothing where there is a dot and no digit.
std::optional<int64_t> TakeFraction(std::string_view& text) {
  if (!TakeChar(text, '.')) return 0;
  int64_t fraction = 0;
  int64_t digit = kSecond / 10;
  size_t count = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; ++count, digit /= 10) {
    fraction += digit * (text[0] - '0');
    text.remove_prefix(1);
  }
  if (count == 0) return std::nullopt;
  return fraction;
}

// Nanoseconds, as far as they go (the years 1678 to 2261).
int64_t Nanoseconds(int64_t seconds, int64_t fraction) {
  constexpr int64_t kMost = INT64_MAX / kSecond - 1;
  if (seconds > kMost) return INT64_MAX;
  return seconds < -kMost ? INT64_MIN : seconds * kSecond + fraction;
}

struct Field {
  size_t digits;
  int tm::*member;
  int offset;
  const char* before;  // what may stand in front
};
constexpr Field kFields[] = {{4, &tm::tm_year, 1900, ""}, {2, &tm::tm_mon, 1, "-"}, {2, &tm::tm_mday, 0, "-"},
                             {2, &tm::tm_hour, 0, "T "},  {2, &tm::tm_min, 0, ":"}, {2, &tm::tm_sec, 0, ":"}};

// At least the date. How many fields there were, 0 where it is none.
size_t TakeFields(std::string_view& text, tm& parts) {
  size_t count = 0;
  for (const Field& field : kFields) {
    if (*field.before != '\0') {
      // Date, hours and minutes, seconds.
      bool may_end = count == 3 || count == 5;
      if (text.empty() || std::string_view(field.before).find(text[0]) == std::string_view::npos) {
        return may_end ? count : 0;
      }
      text.remove_prefix(1);
    }
    auto value = TakeDigits(text, field.digits);
    if (!value) return 0;
    parts.*field.member = *value - field.offset;
    ++count;
  }
  return count;
}

}  // namespace

std::optional<int64_t> ParseRfc3339(std::string_view text) {
  tm parts = {};
  if (text.find(' ') != std::string_view::npos || TakeFields(text, parts) != std::size(kFields)) return std::nullopt;
  auto fraction = TakeFraction(text);
  auto zone = TakeZone(text);
  if (!fraction || !zone || !text.empty()) return std::nullopt;
  return Nanoseconds(timegm(&parts) - *zone, *fraction);
}

std::string FormatRfc3339(int64_t ns) {
  int64_t seconds = ns / kSecond, fraction = ns % kSecond;
  if (fraction < 0) --seconds, fraction += kSecond;
  auto time = static_cast<time_t>(seconds);
  tm parts = {};
  gmtime_r(&time, &parts);
  char text[64];
  int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", parts.tm_year + 1900, parts.tm_mon + 1,
                   parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<long>(fraction));
  return std::string(text, static_cast<size_t>(n));
}

std::optional<int64_t> ParseTimePoint(std::string_view text, int64_t now_ns) {
  if (auto time = ParseRfc3339(text)) return time;
  if (!text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos) {
    size_t dot = std::min(text.find('.'), text.size());
    auto seconds = ParseInt(text.substr(0, dot));
    std::string_view rest = text.substr(dot);
    auto fraction = TakeFraction(rest);
    if (!seconds || !fraction || !rest.empty()) return std::nullopt;
    return Nanoseconds(*seconds, *fraction);
  }
  if (auto duration = ParseDuration(text)) {
    int64_t time;
    return __builtin_sub_overflow(now_ns, *duration, &time) ? (*duration < 0 ? INT64_MAX : INT64_MIN) : time;
  }
  tm parts = {};
  if (TakeFields(text, parts) == 0) return std::nullopt;
  auto fraction = TakeFraction(text);
  if (!fraction || !text.empty()) return std::nullopt;
  parts.tm_isdst = -1;
  return Nanoseconds(mktime(&parts), *fraction);
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
      const bool unfinished = unfinished_ && newline + 1 == buffer_.size();
      size_t end = cut ? buffer_.size() : newline;
      std::string_view line = std::string_view(buffer_).substr(used_, end - used_);
      LogEntry entry;
      if (auto parsed = ParseLogLine(line)) {
        entry = *std::move(parsed);
        last_time_ns_ = entry.time_ns;
      } else if (unfinished) {
        // The beginning of an entry, of which nothing came from the app.
        buffer_.clear();
        used_ = scanned_ = 0;
        return std::optional<LogEntry>();
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
    unfinished_ = true;
  }
}

bool LogReader::StartOver() {
  struct stat st;
  off_t at = ::lseek(file_.get(), 0, SEEK_CUR);
  if (at < 0 || ::fstat(file_.get(), &st) != 0 || st.st_size >= at) return false;
  ::lseek(file_.get(), 0, SEEK_SET);
  buffer_.clear();
  used_ = scanned_ = 0;
  return true;
}

Result<Fd> AppLogReader::OpenFile(int number) const {
  std::string name = number == 0 ? app_ : StrCat(app_, ".", number);
  Fd file = TRY(OpenAt(directory_, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) return SysErr("stat ", name);
  if (!S_ISREG(st.st_mode)) return Err(Code::kNotFound, name, " is no regular file");
  return file;
}

Result<bool> AppLogReader::OpenNext() {
  struct File {
    int number;  // 0 is the current one
    ino_t inode;
    int64_t changed_ns;
  };
  struct stat own = {};
  if (reader_ && ::fstat(reader_->fd(), &own) != 0) return SysErr("stat of a log");
  // The writer may rename while this looks: then it is looked again.
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::vector<File> files;
    for (const DirEntry& entry : TRY(ListDirAt(directory_, "."))) {
      std::string_view name = entry.name;
      if (!name.starts_with(app_)) continue;
      name.remove_prefix(app_.size());
      auto number = name.empty() ? std::optional<int64_t>(0) : name[0] == '.' ? ParseInt(name.substr(1)) : std::nullopt;
      struct stat st;
      if (!number || *number < 0 || *number > 100000 ||
          ::fstatat(directory_, entry.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
        continue;
      }
      files.push_back({static_cast<int>(*number), st.st_ino, st.st_mtim.tv_sec * kSecond + st.st_mtim.tv_nsec});
    }
    std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.number > b.number; });
    auto next = files.begin();
    bool lost = false;
    if (reader_) {
      auto at = std::find_if(files.begin(), files.end(), [&](const File& f) { return f.inode == own.st_ino; });
      lost = at == files.end();
      if (!lost) next = at + 1;
    }
    while (next != files.end() && next->number > 0 && next->changed_ns < skip_before_ns_) ++next;
    if (next == files.end()) return false;
    auto file = OpenFile(next->number);
    struct stat st;
    if (!file || ::fstat(file->get(), &st) != 0 || st.st_ino != next->inode) continue;
    lost_ = lost_ || lost;
    reader_.emplace(*std::move(file));
    return true;
  }
  return false;
}

Result<std::optional<LogEntry>> AppLogReader::Next(bool last) {
  for (;;) {
    if (reader_) {
      auto entry = TRY(reader_->Next(false));
      if (entry) return entry;
      const bool renamed = !TRY(IsCurrent(reader_->fd()));
      // What was written between the look and the renaming is still to be read.
      if (renamed || last) entry = TRY(reader_->Next(true));
      if (entry) return entry;
      if (!renamed) {
        if (!reader_->StartOver()) return entry;
        lost_ = true;
        continue;
      }
    }
    if (!TRY(OpenNext())) return std::optional<LogEntry>();
  }
}

Result<bool> AppLogReader::IsCurrent(int file) const {
  struct stat own, current;
  if (::fstat(file, &own) != 0) return SysErr("stat of a log");
  return ::fstatat(directory_, app_.c_str(), &current, AT_SYMLINK_NOFOLLOW) == 0 && current.st_ino == own.st_ino;
}

}  // namespace rkt::cli
