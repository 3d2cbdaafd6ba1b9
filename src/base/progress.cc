// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/progress.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/file.h"

namespace rkt {

namespace {

constexpr int kColumns = 80;
constexpr double kInterval = 1;

double Seconds() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string TimeLeft(double seconds) {
  uint64_t s = static_cast<uint64_t>(std::min(seconds, 359999.0)) + 1;
  if (s < 60) return StrCat(s, "s");
  if (s < 3600) return StrCat(s / 60, "m", s % 60, "s");
  return StrCat(s / 3600, "h", s / 60 % 60, "m");
}

}  // namespace

std::string TransferSize(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  // 999.5 would be written as 1e+03.
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %s", value, kUnits[unit]);
  return text;
}

std::string ProgressText(std::string_view what, uint64_t done, uint64_t total, int columns,
                         double seconds, uint64_t since_start) {
  std::string head = StrCat("Downloading ", what, ": ");
  std::string amount = total == 0 ? StrCat(TransferSize(done), " of an unknown total size")
                                  : StrCat(TransferSize(done), "/", TransferSize(total));
  if (columns == 0) return StrCat(head, total == 0 ? "" : " ", amount);
  if (seconds >= kInterval && since_start > 0) {
    double rate = static_cast<double>(since_start) / seconds;
    amount += StrCat("  ", TransferSize(static_cast<uint64_t>(rate)), "/s");
    if (total > done && rate > 0)
      amount += StrCat(", ", TimeLeft(static_cast<double>(total - done) / rate), " left");
  }
  size_t used = head.size() + amount.size() + 3;
  size_t width = static_cast<size_t>(columns);
  if (total == 0 || used + 4 > width) {
    std::string line = StrCat(head, amount);
    if (line.size() < width) line.append(width - line.size(), ' ');  // over what stood there
    return line;
  }
  size_t bar = width - used;
  double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  size_t filled = static_cast<size_t>(part * static_cast<double>(bar));
  return StrCat(head, "[", std::string(filled, '='), std::string(bar - filled, ' '), "] ", amount);
}

Progress::Progress(std::string what)
    : what_(TerminalSafe(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (open_) (void)WriteAll(STDERR_FILENO, "\n");
}

void Progress::Update(uint64_t done, uint64_t total) {
  double now = Seconds();
  done_ = done;
  total_ = total;
  if (!heard_) {
    heard_ = true;
    first_ = done;
    start_ = now;
  } else if (now - last_ < kInterval) {
    return;
  }
  Draw(now);
}

void Progress::Draw(double now) {
  last_ = now;
  drawn_ = done_;
  int columns = 0;
  if (terminal_) {
    struct winsize size = {};
    columns = kColumns;
    // A narrower terminal would break the line, and then it could not be drawn anew.
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      columns = std::min<int>(kColumns, size.ws_col);
  }
  std::string line =
      ProgressText(what_, done_, total_, columns, now - start_, done_ - std::min(done_, first_));
  (void)WriteAll(STDERR_FILENO, StrCat(line, terminal_ ? "\r" : "\n"));
  open_ = terminal_;
}

void Progress::Finish() {
  if (heard_ && drawn_ != done_) Draw(Seconds());
  if (open_) (void)WriteAll(STDERR_FILENO, "\n");
  open_ = false;
}

}  // namespace rkt
