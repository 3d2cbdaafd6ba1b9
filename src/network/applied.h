// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What was done (or is about to be done) for a pod, as POD/net/applied keeps it for whoever takes
// it back, maybe long after the process that did it.

#include <string>
#include <vector>

#include "base/result.h"
#include "network/ruleset.h"

namespace rkt::network {

enum class Backend { kNftables, kIptables };

struct AppliedNetwork {
  std::string name;
  std::string file;       // its copy is POD/net/FILE
  std::string interface;  // eth0 ...
  bool engine = true;     // false: plugins did it
  std::string arguments;  // CNI_ARGS
  std::string lease_dir;  // engine: root of the leases
  NetworkRules rules;
  std::vector<std::string> programs;  // of the plugins, in order
  std::string capabilities;           // plugins: the arguments of their capabilities, a JSON object
  bool has_members = false;           // the pod's names are known in this network
};

struct Applied {
  std::string uuid;
  Backend backend = Backend::kNftables;
  std::vector<AppliedNetwork> networks;
  std::vector<PortRule> ports;
  // Whether rules were or are to be set up at all.
  bool has_rules = false;

  PodRules Rules() const;
};

std::string WriteApplied(const Applied& applied);
// kCorrupt where it is not what WriteApplied wrote.
Result<Applied> ParseApplied(std::string_view text);

}  // namespace rkt::network
