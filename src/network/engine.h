// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The built-in types ptp, bridge and macvlan: interfaces, addresses and routes of one network of a
// pod.

#include <string>
#include <vector>

#include "base/result.h"
#include "network/applied.h"
#include "network/config.h"
#include "network/lease.h"
#include "network/links.h"
#include "network/request.h"

namespace rkt::network {

// What one network of a pod is about to become.
struct EngineAttachment {
  const NetworkConfig* config = nullptr;
  std::string uuid;
  int number = 0;  // of the interface: eth<number>
  std::vector<Lease> leases;
  MacAddress pod_mac = {};
  bool publishes = false;  // published ports lead here
  bool first = false;      // its default route is the pod's
  std::string link;        // the host's end, where there is one
};

// The alias of a bridge that was made here is this and the network's name.
inline constexpr char kBridgeAlias[] = "rkt network ";

std::string InterfaceName(int number);
// The arguments IP=, IP6= and MAC= of a network; kInvalid names the argument.
struct EngineArguments {
  std::vector<Address> addresses;
  std::optional<MacAddress> mac;
};
Result<EngineArguments> ReadEngineArguments(const NetworkChoice* choice);

// Leases addresses and settles names; nothing else is done yet.
Result<EngineAttachment> LeaseAddresses(const NetworkConfig& config, const std::string& uuid,
                                        int number, const NetworkChoice* choice,
                                        const std::string& lease_root, const HolderCheck& check);
// What the network's rules have to say about it.
NetworkRules RulesOf(const EngineAttachment& attachment);

// Makes the interfaces. `host` and `pod` are rtnetlink sockets of the two namespaces.
Status MakeInterfaces(const EngineAttachment& attachment, NetlinkSocket& host, NetlinkSocket& pod,
                      int netns);

// Turns forwarding on where a network needs it. For IPv6 the interfaces that learn routes from
// advertisements go on doing so (accept_ra).
Status EnableForwarding(const std::vector<EngineAttachment>& attachments);

}  // namespace rkt::network
