// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Pid 1 of a pod: starts the apps, reaps, carries their output, writes their exit statuses, ends the pod; where apps
// come and go (a mutable pod), takes the requests for that. One thread, one poll loop, nothing that waits for an app
// or for whoever reads the output.

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/cgroup/groups.h"
#include "base/fd.h"
#include "stage1/native/app_streams.h"
#include "stage1/native/control.h"
#include "stage1/native/output.h"
#include "stage1/native/plan.h"
#include "stage1/native/pod_mounts.h"
#include "stage1/native/poll_set.h"
#include "stage1/native/terminal.h"

namespace rkt::native {

// What the process outside of the pod has opened for it.
struct SupervisorFiles {
  int outside_pidfd = -1;              // of that process: when it has died, so does the pod
  Fd users_word;                       // by which pid 1 hears that the ids of its user namespace are mapped
  PodMounts* mounts = nullptr;         // of a pod with users of its own
  Fd oom_score;                        // of such a pod: pid 1's own oom_score_adj, opened while that was to be had
  Fd network_word;                     // by which pid 1 hears that its networks are ready; none: it need not wait
  Fd out_terminal, err_terminal;       // those of its streams 1 and 2, for writing without waiting
  std::vector<Fd> logs;                // POD/logs/APP, one per app
  LogTargets log_targets;
  cgroup::PodGroups* groups = nullptr;
};

class Supervisor {
 public:
  // `options` are those of the pod, for the apps that are added later.
  Supervisor(PodPlan& plan, const RunOptions& options, SupervisorFiles files, int stop_timeout_seconds);
  // The life of the pod; returns its exit status: that of the first app that failed, else 0. What apps make of
  // being stopped does not count. In a mutable pod no app's status does.
  int Run();

 private:
  enum class Phase { kPreStart, kMain, kPostStop, kDone };
  struct AppState {
    explicit AppState(AppPlan& p) : plan(&p) {}
    AppPlan* plan;
    const cgroup::PodGroups::App* group = nullptr;
    int log = -1;
    std::unique_ptr<AppStreams> streams;
    Phase phase = Phase::kPreStart;
    size_t program = 0;            // which of the phase's programs runs
    pid_t pid = -1;
    int status = 0;                // of the main program
    bool failed = false;           // something before the main program did
    bool executed = false;         // the main program's execve has succeeded
    // Of a mutable pod:
    ino_t mount_namespace = 0;     // of the program that runs
    bool stopping = false;         // this app alone
    int64_t kill_at_ms = 0;
    std::vector<Fd> waiters;       // who asked for its stop
    std::string failure;           // why it could not be started
    Fd notify;                     // where the program says that it is ready, where its image says that it does
    bool awaited = false;          // it has not said so
    std::vector<Fd> starters;      // who waits for it
    // Of an app that was added:
    std::unique_ptr<PodPlan> own_plan;
    cgroup::PodGroups::App own_group;
    Fd own_log;
  };

  Status PrepareStreams(AppState& app, Fd plain_log);
  void StartNext(AppState& app);
  const ProgramPlan* NextProgram(AppState& app);
  Status Start(AppState& app, const ProgramPlan& program);
  void Done(AppState& app);
  void ReportFailure(AppState& app, const ProgramPlan& program, const AppFailure& failure);
  void WriteRunningFiles(const AppState& app);
  void AnnounceReady();
  void Complain(const std::string& text);

  bool IsOver() const;
  void AddConsolePolls();
  void FillPolls();
  int Wait();
  int64_t Deadline() const;
  void MeetDeadlines();
  void OnSignal(int, short);
  void OnOutsideDeath(int, short);
  void OnConsole(int which, short);
  void OnKeyboard(int, short);
  void OnTerminal(int, short);
  void ReadTerminal();
  void Reap();
  void Ended(AppState& app, int status);
  void BeginStop(int signal_number);
  void KillAll();
  void Finish();
  void DrainOutput();
  bool AllDone() const;

  // Mutable pods (supervisor_control.cc).
  Status OpenControl();
  void OnControl(int, short);
  void OnConnection(int fd, short);
  void Answer(int fd, ControlRequest& request);
  Status StartAdded(ControlRequest& request);
  Status OpenNotify(AppState& app);
  void OnNotify(int fd, short);
  void HearNotify(AppState& app);
  Status RemoveAdded(const std::string& app);
  void StopOne(AppState& app);
  void Settle(AppState& app);
  void Sweep();
  AppState* FindApp(const std::string& name);

  PodPlan& plan_;
  const RunOptions& options_;
  SupervisorFiles files_;
  int stop_timeout_seconds_;
  std::list<AppState> apps_;
  Console stdout_;
  Console stderr_;
  TerminalModes terminal_{0};
  EscapeDetector escape_;
  PollSet polls_;
  Fd signals_;
  Fd master_;                      // --interactive on a terminal
  bool keyboard_open_ = false;
  std::string typed_;              // what the app's terminal has not taken yet
  bool stopping_ = false;
  bool stop_requested_ = false;    // from outside: the exit status is 0
  int64_t stop_requested_ms_ = 0;  // when
  bool killed_ = false;
  bool all_started_ = false;
  bool ready_ = false;
  bool alone_ = false;             // the last look found no child left
  int64_t kill_at_ms_ = 0;
  int exit_code_ = 0;              // of the first app that failed
  int code_at_stop_ = 0;           // what it was when the stop was asked for

  Fd control_;
  std::vector<Fd> connections_;
  std::list<std::unique_ptr<AppStreams>> retired_;  // of apps that have ended: clients still get the rest
};

}  // namespace rkt::native
