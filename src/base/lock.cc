// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace rkt {

namespace {
int Operation(Lock::Kind kind) { return kind == Lock::Kind::kShared ? LOCK_SH : LOCK_EX; }
Result<Fd> OpenLockFile(int dir, const std::string& path) {
  return OpenAt(dir, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0660);
}
// Whoever removes a lock's file holds the lock: one who waited for it has locked a file that nobody else will find.
bool IsStillAt(int fd, int dir, const std::string& path) {
  struct stat ours, there;
  return ::fstat(fd, &ours) == 0 && ::fstatat(dir, path.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
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
  for (;;) {
    Lock lock = TRY(LockFd(TRY(OpenLockFile(dir, path)), kind));
    if (IsStillAt(lock.fd(), dir, path)) return lock;
  }
}
Result<std::optional<Lock>> Lock::TryFile(int dir, const std::string& path, Kind kind) {
  for (;;) {
    auto lock = TRY(TryFd(TRY(OpenLockFile(dir, path)), kind));
    if (!lock || IsStillAt(lock->fd(), dir, path)) return lock;
  }
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
