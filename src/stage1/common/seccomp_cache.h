// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Compiled filters of policies that are not the default one, kept in the data directory (base/file_cache.h) from one
// start to the next. A program is found again by the policy, the machine's architecture and the code that compiled it.

#include <linux/filter.h>

#include <vector>

#include "base/result.h"
#include "stage1/common/seccomp.h"

namespace rkt::stage1 {

// CompileSeccomp, or what an earlier call for the same policy gave. `pod_dir` is a descriptor of the pod's directory.
Result<std::vector<sock_filter>> CompileSeccompOnce(const SeccompPolicy& policy, int pod_dir);

}  // namespace rkt::stage1
