// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Fd: an owned file descriptor, and the ways to open one that every room uses. Always close-on-exec.

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"

namespace rkt {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = other.Release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor away.
  int Release() { return std::exchange(fd_, -1); }
  // Closes now; errors are not reported (see WriteFileAtomic for data that must arrive). Keeps errno.
  void Close();

 private:
  int fd_ = -1;
};

// openat(2) with O_CLOEXEC added. dir AT_FDCWD for plain paths. Errors: "open PATH: ...".
Result<Fd> OpenAt(int dir, const std::string& path, int flags, mode_t mode = 0);
inline Result<Fd> Open(const std::string& path, int flags, mode_t mode = 0) {
  return OpenAt(AT_FDCWD, path, flags, mode);
}
// openat2(2): resolution stays beneath `root` as if it were the root directory (absolute links and ".." are
// resolved inside it), magic links are refused (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, Linux 5.6).
Result<Fd> OpenInRoot(int root, const std::string& path, int flags, mode_t mode = 0,
                      uint64_t more_resolve = 0);
Result<Fd> DupFd(int fd);
// A pipe, both ends close-on-exec: {read, write}.
Result<std::pair<Fd, Fd>> MakePipe(int flags = 0);

}  // namespace rkt
