// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/output.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::native {

void Console::Add(std::string_view text) {
  if (broken_) return;
  queue_ += text;
  Flush();
}

void Console::Flush() {
  size_t done = 0;
  while (done < queue_.size()) {
    struct pollfd poll = {fd_, POLLOUT, 0};
    if (::poll(&poll, 1, 0) <= 0) break;
    // Up to PIPE_BUF a pipe that poll calls writable takes without waiting. A file takes anything.
    size_t size = queue_.size() - done;
    ssize_t n = ::write(fd_, queue_.data() + done, size < PIPE_BUF ? size : PIPE_BUF);
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) break;
      broken_ = true;
      queue_.clear();
      return;
    }
    done += static_cast<size_t>(n);
  }
  queue_.erase(0, done);
}

Fd OpenTerminalOf(int fd) {
  if (::isatty(fd) != 1) return {};
  auto terminal = Open(StrCat("/proc/self/fd/", fd), O_WRONLY | O_NOCTTY | O_NONBLOCK);
  return terminal ? *std::move(terminal) : Fd();
}

std::string LogTime(const timespec& time) {
  struct tm utc;
  ::gmtime_r(&time.tv_sec, &utc);
  char text[64];
  int n = ::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, time.tv_nsec);
  return std::string(text, static_cast<size_t>(n));
}

void LineSink::set_targets(const LogTargets* targets) {
  targets_ = targets;
  bool journal_reads = stream_ == std::string_view("stdout") ? targets->stdout_is_journal : targets->stderr_is_journal;
  if (targets->journal && journal_reads) console_ = nullptr;
}

void LineSink::Line(std::string_view text, bool partial) {
  if (log_ >= 0 && targets_ != nullptr && targets_->journal) {
    Journal::Entry entry = {.app = app_, .stream = stream_, .message = text, .pid = pid_, .priority = priority_};
    entry.priority = TakePriority(entry.message, entry.priority);
    targets_->journal->Send(entry);
  }
  if (log_ >= 0) {
    log_batch_ += LogTime(now_);
    log_batch_ += ' ';
    log_batch_ += stream_;
    log_batch_ += plain_ ? " " : partial ? " P " : " F ";
    log_batch_ += text;
    log_batch_ += '\n';
  }
  if (console_ != nullptr) {
    // As a console shows a journal: seconds since boot, the app and its pid in the pod.
    char prefix[48];
    int n = ::snprintf(prefix, sizeof prefix, "[%5ld.%03ld] ", static_cast<long>(uptime_.tv_sec),
                       uptime_.tv_nsec / 1000000);
    console_batch_.append(prefix, static_cast<size_t>(n));
    console_batch_ += app_;
    n = ::snprintf(prefix, sizeof prefix, "[%d]: ", pid_);
    console_batch_.append(prefix, static_cast<size_t>(n));
    console_batch_ += text;
    console_batch_ += '\n';
  }
}

void LineSink::Take(std::string_view text) {
  ::clock_gettime(CLOCK_REALTIME, &now_);
  ::clock_gettime(CLOCK_MONOTONIC, &uptime_);
  while (!text.empty()) {
    size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    if (pending_.empty()) {
      Line(text.substr(0, end), false);
    } else {
      pending_ += text.substr(0, end);
      Line(pending_, false);
      pending_.clear();
    }
    text.remove_prefix(end + 1);
  }
  pending_ += text;
  while (pending_.size() > kLongest) {
    Line(std::string_view(pending_).substr(0, kLongest), true);
    pending_.erase(0, kLongest);
  }
  Hand();
}

void LineSink::Finish() {
  if (pending_.empty()) return;
  ::clock_gettime(CLOCK_REALTIME, &now_);
  ::clock_gettime(CLOCK_MONOTONIC, &uptime_);
  Line(pending_, false);
  pending_.clear();
  Hand();
}

void LineSink::Hand() {
  // A log on a full disk loses lines rather than stopping the app.
  if (!log_batch_.empty()) {
    if (targets_ != nullptr && targets_->directory) {
      (void)AppendToLog(targets_->directory.get(), app_, log_, targets_->limits, log_batch_);
    } else {
      (void)WriteAll(log_, log_batch_);
    }
  }
  log_batch_.clear();
  if (console_ != nullptr && !console_batch_.empty()) console_->Add(console_batch_);
  console_batch_.clear();
}

}  // namespace rkt::native
