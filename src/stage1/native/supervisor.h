// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Pid 1 of a pod: starts the apps, reaps, carries their output, writes their exit statuses, ends the pod. One thread,
// one poll loop, nothing that waits for an app or for whoever reads the output.

#include <poll.h>

#include <deque>
#include <string>
#include <vector>

#include "base/cgroup/groups.h"
#include "base/fd.h"
#include "stage1/native/output.h"
#include "stage1/native/plan.h"
#include "stage1/native/pod_mounts.h"
#include "stage1/native/terminal.h"

namespace rkt::native {

// What the process outside of the pod has opened for it.
struct SupervisorFiles {
  int outside_pidfd = -1;              // of that process: when it has died, so does the pod
  Fd users_word;                       // by which pid 1 hears that the ids of its user namespace are mapped
  PodMounts* mounts = nullptr;         // of a pod with users of its own
  Fd network_word;                     // by which pid 1 hears that its networks are ready; none: it need not wait
  std::vector<Fd> logs;                // POD/logs/APP, one per app
  LogTargets log_targets;
  cgroup::PodGroups* groups = nullptr;
};

// Seconds between SIGTERM and SIGKILL when a pod is stopped, unless an app's annotation says more or less.
inline constexpr int kStopTimeoutSeconds = 90;

class Supervisor {
 public:
  Supervisor(PodPlan& plan, SupervisorFiles files, int stop_timeout_seconds);
  // The life of the pod; returns its exit status: that of the first app that failed, else 0. What apps make of
  // being stopped does not count.
  int Run();

 private:
  enum class Phase { kPreStart, kMain, kPostStop, kDone };
  struct AppState {
    explicit AppState(AppPlan& p) : plan(&p) {}
    AppPlan* plan;
    size_t index = 0;
    Phase phase = Phase::kPreStart;
    size_t program = 0;            // which of the phase's programs runs
    pid_t pid = -1;
    int status = 0;                // of the main program
    bool failed = false;           // something before the main program did
    bool executed = false;         // the main program's execve has succeeded
    Fd out, out_write, err, err_write;
    std::deque<LineSink> sinks;    // stdout, stderr
  };

  Status PrepareStreams();
  Status OpenTerminal(AppState& app);
  void StartNext(AppState& app);
  const ProgramPlan* NextProgram(AppState& app);
  Status Start(AppState& app, const ProgramPlan& program);
  int Wait(std::vector<struct pollfd>& polls);
  void HandleSignals();
  void Reap();
  void Ended(AppState& app, int status);
  void ReportFailure(AppState& app, const ProgramPlan& program, const AppFailure& failure);
  void WriteRunningFiles(const AppState& app);
  void ReadStream(AppState& app, int which, bool all);
  void ReadTerminal();
  void ReadKeyboard();
  void BeginStop(int signal_number);
  void KillAll();
  void AnnounceReady();
  void Finish();
  bool AllDone() const;
  void Complain(const std::string& text);

  PodPlan& plan_;
  SupervisorFiles files_;
  int stop_timeout_seconds_;
  std::deque<AppState> apps_;
  Console stdout_{1};
  Console stderr_{2};
  TerminalModes terminal_{0};
  EscapeDetector escape_;
  Fd signals_;
  Fd master_, slave_;              // --interactive on a terminal
  bool keyboard_open_ = false;
  std::string typed_;              // what the app's terminal has not taken yet
  bool stopping_ = false;
  bool stop_requested_ = false;    // from outside: the exit status is 0
  bool killed_ = false;
  bool all_started_ = false;
  bool ready_ = false;
  bool alone_ = false;             // the last look found no child left
  int64_t kill_at_ms_ = 0;
  int exit_code_ = 0;              // of the first app that failed
  int code_at_stop_ = 0;           // what it was when the stop was asked for
};

}  // namespace rkt::native
