// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Taking back what SetUpNetworks did, from the record in POD/net; see TearDownNetworks.

#include <string>

#include "base/result.h"
#include "network/config.h"
#include "network/paths.h"

namespace rkt::network {

struct TakeDownRequest {
  std::string uuid;
  std::string pod_path;
  std::string netns_path;  // empty where the namespace is gone
  ConfigSources sources;
  Paths paths;
  bool debug = false;
  bool by_owner = false;  // TearDownRequest
};
Status TakeDown(const TakeDownRequest& request);

}  // namespace rkt::network
