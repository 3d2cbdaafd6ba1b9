// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a pod with users of its own cannot mount itself, since its root is nobody on the host: the process outside makes
// these mounts, detached and mapped to the pod's users, and pid 1 of the pod puts them in their places.

#include <vector>

#include "base/fd.h"
#include "base/mount.h"
#include "base/result.h"
#include "stage1/native/options.h"
#include "stage1/native/plan.h"

namespace rkt::native {

// The parameters of a mount of the pod's own, with the label that all files in it have.
MountParameters Labelled(MountParameters parameters, const RunOptions& options);

// Files and directories in the memory of a pod (its /dev).
inline constexpr char kMostSharedFiles[] = "262144";

struct PodMounts {
  Fd root;                  // S1 with the apps' roots upon it
  Fd dev;                   // the pod's /dev: a tmpfs with the device nodes
  Fd sys;                   // the host's /sys, for pods in the host's network: no other can be mounted there
  Fd resolv_conf, hosts;    // the host's, where they are asked for; not mapped: the pod's root is not to write there
  std::vector<Fd> volumes;  // as in the plan
};

// Outside, with POD as the working directory. Says on standard error which volumes cannot be mapped: what is in those
// belongs to nobody in the pod.
Result<PodMounts> MakePodMounts(const PodPlan& plan, const RunOptions& options);

// One volume, detached and mapped to the pod's users, whose namespace this is.
Result<Fd> MapVolume(const VolumePlan& volume, int user_namespace, const IdRange& users);

// A directory of POD in which pid 1 of a pod with these users may make files and take them away: mapped to them, or
// given to them where that cannot be.
Result<Fd> OpenForPod(int directory, const IdRange& users);

// Device nodes in a /dev to be: null, zero and their like. In a mount that belongs to others, they do too.
Status MakeDeviceNodes(int dev, bool tun, uint32_t owner);

// Makes the apps of a pod in the host's network see the host's /sys.
void BindHostSys(PodPlan& plan);

}  // namespace rkt::native
