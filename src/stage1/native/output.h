// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Where the lines of the apps go: each into the app's log in the pod (the log format of the CRI: time, stream, F or
// P for a partial line, text), to the host's journal, and, with a prefix, to the standard streams of rkt. Nothing here blocks: a console
// that takes nothing makes the queue full, and the supervisor stops reading the apps until it is empty again.

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "stage1/native/journal.h"
#include "stage1/native/log_files.h"

namespace rkt::native {

// One of rkt's own standard streams. Writes at most PIPE_BUF bytes at a time and only when poll says that it can. That a
// terminal can does not say how much it takes, so it is written to by a descriptor that does not wait.
class Console {
 public:
  // `without_waiting` is what OpenTerminalOf gave, or none.
  explicit Console(int fd, Fd without_waiting = {})
      : terminal_(std::move(without_waiting)), fd_(terminal_ ? terminal_.get() : fd) {}
  int fd() const { return fd_; }
  bool wants_write() const { return !queue_.empty(); }
  bool full() const { return queue_.size() >= kFull; }
  void Add(std::string_view text);
  // Writes what goes without waiting. A reader that is gone drops the queue for good.
  void Flush();

 private:
  static constexpr size_t kFull = 64 << 10;
  Fd terminal_;
  int fd_;
  bool broken_ = false;
  std::string queue_;
};

// The terminal of a descriptor once more, for writing without waiting: that of the descriptor is the caller's, too. None
// where it is no terminal. Needs /proc.
Fd OpenTerminalOf(int fd);

// "2026-01-02T03:04:05.000000006Z", the time of a log line.
std::string LogTime(const timespec& time);

// What the logs of all apps of a pod have in common.
struct LogTargets {
  Fd directory;                        // POD/logs; none: the logs have no limit
  LogLimits limits;
  std::unique_ptr<Journal> journal;    // none: there is none, or it is not wanted
  bool stdout_is_journal = false;      // the journal reads rkt's own stream: no line goes there twice
  bool stderr_is_journal = false;
};

// One stream of one app: cuts into lines and hands them on.
class LineSink {
 public:
  // `log` is the app's log file, shared by its streams, -1 for none; `console` may be null.
  LineSink(std::string app, const char* stream, int log, Console* console)
      : app_(std::move(app)), stream_(stream), log_(log), console_(console) {}
  // Limits and the journal. The targets outlive this.
  void set_targets(const LogTargets* targets);
  void set_pid(int pid) { pid_ = pid; }
  // What a journal is told where a line does not begin with its own (as "<3>").
  void set_priority(int priority) { priority_ = priority; }
  // Lines of the log without the mark of partial ones, as kubelets before the CRI's format read them.
  void set_plain() { plain_ = true; }
  // Text as it was read, lines whole or not.
  void Take(std::string_view text);
  // The last line, where it had no end.
  void Finish();

 private:
  static constexpr size_t kLongest = 16 << 10;  // what is longer goes on as partial lines
  void Line(std::string_view text, bool partial);
  void Hand();

  std::string app_;
  const char* stream_;
  int log_;
  Console* console_;
  const LogTargets* targets_ = nullptr;
  bool plain_ = false;
  int pid_ = 0;
  int priority_ = 6;
  timespec now_ = {};       // of the text being taken
  timespec uptime_ = {};
  std::string pending_;
  std::string log_batch_;
  std::string console_batch_;
};

}  // namespace rkt::native
