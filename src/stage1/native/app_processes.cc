// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/app_processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

namespace rkt::native {

ino_t MountNamespaceOf(pid_t pid) {
  struct stat st;
  return ::stat(StrCat("proc/", pid, "/ns/mnt").c_str(), &st) == 0 ? st.st_ino : 0;
}

int SignalNamespace(ino_t mount_namespace, int signal) {
  auto entries = ListDirAt(AT_FDCWD, "proc");
  if (!entries || mount_namespace == 0) return 0;
  int count = 0;
  for (const DirEntry& entry : *entries) {
    auto pid = ParseInt(entry.name);
    if (!pid || *pid <= 1) continue;
    // Held first, so that the number stays the one of the process that is looked at.
    Fd process(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(*pid), 0)));
    if (!process || MountNamespaceOf(static_cast<pid_t>(*pid)) != mount_namespace) continue;
    ++count;
    ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
  }
  return count;
}

void KillNamespace(ino_t mount_namespace) {
  // Each round meets only what was started while the one before it looked, and what has not had the time to die.
  constexpr struct timespec kPause = {0, 1000000};
  for (int round = 0; round < 2000 && SignalNamespace(mount_namespace, SIGKILL) > 0; ++round) {
    ::nanosleep(&kPause, nullptr);
  }
}

}  // namespace rkt::native
