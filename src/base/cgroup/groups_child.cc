// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/groups_child.h"

#include <errno.h>
#include <unistd.h>

namespace rkt::cgroup {

int EnterGroups(const int* tasks, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (::write(tasks[i], "0", 1) != 1) return errno;
  }
  return 0;
}

}  // namespace rkt::cgroup
