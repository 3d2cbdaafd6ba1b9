// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "stage1/native/signals.h"

namespace rkt::native {

namespace {

constexpr size_t kPiece = 16 << 10;
// As devpts has it (grantpt of the C library).
constexpr gid_t kTerminalGroup = 5;
constexpr long kDevptsMagic = 0x1cd1;
constexpr int kDesertedMs = 100;
constexpr int kAnswered[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP};

sigset_t Answered() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kAnswered) sigaddset(&set, signal);
  return set;
}

}  // namespace

uid_t OutsideId(std::string_view map, uid_t inside) {
  for (const std::string& line : Split(map, '\n')) {
    uint64_t numbers[3];  // first inside, first outside, count
    size_t count = 0;
    for (const std::string& word : Split(line, ' ')) {
      if (word.empty()) continue;
      auto number = ParseUint(word);
      if (!number || count == 3) break;
      numbers[count++] = *number;
    }
    if (count == 3 && inside >= numbers[0] && inside - numbers[0] < numbers[2]) {
      return static_cast<uid_t>(numbers[1] + (inside - numbers[0]));
    }
  }
  return ~uid_t{0};
}

bool Session::WantsTerminal() { return ::isatty(0) == 1 && ::isatty(1) == 1; }

Status Session::OpenTerminal(int pod_root, int app_pid) {
  master_ = TRY(OpenInRoot(pod_root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
  struct statfs fs;
  if (::fstatfs(master_.get(), &fs) != 0) return SysErr("dev/pts/ptmx");
  if (fs.f_type != kDevptsMagic) return Err(Code::kCorrupt, "dev/pts of the pod is no devpts");
  int unlocked = 0;
  if (::ioctl(master_.get(), TIOCSPTLCK, &unlocked) != 0) return SysErr("unlocking the terminal");
  slave_ = Fd(::ioctl(master_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave_) return SysErr("opening the terminal");
  caller_.CopyModes(slave_.get());
  CopyWindowSize(0, master_.get());
  uid_map_ = TRY(ReadFile(StrCat("/proc/", app_pid, "/uid_map"), 1 << 16));
  gid_map_ = TRY(ReadFile(StrCat("/proc/", app_pid, "/gid_map"), 1 << 16));
  return {};
}

// Terminals are the caller's alone: a program that stays behind would go on reading what is typed.
Status Session::RelayTerminals(AppChildPlan& plan) {
  relays_.reserve(3);
  for (int fd = 0; fd < 3; ++fd) {
    int& stream = fd == 0 ? plan.stdin_fd : fd == 1 ? plan.stdout_fd : plan.stderr_fd;
    if (stream != fd || ::isatty(fd) != 1) continue;
    Relay& relay = relays_.emplace_back(fd, fd == 0);
    TRY(relay.Open());
    stream = relay.program_end();
  }
  // Of a program that no longer reads.
  if (!relays_.empty()) ::signal(SIGPIPE, SIG_IGN);
  return {};
}

Status Session::Connect(AppChildPlan& plan) {
  plan.stdin_fd = 0;
  plan.stdout_fd = 1;
  plan.stderr_fd = 2;
  if (master_) {
    if (::fchown(slave_.get(), OutsideId(uid_map_, plan.uid), OutsideId(gid_map_, kTerminalGroup)) != 0) {
      return SysErr("giving the terminal to the program");
    }
    plan.stdin_fd = plan.stdout_fd = slave_.get();
    if (::isatty(2) == 1) plan.stderr_fd = slave_.get();
    plan.controlling_terminal = true;
  }
  TRY(RelayTerminals(plan));
  sigset_t set = Answered();
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return SysErr("sigprocmask");
  sigset_t ignored = ResetIgnoredSignals();
  // They stay blocked and nobody takes them: under nohup nothing is handed on.
  for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTSTP}) {
    if (sigismember(&ignored, signal) == 1) sigdelset(&set, signal);
  }
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return SysErr("signalfd");
  return {};
}

bool Session::TakeSignals(int& status) {
  bool ended = false;
  struct signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    auto signal = static_cast<int>(info.ssi_signo);
    switch (signal) {
      case SIGCHLD:
        ended = ended || ::waitpid(pid_, &status, WNOHANG) == pid_;
        break;
      case SIGTSTP:
        // The program inside stops by its own terminal; this is for us alone.
        if (master_) caller_.Restore();
        ::raise(SIGSTOP);
        if (master_) caller_.MakeRaw();
        break;
      case SIGWINCH:
        if (master_) CopyWindowSize(0, master_.get());
        break;
      case SIGCONT:
        if (master_) {
          caller_.MakeRaw();
          CopyWindowSize(0, master_.get());
        } else {
          ::kill(-pid_, SIGCONT);
        }
        break;
      default:
        if (!ended) ::kill(-pid_, signal);
        // Shells at a terminal ignore SIGTERM.
        if (!ended && signal == SIGTERM && master_) ::kill(-pid_, SIGHUP);
        break;
    }
  }
  return ended;
}

void Session::ReadKeyboard() {
  char buffer[4096];
  ssize_t n = ::read(0, buffer, sizeof buffer);
  if (n > 0) {
    typed_.append(buffer, static_cast<size_t>(n));
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    // The caller's terminal is gone.
    keyboard_open_ = false;
    ::kill(-pid_, SIGHUP);
  }
}

void Session::ReadProgram() {
  char buffer[kPiece];
  ssize_t n = ::read(master_.get(), buffer, sizeof buffer);
  if (n > 0) shown_.append(buffer, static_cast<size_t>(n));
  // Nobody in there has the terminal open; somebody may open it again.
  deserted_ = n < 0 && errno == EIO;
}

void Session::Show() {
  ssize_t n = ::write(1, shown_.data(), shown_.size());
  if (n > 0) {
    shown_.erase(0, static_cast<size_t>(n));
  } else if (errno != EINTR && errno != EAGAIN) {
    shown_.clear();
  }
}

// What the program has left in its terminal. Others may go on writing there: a second is enough for the rest.
void Session::ShowRest() {
  slave_.Close();
  for (int round = 0; round < 64; ++round) {
    size_t before = shown_.size();
    ReadProgram();
    if (shown_.size() == before) break;
  }
  while (!shown_.empty()) {
    struct pollfd poll = {1, POLLOUT, 0};
    if (::poll(&poll, 1, 1000) <= 0) break;
    Show();
  }
}

int Session::Attend(pid_t pid) {
  pid_ = pid;
  int status = 0;
  for (Relay& relay : relays_) relay.Start();
  if (master_) {
    caller_.MakeRaw();
    slave_.Close();
  }
  for (bool ended = false; !ended;) {
    struct pollfd polls[7] = {{signals_.get(), POLLIN, 0}, {-1, POLLIN, 0}, {-1, 0, 0}, {-1, POLLOUT, 0},
                              {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
    for (size_t i = 0; i < relays_.size(); ++i) polls[4 + i] = relays_[i].Wanted();
    if (master_) {
      if (keyboard_open_ && typed_.empty()) polls[1].fd = 0;
      polls[2].events = static_cast<short>((shown_.size() < kPiece ? POLLIN : 0) | (typed_.empty() ? 0 : POLLOUT));
      if (polls[2].events != 0 && !deserted_) polls[2].fd = master_.get();
      if (!shown_.empty()) polls[3].fd = 1;
    }
    int ready = ::poll(polls, 7, deserted_ ? kDesertedMs : -1);
    deserted_ = false;
    if (ready <= 0) continue;
    if (polls[1].revents != 0) ReadKeyboard();
    if ((polls[2].revents & POLLOUT) != 0) {
      ssize_t n = ::write(master_.get(), typed_.data(), typed_.size());
      if (n > 0) typed_.erase(0, static_cast<size_t>(n));
    }
    if ((polls[2].revents & (POLLIN | POLLHUP)) != 0) ReadProgram();
    if (polls[3].revents != 0) Show();
    for (size_t i = 0; i < relays_.size(); ++i) {
      if (polls[4 + i].revents != 0) relays_[i].Serve();
    }
    // SIGCHLD waits here also where the program ended before anybody listened.
    if (polls[0].revents != 0) ended = TakeSignals(status);
  }
  for (Relay& relay : relays_) relay.Finish();
  if (master_) {
    ShowRest();
    caller_.Restore();
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace rkt::native
