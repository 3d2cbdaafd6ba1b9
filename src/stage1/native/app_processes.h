// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The processes of one app among those of the pod: all that are in the app's mount namespace, which they cannot leave
// without CAP_SYS_ADMIN. For pid 1 of a pod with a procfs of its own at "proc" of its working directory.

#include <sys/types.h>

namespace rkt::native {

// The mount namespace of a process, as a number; 0 where it has ended.
ino_t MountNamespaceOf(pid_t pid);

// Signals every process in it; gives how many there were.
int SignalNamespace(ino_t mount_namespace, int signal);

// SIGKILL, again until none is left, for two seconds at most (who waits for a disk does not die before it answers).
void KillNamespace(ino_t mount_namespace);

}  // namespace rkt::native
