// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/strings.h"
#include "pod/paths.h"

namespace rkt::native {

namespace {

// The program, with nothing of ours open but what is given. -1 where it could not be started.
pid_t StartProgram(const std::string& program, std::vector<std::string> arguments, int in = -1, int out = -1) {
  auto null = Open("/dev/null", O_RDWR);
  if (!null) return -1;
  SpawnOptions spawn;
  spawn.program = program;
  spawn.argv = std::move(arguments);
  spawn.argv.insert(spawn.argv.begin(), "systemd");
  spawn.directory = "/";
  spawn.fds = {{in < 0 ? null->get() : in, 0}, {out < 0 ? null->get() : out, 1}, {2, 2}};
  auto child = Child::Spawn(spawn);
  if (!child) return -1;
  pid_t pid = child->pid();
  child->Detach();
  return pid;
}

// Whether the pod may be on machined's list, by the end of the program that was to put it there: unless it says that it
// failed. Who was killed, or got no answer in time, may have been heard all the same.
bool MayBeRegistered(int wait_status) {
  constexpr int kNoAnswer = 3;
  return !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) == 0 || WEXITSTATUS(wait_status) == kNoAnswer;
}

}  // namespace

Machine Machine::FromEnvironment(const std::string& uuid) {
  Machine machine;
  const char* program = ::getenv("RKT_MACHINED");
  if (program == nullptr) return machine;
  machine.program_ = program;
  machine.uuid_ = uuid;
  ::unsetenv("RKT_MACHINED");
  // Who is started from here must not hold the pod's lock: it would run for longer than the pod
  // does.
  const char* lock = ::getenv("RKT_LOCK_FD");
  auto fd = lock != nullptr ? ParseInt(lock) : std::nullopt;
  if (fd && *fd > 2) ::fcntl(static_cast<int>(*fd), F_SETFD, FD_CLOEXEC);
  return machine;
}

bool Machine::OpenScope() {
  constexpr int kTimeoutMs = 15000;
  auto hold = MakePipe(), answer = MakePipe();
  if (!hold || !answer) return false;
  holder_pid_ = StartProgram(program_, {"scope", uuid_, StrCat(::getpid())}, hold->first.get(), answer->second.get());
  holder_ = std::move(hold->second);
  answer->second.Close();
  struct pollfd poll = {answer->first.get(), POLLIN, 0};
  char byte;
  int ready;
  do {
    ready = holder_pid_ > 0 ? ::poll(&poll, 1, kTimeoutMs) : 0;
  } while (ready < 0 && errno == EINTR);
  in_scope_ = ready == 1 && ::read(answer->first.get(), &byte, 1) == 1;
  if (!in_scope_) {
    CloseHolder();
    program_.clear();
  }
  return in_scope_;
}

void Machine::CloseHolder() {
  holder_.Close();
  while (holder_pid_ > 0 && ::waitpid(holder_pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  holder_pid_ = -1;
}

void Machine::Register(pid_t pod, const std::string& pod_path) {
  if (program_.empty()) return;
  std::vector<std::string> arguments = {"register", uuid_, StrCat(pod), StrCat(::getpid()),
                                        StrCat(pod_path, "/", pod::kStage1Rootfs)};
  // The pod is in the scope itself by now.
  if (in_scope_) arguments.emplace_back("in-scope");
  CloseHolder();
  registering_ = StartProgram(program_, std::move(arguments));
  registered_ = registering_ > 0;
}

void Machine::Reap() {
  int status = 0;
  if (registering_ <= 0 || ::waitpid(registering_, &status, WNOHANG) == 0) return;
  registering_ = -1;
  registered_ = MayBeRegistered(status);
}

// Whether the pod may be registered; waits for the end of the registration.
bool Machine::EndRegistration() {
  int status = 0;
  // It has a time limit of its own.
  while (registering_ > 0 && ::waitpid(registering_, &status, 0) < 0 && errno == EINTR) {
  }
  if (registering_ > 0) registered_ = MayBeRegistered(status);
  registering_ = -1;
  return registered_;
}

void Machine::AwaitScope(const std::string& subcgroup) {
  if (!EndRegistration()) return;
  std::string group = StrCat("/sys/fs/cgroup/", subcgroup);
  constexpr int kPauseUs = 1000;
  for (int waited = 0; waited < 2000000 && Exists(group); waited += kPauseUs) ::usleep(kPauseUs);
}

void Machine::Unregister() {
  if (!EndRegistration()) return;
  pid_t pid = StartProgram(program_, {"unregister", uuid_});
  while (pid > 0 && ::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace rkt::native
