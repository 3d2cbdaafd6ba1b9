// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Whether a running pod's networks are still as they were set up: interfaces and addresses, leases, rules, names; for
// networks of plugins what their CHECK says (CNI 0.4.0 and later). Nothing is repaired.

#include <string>
#include <vector>

#include "base/result.h"
#include "network/paths.h"

namespace rkt::network {

struct CheckRequest {
  std::string uuid;
  std::string pod_path;  // POD, absolute
  std::string local_config = "/etc/rkt";
  Paths paths;
  bool debug = false;  // plugins' standard error is shown
};

struct NetworkCheck {
  std::string network;
  std::string interface;
  std::vector<std::string> problems;  // what is wrong, for people
  std::string not_checked;            // why nothing can be said; empty: it was checked
};

// One entry a network, in the order of the interfaces; none for a pod without networks of its own. kNotFound: the pod
// does not run.
Result<std::vector<NetworkCheck>> CheckNetworks(const CheckRequest& request);

}  // namespace rkt::network
