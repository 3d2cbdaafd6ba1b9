// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod's first process, from the clone to the first app: namespaces are new and still hold what the host had; this
// makes them the pod's own. Afterwards "/" is stage1's root (S1) and nothing of the host is mounted any more.

#include "base/result.h"
#include "stage1/native/options.h"
#include "stage1/native/plan.h"

namespace rkt::native {

// Runs in pid 1 of the pod, whose working directory is POD: hostname, loopback, volumes, /dev, root directory.
Status EnterPodRoot(const PodPlan& plan, const RunOptions& options);

}  // namespace rkt::native
