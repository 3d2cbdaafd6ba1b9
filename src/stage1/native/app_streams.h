// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The standard streams of one app, on the supervisor's side: pipes or a terminal, the log, rkt's own streams, those who
// have attached. Opened before the app's first program starts, closed when its last one has ended. Nothing waits here.

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "stage1/native/app_child.h"
#include "stage1/native/attach_point.h"
#include "stage1/native/output.h"
#include "stage1/native/plan.h"
#include "stage1/native/poll_set.h"

namespace rkt::native {

class AppStreams {
 public:
  // What the streams of all apps have in common.
  struct Shared {
    Console* out;
    Console* err;
    const LogTargets* log_targets;
    bool interactive;  // rkt's own streams are the app's: output goes out as it is
  };
  AppStreams(const AppPlan& plan, const Shared& shared) : plan_(plan), shared_(shared) {}
  AppStreams(const AppStreams&) = delete;

  // `log` is the app's log, borrowed; `plain_log` a further one for what goes to those who attach, owned, or none. Makes
  // rkt/iottymux/APP of S1, the working directory, where somebody can attach.
  Status Open(int log, Fd plain_log);
  // --interactive on a terminal: the app gets one of its own, whose other side the caller keeps.
  Result<Fd> OpenInteractiveTerminal();
  // Gives the app's descriptors to the plan of a start.
  void Fill(AppChildPlan& child) const;
  void set_pid(int pid);

  void AddPolls(PollSet& polls);
  // What a program has written is read up to its end.
  void Drain();
  // What it has written on a terminal that the caller reads.
  void Log(std::string_view text) { sinks_[kOut].Take(text); }
  // A message of the supervisor's about the app, on its standard error.
  void Complain(std::string_view text);
  // Everything that is left is read; the app's side is closed; clients get the rest and then their end.
  void Close();
  // Whether there is something to attach to.
  bool attachable() const { return in_point_ || out_point_ || err_point_ || tty_point_; }
  // Whether no client has something to get any more.
  bool finished() const;
  void Expire(int64_t now_ms);
  int64_t Deadline() const;

 private:
  enum Which { kOut = 0, kErr = 1, kTty = 2 };

  Status OpenPipe(Which which);
  Status OpenPoints();
  Status WriteEndpoints(int directory) const;
  bool UsesTty() const;
  bool Attachable() const;
  StreamMode ModeOf(Which which) const { return which == kOut ? plan_.stdout_mode : plan_.stderr_mode; }
  // Reads what there is. `all`: until there is nothing; otherwise one piece, so that no app keeps the others waiting.
  void Read(Which which, bool all);
  void OnOutput(int which, short events);
  void OnInput(int which, short events);
  void ReadSyslog(bool all);
  void OnSyslog(int, short) { ReadSyslog(false); }
  bool Blocked(Which which) const;
  void Deliver(Which which, std::string_view text);
  AttachPoint* PointOf(Which which) const;

  const AppPlan& plan_;
  Shared shared_;
  Fd read_end_[2], write_end_[2];          // stdout, stderr
  Fd stdin_read_, stdin_write_;            // stream mode
  Fd master_, slave_;                      // tty mode
  Fd interactive_slave_;
  Fd plain_log_;
  std::deque<LineSink> sinks_;             // stdout, stderr
  std::deque<LineSink> plain_sinks_;       // stdout, stderr
  Fd syslog_;                              // what the app's /dev/log is
  std::optional<LineSink> syslog_sink_;    // from the first message on
  int log_ = -1;
  int pid_ = 0;
  std::unique_ptr<AttachPoint> in_point_, out_point_, err_point_, tty_point_;
};

// A new terminal: its two sides, the second for the app of this user. The working directory is S1.
struct TerminalPair {
  Fd master, slave;
  int number = 0;  // dev/pts/NUMBER
};
Result<TerminalPair> OpenTerminalPair(uid_t owner);

}  // namespace rkt::native
