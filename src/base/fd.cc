// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/fd.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace rkt {

void Fd::Close() {
  if (fd_ < 0) return;
  int saved = errno;
  // EBADF means that somebody closed what we own: another file may be hit next time, so stop here.
  if (::close(std::exchange(fd_, -1)) != 0 && errno == EBADF) ::abort();
  errno = saved;
}

Result<Fd> OpenAt(int dir, const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return SysErr("open ", path);
  return Fd(fd);
}

Result<Fd> OpenInRoot(int root, const std::string& path, int flags, mode_t mode, uint64_t more_resolve) {
  struct open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | more_resolve;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd < 0) return SysErr("open ", path);
  return Fd(static_cast<int>(fd));
}

Result<Fd> DupFd(int fd) {
  int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return SysErr("dup");
  return Fd(copy);
}

Result<std::pair<Fd, Fd>> MakePipe(int flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | flags) != 0) return SysErr("pipe");
  return std::pair<Fd, Fd>(Fd(ends[0]), Fd(ends[1]));
}

}  // namespace rkt
