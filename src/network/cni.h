// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Networks by CNI plugins (specification 0.1.0 to 1.1.0): chains of programs run in order with each
// other's results, in reverse order to take a pod out. Results are kept in the format of CNI's own
// library, so that its tools see them.

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "network/cni_result.h"
#include "network/config.h"

namespace rkt::network {

struct CniRuntime {
  std::string container_id;
  std::string netns;              // path; empty where it is gone
  std::string interface;          // eth0 ...
  std::string arguments;          // "K=V;K=V"
  json::Value capabilities;       // object: arguments by capability ("portMappings": [...])
  std::vector<std::string> path;  // where plugins find the plugins that they call
  std::string results_dir;
  bool debug = false;
  int interrupt = -1;  // where something is to be read here, the plugin that runs is given up
};

// Whether one of the network's plugins takes the capability.
bool HasCapability(const NetworkConfig& config, std::string_view capability);

// Runs ADD of every plugin. After a failure DEL is run for all of them before the error comes back,
// which names the plugin and has its own words.
Result<CniResult> CniAdd(const NetworkConfig& config, const CniRuntime& runtime);
// Runs DEL of every plugin, last first. A plugin that is gone is passed over; others' failures do
// not keep the rest.
Status CniDel(const NetworkConfig& config, const CniRuntime& runtime);
// Asks every plugin whether the pod's attachment is as it left it. kUnsupported below 0.4.0 or
// where the configuration forbids it.
Status CniCheck(const NetworkConfig& config, const CniRuntime& runtime);
// Tells every plugin which attachments (container id, interface) are valid, so that it can drop all
// others (1.1.0). kUnsupported below.
Status CniGc(const NetworkConfig& config,
             const std::vector<std::pair<std::string, std::string>>& valid,
             const std::vector<std::string>& path);

// The configuration that plugin `index` gets on its standard input.
std::string PluginInput(const NetworkConfig& config, size_t index, const CniRuntime& runtime,
                        const json::Value* previous);

}  // namespace rkt::network
