// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp_child.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rkt::stage1 {

int SetNoNewPrivileges() { return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno; }

int InstallSeccomp(const sock_filter* program, size_t count) {
  if (count == 0) return 0;
  if (count > BPF_MAXINSNS) return E2BIG;
  sock_fprog filter = {static_cast<unsigned short>(count), const_cast<sock_filter*>(program)};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ? 0 : errno;
}

}  // namespace rkt::stage1
