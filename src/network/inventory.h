// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The networks of this host and who is in them, for `rkt network list`, `inspect` and `prune`.
// Nothing here prints.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "network/address.h"
#include "network/paths.h"
#include "network/ruleset.h"

namespace rkt::network {

struct InventoryRequest {
  std::string local_config = "/etc/rkt";
  std::string data_dir = "/var/lib/rkt";
  Paths paths;
};

struct NetworkSummary {
  std::string name;
  std::string path;                // of the configuration; empty: compiled in
  std::vector<std::string> types;  // of the plugins, in order
  bool built_in_type = false;      // the engine does it
  bool masquerades = false;
  std::vector<Prefix> subnets;  // of built-in types
  int pods = 0;                 // that run
  std::string problem;          // why it cannot be used; empty: it can
};

struct AttachedPod {
  std::string uuid;
  std::string interface;
  std::vector<Address>
      addresses;  // of built-in types, and where ports lead to; others' are in net-info.json
  bool running = false;
};

struct NetworkDetails {
  NetworkSummary summary;
  std::string config;  // the file's text
  std::vector<AttachedPod> pods;
  std::vector<OwnedPort> ports;  // published ports of pods in it
};

// Sorted as their interfaces would be numbered. A configuration that cannot be read is an error,
// one that cannot be used (a missing plugin) a `problem`.
Result<std::vector<NetworkSummary>> ListNetworks(const InventoryRequest& request);
// kNotFound: there is no such network.
Result<NetworkDetails> InspectNetwork(const InventoryRequest& request, const std::string& name);

// The published ports of pods that run, and of those that ended without giving theirs back; not those that plugins published.
std::vector<OwnedPort> ListPortsOfPods(const InventoryRequest& request);

// What was taken back, by name: "lease 172.16.28.7 of default", "rules of pod UUID", "bridge cni0"
// ...
struct PruneReport {
  std::vector<std::string> removed;
  std::vector<Error> problems;  // went on without
};
// Takes back what pods left that are gone (crashed, or from before the machine's last boot),
// bridges of ours without ports, rules of networks that nobody uses, and tells plugins of
// version 1.1.0 which attachments are valid. Whatever belongs to a running pod or to others stays.
Result<PruneReport> PruneNetworks(const InventoryRequest& request);

}  // namespace rkt::network
