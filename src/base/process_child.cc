// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace rkt::internal {

namespace {
constexpr int kMaxFds = 64;
[[noreturn]] void Fail(int fd, SpawnStep step) {
  SpawnFailure failure = {step, errno};
  // A short write cannot happen below PIPE_BUF; the parent then sees a plain exit 127.
  if (::write(fd, &failure, sizeof failure) < 0) ::_exit(126);
  ::_exit(127);
}
}  // namespace

void SpawnChild(const SpawnPlan& plan) {
  // First out of the way of the targets, then onto them. Not higher than need be: the limit of open files may be low.
  int behind = 3;
  for (int i = 0; i < plan.fd_count; ++i) {
    if (plan.to[i] >= behind) behind = plan.to[i] + 1;
  }
  int failure_fd = ::fcntl(plan.failure_fd, F_DUPFD_CLOEXEC, behind);
  if (failure_fd < 0) Fail(plan.failure_fd, SpawnStep::kFds);
  int high[kMaxFds];
  if (plan.fd_count > kMaxFds) {
    errno = E2BIG;
    Fail(failure_fd, SpawnStep::kFds);
  }
  for (int i = 0; i < plan.fd_count; ++i) {
    high[i] = ::fcntl(plan.from[i], F_DUPFD_CLOEXEC, behind);
    if (high[i] < 0) Fail(failure_fd, SpawnStep::kFds);
  }
  for (int i = 0; i < plan.fd_count; ++i) {
    if (::dup2(high[i], plan.to[i]) < 0) Fail(failure_fd, SpawnStep::kFds);
  }
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) Fail(failure_fd, SpawnStep::kDirectory);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.argv, plan.env);
  Fail(failure_fd, SpawnStep::kExec);
}

}  // namespace rkt::internal
