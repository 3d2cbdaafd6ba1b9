// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Reading the log of an app, POD/logs/APP and the older files APP.1, APP.2 ... (docs/formats/logs.md): lines as the
// container runtime interface defines them,
//   2026-11-21T23:29:26.123456789Z stdout F text
// where P in place of F says that the line goes on in the next entry. Files may grow, and be renamed, while they are
// read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::cli {

struct LogEntry {
  int64_t time_ns = 0;
  bool ends_line = true;
  std::string text;
};

// One line of the file without its newline. Nothing where it is not of the format.
std::optional<LogEntry> ParseLogLine(std::string_view line);

// "2026-11-21T23:29:26.6Z" and with offsets, in ns since the epoch.
std::optional<int64_t> ParseRfc3339(std::string_view text);

// The same with nine digits of a fraction, as the files have it.
std::string FormatRfc3339(int64_t ns);

// A point in time as people write it: RFC 3339; the same without a zone, seconds or the time of day, then in the local
// time zone; seconds since the epoch, perhaps with a fraction; a duration, which means so long before `now_ns`.
std::optional<int64_t> ParseTimePoint(std::string_view text, int64_t now_ns);

// Yields the entries of one file in order, with memory for one line.
class LogReader {
 public:
  explicit LogReader(Fd file) : file_(std::move(file)) {}

  // The next entry; nothing where the file has no further whole line now (it may have one later).
  // With `last`, what stands behind the last newline counts as a line if it begins as one: a writer that was killed may
  // have left the beginning of an entry there. Lines that are not of the format come as they are, at the time of the
  // entry before them.
  Result<std::optional<LogEntry>> Next(bool last);
  // Begins anew where the file has become shorter than what was read of it. Whether it had.
  bool StartOver();
  int fd() const { return file_.get(); }

 private:
  Fd file_;
  std::string buffer_;
  size_t used_ = 0;     // bytes of the buffer that were given out
  size_t scanned_ = 0;  // bytes of the buffer known to hold no newline
  bool unfinished_ = false;  // the buffer's last newline is ours
  int64_t last_time_ns_ = 0;
};

// Yields the entries of all files of an app, from the oldest to the current one, and of those that come later. Follows
// renamings: an entry comes once, and in order.
class AppLogReader {
 public:
  // `directory` is POD/logs, borrowed.
  AppLogReader(int directory, std::string app) : directory_(directory), app_(std::move(app)) {}
  const std::string& app() const { return app_; }
  // Files whose last entry is older are not read at all.
  void SkipBefore(int64_t ns) { skip_before_ns_ = ns; }
  // As LogReader::Next; `last`: nobody writes any more.
  Result<std::optional<LogEntry>> Next(bool last);
  // Whether files have vanished before they were read, since it was last asked.
  bool TakeLost() { return std::exchange(lost_, false); }

 private:
  // Opens the file that follows the one being read; false where there is none.
  Result<bool> OpenNext();
  Result<Fd> OpenFile(int number) const;
  // Whether it is the file that is written to.
  Result<bool> IsCurrent(int file) const;

  int directory_;
  std::string app_;
  std::optional<LogReader> reader_;
  int64_t skip_before_ns_ = INT64_MIN;
  bool lost_ = false;
};

}  // namespace rkt::cli
