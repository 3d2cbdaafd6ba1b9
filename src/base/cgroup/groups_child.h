// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Entering v1 groups in the child. No allocation.

#include <cstddef>

namespace rkt::cgroup {

// The calling process, which must have one thread, enters the groups whose `tasks` files these are.
// Moving oneself by `tasks` spares the lock over all forks of the machine, and with it an RCU grace
// period of milliseconds, that moving another process or cgroup.procs takes. 0 or an errno.
int EnterGroups(const int* tasks, size_t count);

}  // namespace rkt::cgroup
