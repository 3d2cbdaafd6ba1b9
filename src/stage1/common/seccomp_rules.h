// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// From a policy to the verdict on every system call. For seccomp.cc and for the build tool that
// precomputes the default filter; others use seccomp.h.

#include <linux/filter.h>

#include <vector>

#include "base/result.h"
#include "stage1/common/seccomp.h"

namespace rkt::stage1 {

// CompileSeccomp, the default included.
Result<std::vector<sock_filter>> CompileSeccompUncached(const SeccompPolicy& policy);

}  // namespace rkt::stage1
