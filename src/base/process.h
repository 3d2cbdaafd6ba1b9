// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Child: a started program. Signals, exit statuses, waiting with a deadline.

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

// How a process ended. `code` is the exit code, or the signal's number where signaled.
struct ExitStatus {
  bool signaled = false;
  int code = 0;
  bool ok() const { return !signaled && code == 0; }
};

struct SpawnOptions {
  std::vector<std::string> argv;                  // argv[0] is what the program sees
  std::string program;                            // what is executed; empty: argv[0]
  std::optional<std::vector<std::string>> env;    // nothing: the caller's
  std::string directory;                          // working directory, empty: the caller's
  // Descriptors of the child: {ours, theirs}. Every other one is closed by close-on-exec.
  std::vector<std::pair<int, int>> fds;
};

// Owns a child process: killed (SIGKILL) and reaped by the destructor unless waited for or detached.
class Child {
 public:
  // Errors of exec itself come back as the Result's error (a close-on-exec pipe), not as exit code 127.
  static Result<Child> Spawn(const SpawnOptions& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  Result<ExitStatus> Wait();
  Status Kill(int signal);
  void Detach();

 private:
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  void Abandon();
  pid_t pid_ = -1;
  Fd pidfd_;
};

// Spawn and wait.
Result<ExitStatus> RunProgram(const SpawnOptions& options);

}  // namespace rkt
