// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Whether a pod that holds something (an address, a rule, a name) still runs. A pod with networks
// leaves a link RUN/pods/<uuid> -> POD, so that engines with different data directories know of
// each other's pods.

#include <string>

#include "base/result.h"
#include "network/lease.h"
#include "network/paths.h"

namespace rkt::network {

// Records that the pod at `pod_path` holds something.
Status AddHolder(const Paths& paths, const std::string& uuid, const std::string& pod_path);
Status RemoveHolder(const Paths& paths, const std::string& uuid);

// `pod_path` (may be empty) says where pods without a link are looked for: beside that one.
HolderCheck HoldersOf(const Paths& paths, const std::string& pod_path);

// Where the pod's directory is now, though it was moved to another state since; empty where it is
// nowhere.
std::string FindPod(const std::string& pod_path, const std::string& uuid);

}  // namespace rkt::network
