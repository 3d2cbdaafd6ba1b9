// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/lock.h"

#include <fcntl.h>
#include <sys/file.h>

namespace rkt {

namespace {
int Operation(Lock::Kind kind) { return kind == Lock::Kind::kShared ? LOCK_SH : LOCK_EX; }
Result<Fd> OpenLockFile(int dir, const std::string& path) {
  return OpenAt(dir, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0660);
}
Result<Fd> OpenLockDirectory(int dir, const std::string& path) {
  return OpenAt(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}
}  // namespace

Result<std::optional<Lock>> Lock::TryFd(Fd fd, Kind kind) {
  if (::flock(fd.get(), Operation(kind) | LOCK_NB) == 0) {
    return std::optional<Lock>(Lock(std::move(fd)));
  }
  if (errno == EWOULDBLOCK) return std::optional<Lock>();
  return SysErr("flock");
}

Result<Lock> Lock::LockFd(Fd fd, Kind kind) {
  while (::flock(fd.get(), Operation(kind)) != 0) {
    if (errno != EINTR) return SysErr("flock");
  }
  return Lock(std::move(fd));
}

Result<Lock> Lock::File(int dir, const std::string& path, Kind kind) {
  return LockFd(TRY(OpenLockFile(dir, path)), kind);
}
Result<std::optional<Lock>> Lock::TryFile(int dir, const std::string& path, Kind kind) {
  return TryFd(TRY(OpenLockFile(dir, path)), kind);
}
Result<Lock> Lock::Directory(int dir, const std::string& path, Kind kind) {
  return LockFd(TRY(OpenLockDirectory(dir, path)), kind);
}
Result<std::optional<Lock>> Lock::TryDirectory(int dir, const std::string& path, Kind kind) {
  return TryFd(TRY(OpenLockDirectory(dir, path)), kind);
}

Status Lock::KeepThroughExec() {
  if (::fcntl(fd_.get(), F_SETFD, 0) != 0) return SysErr("fcntl");
  return {};
}

}  // namespace rkt
