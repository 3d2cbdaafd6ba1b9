// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Published ports: from the pod manifest's to rules, and whether somebody has a port already.

#include <vector>

#include "appc/pod_manifest.h"
#include "base/result.h"
#include "network/ruleset.h"

namespace rkt::network {

// The ports one by one (ranges spread out), not yet with the pod's address. kInvalid: a protocol
// that is neither tcp nor udp, a port outside of 1..65535, a host address that is none, two that
// want the same.
Result<std::vector<PortRule>> SpreadPorts(const std::vector<appc::ForwardedPort>& ports);

// For each of the pod's addresses (at most one of a family) the rules of the ports that it can
// serve. kInvalid: a port for an address of the host whose family the pod has not.
Result<std::vector<PortRule>> RulesFor(const std::vector<PortRule>& ports,
                                       const std::vector<Address>& pod);

// Whether both cannot stand beside each other: one protocol and port, and one address or any.
bool Collide(const PortRule& a, const PortRule& b);

// kBusy names the first port on which a process of the host listens (for any of the addresses it is
// published on).
Status CheckHostPorts(const std::vector<PortRule>& ports);

// kBusy names the first port that another pod has. `is_gone` says whether an owner may be passed
// over.
Status CheckOtherPods(const std::vector<PortRule>& ports, const std::vector<OwnedPort>& others,
                      const std::string& uuid,
                      const std::function<bool(const std::string&)>& is_gone);

}  // namespace rkt::network
