// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Reading the log of an app (POD/logs/APP): lines as the container runtime interface defines them,
//   2026-11-21T23:29:26.123456789Z stdout F text
// where P in place of F says that the line goes on in the next entry. Files may grow while they are
// read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

// Yields the entries of one file in order, with memory for one line.
class LogReader {
 public:
  explicit LogReader(Fd file) : file_(std::move(file)) {}

  // The next entry; nothing where the file has no further whole line now (it may have one later).
  // With `last`, what stands behind the last newline counts as a line. Lines that are not of the
  // format come as they are, at the time of the entry before them.
  Result<std::optional<LogEntry>> Next(bool last);

 private:
  Fd file_;
  std::string buffer_;
  size_t used_ = 0;     // bytes of the buffer that were given out
  size_t scanned_ = 0;  // bytes of the buffer known to hold no newline
  int64_t last_time_ns_ = 0;
};

}  // namespace rkt::cli
