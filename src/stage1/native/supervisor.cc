// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage1/common/capabilities.h"
#include "stage1/common/program_lookup.h"
#include "stage1/native/memory.h"
#include "stage1/native/pod_init.h"
#include "stage1/native/running_app.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

// As systemd reports that a program could not be executed.
constexpr int kExecFailed = 203;

int64_t NowMs() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM, SIGWINCH}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Supervisor::Supervisor(PodPlan& plan, SupervisorFiles files, int stop_timeout_seconds)
    : plan_(plan), files_(std::move(files)), stop_timeout_seconds_(stop_timeout_seconds) {
  for (size_t i = 0; i < plan.apps.size(); ++i) {
    apps_.emplace_back(plan.apps[i]);
    apps_.back().index = i;
  }
}

void Supervisor::Complain(const std::string& text) { stderr_.Add(StrCat("stage1: ", text, "\n")); }

Status Supervisor::OpenTerminal(AppState& app) {
  master_ = TRY(Open("dev/pts/ptmx", O_RDWR | O_NOCTTY));
  int unlocked = 0;
  if (::ioctl(master_.get(), TIOCSPTLCK, &unlocked) != 0) return SysErr("unlocking the terminal");
  int peer = ::ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (peer < 0) return SysErr("opening the terminal");
  slave_ = Fd(peer);
  const stage1::Identity& identity = app.plan->main.identity;
  if (::fchown(slave_.get(), identity.uid, 5) != 0) return SysErr("giving the terminal to the app");
  int number = 0;
  if (::ioctl(master_.get(), TIOCGPTN, &number) != 0) return SysErr("the terminal's number");
  Fd console = TRY(Open("dev/console", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  Fd mount = TRY(CloneMount(AT_FDCWD, StrCat("dev/pts/", number), false));
  TRY(AttachMount(mount.get(), console.get()));
  CopyWindowSize(0, master_.get());
  terminal_.MakeRaw();
  keyboard_open_ = true;
  if (::fcntl(master_.get(), F_SETFL, O_NONBLOCK) != 0) return SysErr("fcntl");
  return {};
}

Status Supervisor::PrepareStreams() {
  for (AppState& app : apps_) {
    // On a terminal of its own the app's output goes out as it is; the log gets its lines all the same.
    bool raw = plan_.interactive;
    int log = app.index < files_.logs.size() ? files_.logs[app.index].get() : -1;
    app.sinks.emplace_back(app.plan->name, "stdout", log, raw ? nullptr : &stdout_);
    app.sinks.emplace_back(app.plan->name, "stderr", log, raw ? nullptr : &stderr_);
    for (LineSink& sink : app.sinks) sink.set_targets(&files_.log_targets);
    if (plan_.interactive && terminal_.is_terminal()) {
      TRY(OpenTerminal(app));
      continue;
    }
    const stage1::Identity& identity = app.plan->main.identity;
    for (auto [read_end, write_end] : {std::pair(&app.out, &app.out_write), std::pair(&app.err, &app.err_write)}) {
      std::tie(*read_end, *write_end) = TRY(MakePipe());
      if (::fcntl(read_end->get(), F_SETFL, O_NONBLOCK) != 0) return SysErr("fcntl");
      // So that the app may open /dev/stdout again by its name.
      if (identity.uid != 0 && ::fchown(write_end->get(), identity.uid, identity.gid) != 0) return SysErr("chown");
    }
  }
  return {};
}

const ProgramPlan* Supervisor::NextProgram(AppState& app) {
  if (app.phase == Phase::kPreStart) {
    if (!app.failed && app.program < app.plan->pre_start.size()) return &app.plan->pre_start[app.program];
    app.phase = Phase::kMain;
    app.program = 0;
  }
  if (app.phase == Phase::kMain) {
    if (!app.failed && !stopping_ && app.program == 0) return &app.plan->main;
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
    Complain(StrCat("app ", Quote(app.plan->name), ": ", started.error().Text()));
    app.failed = true;
    if (app.status == 0) app.status = 1;
  }
  // Done: the status is what the main program left, or what kept it from starting.
  // Readers take an empty file for none.
  std::string path = pod::AppStatusFile(app.plan->name);
  Status written = WriteFileAt(AT_FDCWD, path, StrCat(app.status, "\n"), 0644, true);
  if (!written) Complain(written.error().Text());
  if (!AllDone()) (void)UnlinkAt(AT_FDCWD, RunningAppFile(app.plan->name));
  if (app.status != 0 && exit_code_ == 0) exit_code_ = app.status;
  if (app.status != 0 && !stopping_) BeginStop(SIGTERM);
}

Status Supervisor::Start(AppState& app, const ProgramPlan& program) {
  ChildStorage storage;
  AppChildPlan child = MakeChildPlan(*app.plan, program, storage);
  if (slave_) {
    child.stdin_fd = child.stdout_fd = child.stderr_fd = slave_.get();
    child.controlling_terminal = true;
  } else {
    child.stdin_fd = plan_.interactive ? 0 : -1;
    child.stdout_fd = app.out_write.get();
    child.stderr_fd = app.err_write.get();
  }
  child.clone_flags = CLONE_NEWNS;
  std::vector<int> tasks;
  if (files_.groups != nullptr && app.index < files_.groups->apps.size()) {
    const cgroup::PodGroups::App& group = files_.groups->apps[app.index];
    for (const Fd& fd : group.v1_tasks) tasks.push_back(fd.get());
    child.cgroup_fd = group.v2.get();
  }
  if (!tasks.empty() || child.cgroup_fd >= 0) {
    child.own_cgroup_namespace = true;
  } else if (files_.groups != nullptr && files_.groups->supervisor) {
    child.clone_flags |= CLONE_NEWCGROUP;
  }
  child.cgroup_tasks = tasks.data();
  child.cgroup_count = tasks.size();
  AppFailure failure;
  app.pid = StartApp(child, &failure);
  if (app.pid < 0) return SysErr("clone");
  for (LineSink& sink : app.sinks) sink.set_pid(app.pid);
  if (failure.step == AppStep::kNone) {
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
    std::string why = root ? stage1::ExplainExecFailure(MountedFiles(root->get(), *app.plan), program.program,
                                                       failure.err)
                           : StrCat(program.program, ": ", ErrnoText(failure.err));
    app.sinks[1].Take(StrCat("Error: ", why, "\n"));
    if (plan_.interactive) stderr_.Add(StrCat("Error: ", why, slave_ ? "\r\n" : "\n"));
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
  Complain(StrCat("app ", Quote(app.plan->name), ": ", what, ": ", ErrnoText(failure.err)));
  app.status = 1;
}

// What is wanted of a running app from outside; written while it runs already.
void Supervisor::WriteRunningFiles(const AppState& app) {
  auto write = [&](const std::string& path, const std::string& text) {
    Status written = WriteFileAt(AT_FDCWD, path, text, 0644, true);
    if (!written) Complain(written.error().Text());
  };
  write(RunningAppFile(app.plan->name), RunningText(app.pid, app.plan->main.identity));
  AnnounceReady();
}

void Supervisor::AnnounceReady() {
  if (ready_) return;
  for (const AppState& app : apps_) {
    if (!app.executed) return;
  }
  ready_ = true;
  if (::symlink(plan_.awaits_apps ? "started" : "ready", pod::kSupervisorStatus) != 0) {
    Complain(SysErr("announcing readiness").message());
  }
}

// Reads what there is. `all`: until the pipe is empty, at the end of a program; otherwise one piece, so that no app
// keeps the others waiting.
void Supervisor::ReadStream(AppState& app, int which, bool all) {
  Fd& fd = which == 0 ? app.out : app.err;
  Console& console = which == 0 ? stdout_ : stderr_;
  char buffer[32 << 10];
  // A pipe holds 64 KiB, at most 1 MiB; whoever goes on writing meanwhile is read by the loop.
  for (int round = 0; fd && round < 64; ++round) {
    ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n <= 0) return;
    std::string_view text(buffer, static_cast<size_t>(n));
    app.sinks[static_cast<size_t>(which)].Take(text);
    if (plan_.interactive) console.Add(text);
    if (!all) return;
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
    apps_[0].sinks[0].Take(ReplaceAll(text, "\r\n", "\n"));
    if (stdout_.full()) return;
  }
}

void Supervisor::ReadKeyboard() {
  char buffer[4096];
  ssize_t n = ::read(0, buffer, sizeof buffer);
  if (n <= 0) {
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    keyboard_open_ = false;
    return;
  }
  std::string_view text(buffer, static_cast<size_t>(n));
  if (escape_.Feed(text, NowMs())) {
    exit_code_ = 1;
    stopping_ = true;
    KillAll();
    return;
  }
  typed_ += text;
}

void Supervisor::BeginStop(int signal_number) {
  stopping_ = true;
  kill_at_ms_ = NowMs() + stop_timeout_seconds_ * int64_t{1000};
  bool own_signals = std::any_of(apps_.begin(), apps_.end(),
                                 [](const AppState& app) { return app.plan->stop_signal != SIGTERM; });
  if (!own_signals) {
    // Every process of the pod but this one.
    ::kill(-1, signal_number);
    // Shells at a terminal ignore SIGTERM.
    if (slave_) ::kill(-1, SIGHUP);
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

void Supervisor::HandleSignals() {
  struct signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    switch (info.ssi_signo) {
      case SIGTERM:
        // Only from outside of the pod: senders in here have a pid of this namespace.
        if (info.ssi_pid != 0) break;
        if (!stop_requested_) {
          stop_requested_ = true;
          code_at_stop_ = exit_code_;
          BeginStop(SIGTERM);
        } else {
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
  ReadStream(app, 0, true);
  ReadStream(app, 1, true);
  if (slave_) ReadTerminal();
  for (LineSink& sink : app.sinks) sink.Finish();
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

// Ends what the apps have left running, so that nothing they print is lost, and writes everything out.
void Supervisor::Finish() {
  if (!alone_) {
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
    }
  }
  for (AppState& app : apps_) {
    ReadStream(app, 0, true);
    ReadStream(app, 1, true);
    for (LineSink& sink : app.sinks) sink.Finish();
  }
  if (master_) {
    slave_.Close();
    ReadTerminal();
  }
  int patience = stop_requested_ || killed_ ? 1000 : -1;
  stdout_.Drain(patience);
  stderr_.Drain(patience);
  terminal_.Restore();
}

// The number of descriptors that are ready, 0 at the deadline of a stop, or the negative errno.
int Supervisor::Wait(std::vector<struct pollfd>& polls) {
  int deadline = -1;
  if (stopping_ && !killed_) {
    deadline = static_cast<int>(std::min<int64_t>(std::max<int64_t>(0, kill_at_ms_ - NowMs()), INT_MAX));
  }
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
  if (Status status = PrepareStreams(); !status) {
    Complain(status.error().Text());
    Finish();
    return 254;
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
  if (!left) {
    Complain(left.error().Text());
    killed_ = true;
    Finish();
    return 254;
  }
  all_started_ = true;
  for (const AppState& app : apps_) {
    if (app.pid > 0) WriteRunningFiles(app);
  }
  Status written = WriteFileAt(AT_FDCWD, "etc/machine-id", StrCat(ReplaceAll(plan_.uuid, "-", ""), "\n"), 0644, true);
  if (!written) Complain(written.error().Text());

  std::vector<struct pollfd> polls;
  std::vector<std::pair<AppState*, int>> sources;  // which stream: 0 or 1
  while (!AllDone()) {
    polls.clear();
    sources.clear();
    polls.push_back({signals_.get(), POLLIN, 0});
    polls.push_back({files_.outside_pidfd, POLLIN, 0});
    polls.push_back({stdout_.wants_write() ? 1 : -1, POLLOUT, 0});
    polls.push_back({stderr_.wants_write() ? 2 : -1, POLLOUT, 0});
    polls.push_back({slave_ && keyboard_open_ && typed_.size() < 4096 ? 0 : -1, POLLIN, 0});
    short master_events = static_cast<short>((stdout_.full() ? 0 : POLLIN) | (typed_.empty() ? 0 : POLLOUT));
    polls.push_back({slave_ ? master_.get() : -1, master_events, 0});
    constexpr size_t kFixed = 6;
    for (AppState& app : apps_) {
      if (app.out && !stdout_.full()) {
        polls.push_back({app.out.get(), POLLIN, 0});
        sources.emplace_back(&app, 0);
      }
      if (app.err && !stderr_.full()) {
        polls.push_back({app.err.get(), POLLIN, 0});
        sources.emplace_back(&app, 1);
      }
    }
    int ready = Wait(polls);
    if (ready < 0 && ready != -EINTR) return 254;
    if (stopping_ && !killed_ && NowMs() >= kill_at_ms_) KillAll();
    if (ready <= 0) continue;
    if (polls[1].revents != 0) ::_exit(254);  // rkt is gone; the kernel ends everybody in here with us
    if (polls[2].revents != 0) stdout_.Flush();
    if (polls[3].revents != 0) stderr_.Flush();
    if (polls[4].revents != 0) ReadKeyboard();
    if (polls[5].revents != 0) {
      if (!typed_.empty()) {
        ssize_t n = ::write(master_.get(), typed_.data(), typed_.size());
        if (n > 0) typed_.erase(0, static_cast<size_t>(n));
      }
      ReadTerminal();
    }
    for (size_t i = 0; i < sources.size(); ++i) {
      if (polls[kFixed + i].revents == 0) continue;
      auto [app, which] = sources[i];
      ReadStream(*app, which, false);
    }
    if (polls[0].revents != 0) HandleSignals();
  }
  Finish();
  return stop_requested_ ? code_at_stop_ : exit_code_;
}

}  // namespace rkt::native
