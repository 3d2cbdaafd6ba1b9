// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Kernel parameters that a pod's namespaces have of their own.

#include "base/result.h"
#include "stage1/native/plan.h"

namespace rkt::native {

// Whether a pid namespace bounds its tasks by a kernel.pid_max of its own (kernel 6.14). Before that the parameter is
// the whole machine's.
bool HasOwnPidMax();

// kInvalid: a parameter of a namespace that the pod shares with the host. After the networks are planned.
Status CheckSysctls(const PodPlan& plan);

// By pid 1 of the pod, in its namespaces and while it still sees the host's /proc: the bound on its tasks, and what the
// pod's isolator names. The interfaces are there by then.
Status SetKernelParameters(const PodPlan& plan);

}  // namespace rkt::native
