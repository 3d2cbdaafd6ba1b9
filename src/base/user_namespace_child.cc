// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/user_namespace_child.h"

#include <errno.h>
#include <unistd.h>

namespace rkt::internal {

void HoldNamespace(int read_end, int write_end) {
  ::close(write_end);
  char byte;
  while (::read(read_end, &byte, 1) < 0 && errno == EINTR) {
  }
  ::_exit(0);
}

}  // namespace rkt::internal
