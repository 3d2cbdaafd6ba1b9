// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/process.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process_child.h"

namespace rkt {

namespace {
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}
}  // namespace

Result<Child> Child::Spawn(const SpawnOptions& options) {
  const std::string& program = options.program.empty() ? options.argv.at(0) : options.program;
  auto argv = Pointers(options.argv);
  std::vector<char*> env;
  if (options.env) env = Pointers(*options.env);
  auto [failure_read, failure_write] = TRY(MakePipe());
  std::vector<int> from, to;
  for (auto [ours, theirs] : options.fds) {
    from.push_back(ours);
    to.push_back(theirs);
  }
  internal::SpawnPlan plan = {};
  plan.program = program.c_str();
  plan.argv = argv.data();
  plan.env = options.env ? env.data() : environ;
  plan.directory = options.directory.empty() ? nullptr : options.directory.c_str();
  plan.from = from.data();
  plan.to = to.data();
  plan.fd_count = static_cast<int>(from.size());
  plan.failure_fd = failure_write.get();

  // Whoever started us may ignore it (execve keeps that): then the kernel keeps no exit status for anybody to wait for.
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t all, old;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &old);
  pid_t pid = ::fork();
  if (pid == 0) internal::SpawnChild(plan);
  int fork_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (pid < 0) return ErrnoError(fork_errno, "fork");
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Child child(pid, std::move(pidfd));
  failure_write.Close();
  internal::SpawnFailure failure;
  ssize_t n;
  do {
    n = ::read(failure_read.get(), &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof failure)) {
    (void)child.Wait();
    return ErrnoError(failure.err, StrCat(failure.step == internal::SpawnStep::kExec ? "exec " : "start ",
                                          program));
  }
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    Abandon();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
  }
  return *this;
}
Child::~Child() { Abandon(); }

void Child::Abandon() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  (void)Wait();
}

void Child::Detach() { pid_ = -1; }

Result<ExitStatus> Child::Wait() {
  int status;
  pid_t pid;
  do {
    pid = ::waitpid(pid_, &status, 0);
  } while (pid < 0 && errno == EINTR);
  if (pid < 0) return SysErr("wait");
  pid_ = -1;
  ExitStatus exit;
  exit.signaled = WIFSIGNALED(status);
  exit.code = exit.signaled ? WTERMSIG(status) : WEXITSTATUS(status);
  return exit;
}

Status Child::Kill(int signal) {
  if (pid_ > 0 && ::kill(pid_, signal) != 0) return SysErr("kill");
  return {};
}

Result<ExitStatus> RunProgram(const SpawnOptions& options) {
  Child child = TRY(Child::Spawn(options));
  return child.Wait();
}

}  // namespace rkt
