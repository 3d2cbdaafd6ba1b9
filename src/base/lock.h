// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Lock: flock(2) on a file or directory. The lock belongs to the open file description: it lives as long as one
// descriptor of it is open in any process, so handing it through exec keeps it (KeepThroughExec).

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

class Lock {
 public:
  enum class Kind { kShared, kExclusive };

  // Locks an open file. TryFd gives nothing where somebody holds it; LockFd waits.
  static Result<std::optional<Lock>> TryFd(Fd fd, Kind kind);
  static Result<Lock> LockFd(Fd fd, Kind kind);
  // Opens (and for files creates, 0660) and locks. A file may be removed by who holds its lock exclusively: those who
  // waited for it lock the one that comes after.
  static Result<Lock> File(int dir, const std::string& path, Kind kind);
  static Result<std::optional<Lock>> TryFile(int dir, const std::string& path, Kind kind);
  static Result<Lock> Directory(int dir, const std::string& path, Kind kind);
  static Result<std::optional<Lock>> TryDirectory(int dir, const std::string& path, Kind kind);

  int fd() const { return fd_.get(); }
  // Clears close-on-exec, so that the program this process becomes goes on holding the lock.
  Status KeepThroughExec();
  // Gives the locked descriptor away.
  Fd Take() && { return std::move(fd_); }

 private:
  explicit Lock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace rkt
