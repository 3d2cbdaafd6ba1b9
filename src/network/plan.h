// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What PlanNetworks found out, for SetUpNetworks.

#include <vector>

#include "network/applied.h"
#include "network/config.h"
#include "network/pod_network.h"

namespace rkt::network {

struct PlannedNetworks {
  NetworkRequest request;
  NetworkList list;
  ConfigSources sources;
  std::vector<NetworkConfig> networks;  // in the order of their interfaces
  std::vector<PortRule> ports;          // without the pod's address
  // Index of the network that ports lead to (the first that masquerades, else the last);
  // meaningless without ports.
  size_t port_target = 0;
  // That network's plugins publish the ports themselves.
  bool plugin_ports = false;
  Backend backend = Backend::kNftables;
};

// The directories of configurations and plugins for a pod.
ConfigSources SourcesFor(const std::string& local_config, const std::string& pod_path,
                         const Paths& paths);
// CNI_PATH: all directories in which plugins are looked for.
std::vector<std::string> PluginPath(const ConfigSources& sources);
// Whether the network masquerades, whoever does it.
bool Masquerades(const NetworkConfig& config);
// iptables where a configuration asks for it, where nf_tables is missing, where the older iptables
// have tables of theirs, or where the host's own forwarding chain drops what it does not know (an
// accept in a table of ours does not overrule it); nf_tables otherwise.
Result<Backend> ChooseBackend(const std::vector<NetworkConfig>& networks);
// The published ports of all pods, and whether an owner of theirs is gone.
Result<std::vector<OwnedPort>> ListPorts(Backend backend);
bool IsGone(const Paths& paths, const std::string& pod_path, const std::string& owner);

}  // namespace rkt::network
