// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Installing a filter in the child, last before execve. No allocation.

#include <linux/filter.h>

#include <cstddef>

namespace rkt::stage1 {

// prctl(PR_SET_NO_NEW_PRIVS). 0 or an errno.
int SetNoNewPrivileges();

// Installs the program for this process and its children; count 0 does nothing. 0 or an errno.
// Needs CAP_SYS_ADMIN in the effective set or no-new-privileges. So: after ApplyCapabilities (which
// leaves the effective set of root to execve) and after ApplyIdentity, and for users other than
// root after SetNoNewPrivileges.
int InstallSeccomp(const sock_filter* program, size_t count);

}  // namespace rkt::stage1
