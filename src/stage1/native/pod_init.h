// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod's first process, from the clone to the first app: namespaces are new and still hold what the host had; this
// makes them the pod's own.

#include "base/result.h"
#include "stage1/native/options.h"
#include "stage1/native/plan.h"
#include "stage1/native/pod_mounts.h"

namespace rkt::native {

// Runs in pid 1 of the pod, whose working directory is POD: hostname, volumes, /dev. Afterwards the working directory
// is stage1's root (S1).
Status BuildPodRoot(const PodPlan& plan, const RunOptions& options);
// The same for a pod with users of its own, of what was mounted outside.
Status BuildMappedPodRoot(const PodPlan& plan, const RunOptions& options, const PodMounts& mounts);

// Waits for the maps of this new user namespace, and becomes its root. The process outside closes the other end where
// it fails: then this one ends.
Status BecomePodRoot(int word);

// Makes S1 the root directory and detaches everything of the host. Paths relative to the working directory mean the
// same before and after, so that the apps, whose own roots are made from S1, need not wait for it.
Status LeaveHost();

}  // namespace rkt::native
