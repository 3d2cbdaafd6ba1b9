// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "pod/paths.h"
#include "stage1/common/capabilities.h"
#include "stage1/common/program_lookup.h"
#include "stage1/native/app_processes.h"
#include "stage1/native/clock.h"
#include "stage1/native/memory.h"
#include "stage1/native/pod_init.h"
#include "stage1/native/running_app.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

// As systemd reports that a program could not be executed.
constexpr int kExecFailed = 203;

// A service manager that signals all processes of a service signals pid 1 and the process outside, which hands its signal
// on: two of them within this time are one request.
constexpr int64_t kOneRequestMs = 100;

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM, SIGWINCH}) sigaddset(&set, signal);
  return set;
}

// The earlier of two times, of which a negative one is none.
int64_t Earlier(int64_t a, int64_t b) {
  if (a < 0) return b;
  return b < 0 ? a : std::min(a, b);
}

}  // namespace

Supervisor::Supervisor(PodPlan& plan, const RunOptions& options, SupervisorFiles files, int stop_timeout_seconds)
    : plan_(plan),
      options_(options),
      files_(std::move(files)),
      stop_timeout_seconds_(stop_timeout_seconds),
      stdout_(1, std::move(files_.out_terminal)),
      stderr_(2, std::move(files_.err_terminal)) {
  for (size_t i = 0; i < plan.apps.size(); ++i) {
    AppState& app = apps_.emplace_back(plan.apps[i]);
    if (i < files_.logs.size()) app.log = files_.logs[i].get();
    if (files_.groups != nullptr && i < files_.groups->apps.size()) app.group = &files_.groups->apps[i];
  }
}

// What an image says of itself may be part of it.
void Supervisor::Complain(const std::string& text) { stderr_.Add(StrCat("stage1: ", TerminalSafe(text), "\n")); }

Status Supervisor::PrepareStreams(AppState& app, Fd plain_log) {
  app.streams = std::make_unique<AppStreams>(*app.plan, AppStreams::Shared{&stdout_, &stderr_, &files_.log_targets, plan_.interactive});
  TRY(app.streams->Open(app.log, std::move(plain_log)));
  if (!plan_.interactive || !terminal_.is_terminal()) return {};
  master_ = TRY(app.streams->OpenInteractiveTerminal());
  CopyWindowSize(0, master_.get());
  terminal_.MakeRaw();
  keyboard_open_ = true;
  return {};
}

const ProgramPlan* Supervisor::NextProgram(AppState& app) {
  bool may_start = !app.failed && !app.stopping;
  if (app.phase == Phase::kPreStart) {
    if (may_start && app.program < app.plan->pre_start.size()) return &app.plan->pre_start[app.program];
    app.phase = Phase::kMain;
    app.program = 0;
  }
  if (app.phase == Phase::kMain) {
    if (may_start && !stopping_ && app.program == 0) return &app.plan->main;
    app.phase = Phase::kPostStop;
    app.program = 0;
  }
  if (app.phase == Phase::kPostStop) {
    if (app.program < app.plan->post_stop.size()) return &app.plan->post_stop[app.program];
    app.phase = Phase::kDone;
  }
  return nullptr;
}

void Supervisor::StartNext(AppState& app) {
  while (const ProgramPlan* program = NextProgram(app)) {
    ++app.program;
    Status started = Start(app, *program);
    if (started) return;
    app.failure = started.error().Text();
    Complain(StrCat("app ", Quote(app.plan->name), ": ", app.failure));
    app.failed = true;
    if (app.status == 0) app.status = 1;
  }
  Done(app);
}

// The status is what the main program left, or what kept it from starting.
void Supervisor::Done(AppState& app) {
  // Readers take an empty file for none.
  std::string path = pod::AppStatusFile(app.plan->name);
  Status written = WriteFileAt(AT_FDCWD, path, StrCat(app.status, "\n"), 0644, true);
  if (!written) Complain(written.error().Text());
  if (plan_.grows || !AllDone()) (void)UnlinkAt(AT_FDCWD, RunningAppFile(app.plan->name));
  if (plan_.grows) return Settle(app);
  if (app.streams->attachable()) app.streams->Close();
  if (app.status != 0 && exit_code_ == 0) exit_code_ = app.status;
  if (app.status != 0 && !stopping_) BeginStop(SIGTERM);
}

namespace {

// Pid 1 of a pod with users of its own keeps its memory from everybody in there, also while it shares that with an app
// that starts; so long the app's own oom_score_adj is out of its reach. The app inherits it from us.
class OwnOomScore {
 public:
  explicit OwnOomScore(int file) : file_(file) {}
  Status Set(int score) {
    char text[16];
    ssize_t n = ::pread(file_, text, sizeof text, 0);
    if (n <= 0) return n < 0 ? Status(SysErr("reading")) : Status(ErrnoError(EIO, "reading"));
    before_.assign(text, static_cast<size_t>(n));
    return Write(StrCat(score));
  }
  void Restore() {
    if (!before_.empty()) (void)Write(before_);
  }

 private:
  Status Write(const std::string& text) {
    if (::pwrite(file_, text.data(), text.size(), 0) < 0) return SysErr("writing");
    return {};
  }
  int file_;
  std::string before_;
};

}  // namespace

Status Supervisor::Start(AppState& app, const ProgramPlan& program) {
  ChildStorage storage;
  AppChildPlan child = MakeChildPlan(*app.plan, program, storage);
  app.streams->Fill(child);
  child.clone_flags = CLONE_NEWNS;
  std::vector<int> tasks;
  if (app.group != nullptr) {
    for (const Fd& fd : app.group->v1_tasks) tasks.push_back(fd.get());
    child.cgroup_fd = app.group->v2.get();
  }
  if (!tasks.empty() || child.cgroup_fd >= 0) {
    child.own_cgroup_namespace = true;
  } else if (files_.groups != nullptr && files_.groups->supervisor) {
    child.clone_flags |= CLONE_NEWCGROUP;
  }
  child.cgroup_tasks = tasks.data();
  child.cgroup_count = tasks.size();
  OwnOomScore lent(files_.oom_score.get());
  if (child.set_oom_score && plan_.private_users) {
    TRY_CTX(lent.Set(child.oom_score_adj), "app ", Quote(app.plan->name), ": oom-score-adj");
    child.set_oom_score = false;
  }
  AppFailure failure;
  app.pid = StartApp(child, &failure);
  int clone_error = errno;
  lent.Restore();
  if (app.pid < 0) return ErrnoError(clone_error, "clone");
  app.streams->set_pid(app.pid);
  if (failure.step == AppStep::kNone) {
    if (plan_.grows) app.mount_namespace = MountNamespaceOf(app.pid);
    app.executed = app.executed || app.phase == Phase::kMain;
    if (all_started_) WriteRunningFiles(app);
  } else {
    ReportFailure(app, program, failure);
  }
  return {};
}

// The program was not executed. Its process has exited and is reaped like any other.
void Supervisor::ReportFailure(AppState& app, const ProgramPlan& program, const AppFailure& failure) {
  app.failed = true;
  if (failure.step == AppStep::kExec) {
    auto root = Open(app.plan->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    app.failure = root ? stage1::ExplainExecFailure(MountedFiles(root->get(), *app.plan), program.program, failure.err)
                       : StrCat(TerminalSafe(program.program), ": ", ErrnoText(failure.err));
    app.streams->Complain(StrCat("Error: ", app.failure, "\n"));
    app.status = kExecFailed;
    return;
  }
  std::string what = AppStepName(failure.step);
  if (failure.step == AppStep::kMount && failure.index >= 0 &&
      static_cast<size_t>(failure.index) < app.plan->mounts.size()) {
    what += StrCat(" /", app.plan->mounts[static_cast<size_t>(failure.index)].target);
  } else if (failure.step == AppStep::kRlimit && failure.index >= 0) {
    what += StrCat(" ", app.plan->rlimit_names[static_cast<size_t>(failure.index)],
                   failure.err == EPERM ? " above that of rkt itself" : "");
  } else if (failure.step == AppStep::kLabel) {
    what += StrCat(" ", Quote(app.plan->label));
  } else if (failure.step == AppStep::kDirectory) {
    what += StrCat(" ", Quote(app.plan->working_directory));
  }
  app.failure = StrCat(what, ": ", ErrnoText(failure.err));
  Complain(StrCat("app ", Quote(app.plan->name), ": ", app.failure));
  app.status = 1;
}

// What is wanted of a running app from outside; written while it runs already.
void Supervisor::WriteRunningFiles(const AppState& app) {
  Status written = WriteFileAt(AT_FDCWD, RunningAppFile(app.plan->name),
                               RunningText(app.pid, app.plan->main.identity), 0644, true);
  if (!written) Complain(written.error().Text());
  AnnounceReady();
}

void Supervisor::AnnounceReady() {
  if (ready_) return;
  for (const AppState& app : apps_) {
    if (!app.executed && !plan_.grows) return;
  }
  ready_ = true;
  if (::symlink(plan_.awaits_apps ? "started" : "ready", pod::kSupervisorStatus) != 0) {
    Complain(SysErr("announcing readiness").message());
  }
}

void Supervisor::ReadTerminal() {
  char buffer[16 << 10];
  while (master_) {
    ssize_t n = ::read(master_.get(), buffer, sizeof buffer);
    // EIO: nobody has the terminal open at the moment.
    if (n <= 0) return;
    std::string_view text(buffer, static_cast<size_t>(n));
    stdout_.Add(text);
    apps_.front().streams->Log(ReplaceAll(text, "\r\n", "\n"));
    if (stdout_.full()) return;
  }
}

void Supervisor::OnTerminal(int, short) {
  if (!typed_.empty()) {
    ssize_t n = ::write(master_.get(), typed_.data(), typed_.size());
    if (n > 0) typed_.erase(0, static_cast<size_t>(n));
  }
  ReadTerminal();
}

void Supervisor::OnKeyboard(int, short) {
  char buffer[4096];
  ssize_t n = ::read(0, buffer, sizeof buffer);
  if (n <= 0) {
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    keyboard_open_ = false;
    return;
  }
  std::string_view text(buffer, static_cast<size_t>(n));
  if (escape_.Feed(text, MonotonicMs())) {
    exit_code_ = 1;
    stopping_ = true;
    KillAll();
    return;
  }
  typed_ += text;
}

void Supervisor::OnConsole(int which, short) { (which == 1 ? stdout_ : stderr_).Flush(); }

// rkt is gone; the kernel ends everybody in here with us.
void Supervisor::OnOutsideDeath(int, short) { ::_exit(254); }

void Supervisor::BeginStop(int signal_number) {
  stopping_ = true;
  kill_at_ms_ = MonotonicMs() + stop_timeout_seconds_ * int64_t{1000};
  bool own_signals = std::any_of(apps_.begin(), apps_.end(),
                                 [](const AppState& app) { return app.plan->stop_signal != SIGTERM; });
  if (!own_signals) {
    // Every process of the pod but this one.
    ::kill(-1, signal_number);
    // Shells at a terminal ignore SIGTERM.
    if (master_) ::kill(-1, SIGHUP);
  } else {
    // A signal of an app's own is meant for its main process; what that leaves behind ends with the pod.
    for (const AppState& app : apps_) {
      if (app.pid <= 0) continue;
      bool own = app.phase == Phase::kMain && app.plan->stop_signal != SIGTERM;
      ::kill(own ? app.pid : -app.pid, own ? app.plan->stop_signal : signal_number);
    }
  }
  ::kill(-1, SIGCONT);
}

void Supervisor::KillAll() {
  killed_ = true;
  ::kill(-1, SIGKILL);
}

void Supervisor::OnSignal(int, short) {
  struct signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (info.ssi_signo) {
      case SIGTERM:
        // Only from outside of the pod: senders in here have a pid of this namespace.
        if (info.ssi_pid != 0) break;
        if (!stop_requested_) {
          stop_requested_ = true;
          stop_requested_ms_ = MonotonicMs();
          code_at_stop_ = exit_code_;
          BeginStop(SIGTERM);
        } else if (MonotonicMs() - stop_requested_ms_ >= kOneRequestMs) {
          KillAll();
        }
        break;
      case SIGWINCH:
        if (master_) CopyWindowSize(0, master_.get());
        break;
      default:
        break;
    }
  }
  Reap();
}

void Supervisor::Reap() {
  for (;;) {
    int status;
    pid_t pid = ::waitpid(-1, &status, WNOHANG | __WALL);
    if (pid <= 0) {
      alone_ = pid < 0;
      return;
    }
    auto app = std::find_if(apps_.begin(), apps_.end(), [&](const AppState& a) { return a.pid == pid; });
    // Everybody else is an orphan that some app left.
    if (app != apps_.end()) Ended(*app, status);
  }
}

void Supervisor::Ended(AppState& app, int wait_status) {
  app.pid = -1;
  // Where apps come and go, one leaves nothing behind.
  if (plan_.grows) KillNamespace(std::exchange(app.mount_namespace, 0));
  app.streams->Drain();
  if (master_) ReadTerminal();
  int status = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  // The end that was asked for is no failure, whatever the app makes of it.
  if (stopping_) status = 0;
  if (!app.failed) {
    if (app.phase == Phase::kMain) {
      app.status = status;
    } else if (status != 0) {
      Complain(StrCat("app ", Quote(app.plan->name), ": event handler ",
                      app.phase == Phase::kPreStart ? "pre-start" : "post-stop", " failed with status ", status));
      app.failed = app.phase == Phase::kPreStart;
      if (app.status == 0) app.status = status;
    }
  }
  StartNext(app);
}

bool Supervisor::AllDone() const {
  return std::all_of(apps_.begin(), apps_.end(), [](const AppState& app) { return app.phase == Phase::kDone; });
}

bool Supervisor::IsOver() const { return AllDone() && (!plan_.grows || stopping_); }

// Ends what the apps have left running, so that nothing they print is lost, and writes everything out.
void Supervisor::Finish() {
  if (!alone_) {
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
    }
  }
  if (master_) ReadTerminal();
  for (AppState& app : apps_) {
    if (app.streams) app.streams->Close();
  }
  if (master_) ReadTerminal();
  DrainOutput();
  terminal_.Restore();
}

// What the apps have written goes to rkt's own streams and to those who have attached, as long as they take it; when the
// pod has been told to stop, for a second at the most.
void Supervisor::DrainOutput() {
  constexpr int64_t kPatienceMs = 1000;
  int64_t end = -1;
  std::vector<AppStreams*> all;
  for (AppState& app : apps_) {
    if (app.streams) all.push_back(app.streams.get());
  }
  for (auto& streams : retired_) all.push_back(streams.get());
  for (;;) {
    std::erase_if(all, [](const AppStreams* streams) { return streams->finished(); });
    if (all.empty() && !stdout_.wants_write() && !stderr_.wants_write()) return;
    int64_t now = MonotonicMs();
    if (end < 0 && (stop_requested_ || killed_)) end = now + kPatienceMs;
    if (end >= 0 && now >= end) return;
    polls_.Clear();
    AddConsolePolls();
    polls_.Add<&Supervisor::OnSignal>(signals_.get(), POLLIN, this);
    int64_t deadline = end;
    for (AppStreams* streams : all) {
      streams->AddPolls(polls_);
      deadline = Earlier(deadline, streams->Deadline());
    }
    int timeout = deadline < 0 ? -1 : static_cast<int>(std::max<int64_t>(0, deadline - now));
    if (::poll(polls_.polls().data(), polls_.polls().size(), timeout) > 0) polls_.Dispatch();
    for (AppStreams* streams : all) streams->Expire(MonotonicMs());
  }
}

void Supervisor::AddConsolePolls() {
  polls_.Add<&Supervisor::OnOutsideDeath>(files_.outside_pidfd, POLLIN, this);
  if (stdout_.wants_write()) polls_.Add<&Supervisor::OnConsole>(stdout_.fd(), POLLOUT, this, 1);
  if (stderr_.wants_write()) polls_.Add<&Supervisor::OnConsole>(stderr_.fd(), POLLOUT, this, 2);
}

void Supervisor::FillPolls() {
  polls_.Clear();
  AddConsolePolls();
  if (master_) {
    if (keyboard_open_ && typed_.size() < 4096) polls_.Add<&Supervisor::OnKeyboard>(0, POLLIN, this);
    short events = static_cast<short>((stdout_.full() ? 0 : POLLIN) | (typed_.empty() ? 0 : POLLOUT));
    polls_.Add<&Supervisor::OnTerminal>(master_.get(), events, this);
  }
  for (AppState& app : apps_) app.streams->AddPolls(polls_);
  for (auto& streams : retired_) streams->AddPolls(polls_);
  for (AppState& app : apps_) polls_.Add<&Supervisor::OnNotify>(app.notify.get(), POLLIN, this, app.notify.get());
  polls_.Add<&Supervisor::OnControl>(control_.get(), POLLIN, this);
  for (const Fd& connection : connections_) {
    polls_.Add<&Supervisor::OnConnection>(connection.get(), POLLIN, this, connection.get());
  }
  // Last: what has come through the pipes is read before their writers are reaped.
  polls_.Add<&Supervisor::OnSignal>(signals_.get(), POLLIN, this);
}

int64_t Supervisor::Deadline() const {
  int64_t deadline = stopping_ && !killed_ ? kill_at_ms_ : -1;
  for (const AppState& app : apps_) {
    if (app.stopping) deadline = Earlier(deadline, app.kill_at_ms);
    deadline = Earlier(deadline, app.streams->Deadline());
  }
  for (const auto& streams : retired_) deadline = Earlier(deadline, streams->Deadline());
  return deadline;
}

void Supervisor::MeetDeadlines() {
  int64_t now = MonotonicMs();
  if (stopping_ && !killed_ && now >= kill_at_ms_) KillAll();
  for (AppState& app : apps_) {
    if (app.stopping && now >= app.kill_at_ms) {
      app.kill_at_ms = now + app.plan->stop_timeout_seconds * int64_t{1000} + 1000;
      KillNamespace(app.mount_namespace);
    }
    app.streams->Expire(now);
  }
  for (auto& streams : retired_) streams->Expire(now);
}

// The number of descriptors that are ready, 0 at a deadline, or the negative errno.
int Supervisor::Wait() {
  auto& polls = polls_.polls();
  int64_t at = Deadline();
  int deadline =
      at < 0 ? -1 : static_cast<int>(std::min<int64_t>(std::max<int64_t>(0, at - MonotonicMs()), INT_MAX));
  bool soon = deadline >= 0 && deadline <= kIdleMs;
  int ready = ::poll(polls.data(), polls.size(), soon ? deadline : kIdleMs);
  if (ready < 0) return -errno;
  if (ready > 0 || soon) return ready;
  return PollWithoutMemory(polls.data(), polls.size(), deadline < 0 ? -1 : deadline - kIdleMs);
}

int Supervisor::Run() {
  sigset_t watched = Watched();
  signals_ = Fd(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return 254;
  auto give_up = [&](const Error& error) {
    Complain(error.Text());
    killed_ = true;
    Finish();
    return 254;
  };
  for (AppState& app : apps_) {
    if (Status prepared = PrepareStreams(app, Fd()); !prepared) return give_up(prepared.error());
  }
  // While the apps run already: nobody can look at this process's root without being its like. Where an app may have
  // what it takes, the host's is gone before it starts.
  bool leave_first = std::any_of(plan_.apps.begin(), plan_.apps.end(), [](const AppPlan& app) {
    return (app.capabilities & ~stage1::kDefaultCapabilities) != 0;
  });
  Status left;
  if (leave_first) left = LeaveHost();
  for (AppState& app : apps_) {
    if (left) StartNext(app);
  }
  if (!leave_first) left = LeaveHost();
  if (!left) return give_up(left.error());
  if (plan_.grows) {
    if (Status opened = OpenControl(); !opened) return give_up(opened.error());
    AnnounceReady();
  }
  all_started_ = true;
  for (const AppState& app : apps_) {
    if (app.pid > 0) WriteRunningFiles(app);
  }
  Status written = WriteFileAt(AT_FDCWD, "etc/machine-id", StrCat(ReplaceAll(plan_.uuid, "-", ""), "\n"), 0644, true);
  if (!written) Complain(written.error().Text());

  while (!IsOver()) {
    FillPolls();
    int ready = Wait();
    if (ready < 0 && ready != -EINTR) return 254;
    MeetDeadlines();
    if (ready > 0) polls_.Dispatch();
    if (plan_.grows) Sweep();
  }
  Finish();
  return stop_requested_ ? code_at_stop_ : exit_code_;
}

}  // namespace rkt::native
