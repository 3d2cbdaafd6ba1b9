// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The engine's own tables, "inet rkt" and "bridge rkt". What is said of every pod stands there
// once: the host's ends of pods are known by their names, a sender by the route back to it, a
// network by its subnet. So most pods start and end without a change to the rules; only published
// ports and what lies behind a bridge are elements of sets, added in one transaction. How many pods
// there are makes no difference to a packet. Nothing in tables of others is touched.
//
//   inet rkt
//     bridges           bridges with pods behind them
//     ports4/6          host's address . protocol . port -> pod's address . port
//     any4/6            protocol . port -> pod's address . port, for every address of the host
//     closed4/6         pods behind bridges that are reached from outside by published ports only
//     open4/6           pods with an interface of their own that are reached by everybody
//     network-<name>-*  a base chain for each network: masquerading, and what published ports need
//   bridge rkt
//     frames4/6         port . hardware address . address that may send

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "network/address.h"
#include "network/nftables.h"

namespace rkt::network {

inline constexpr char kTable[] = "rkt";
// Names of the host's ends of pods (and of their bridge ports) begin so, and no others'.
inline constexpr char kLinkPrefix[] = "rktv";

// A published port as it becomes a rule: one port, one protocol, one pod address.
struct PortRule {
  uint8_t protocol = 0;         // IPPROTO_TCP, IPPROTO_UDP
  std::optional<Address> host;  // nothing: every address of the host
  uint16_t host_port = 0;
  Address pod;
  uint16_t pod_port = 0;
  bool operator==(const PortRule&) const = default;
};
// "192.0.2.1:8080/tcp", "8080/udp".
std::string ToText(const PortRule& rule);

// What one network of one pod needs.
struct NetworkRules {
  // The same for all pods of a network; part of the name of its chain, so that a changed
  // configuration gets a chain of its own.
  std::string network;
  std::vector<Prefix> subnets;
  bool masquerade = false;
  // The pod has no default route: whoever comes by a published port has to look like a neighbour.
  bool hide_clients = false;

  std::string link;           // the host's interface; empty: none (macvlan)
  bool check_sender = false;  // the link is the pod's alone
  std::string bridge_port;    // of a bridge: the pod's port, whose frames are checked
  MacAddress pod_mac = {};
  bool closed = true;              // from outside only published ports
  std::vector<Address> addresses;  // of the pod
};

struct PodRules {
  std::string uuid;
  std::vector<NetworkRules> networks;
  std::vector<PortRule> ports;
  bool empty() const { return networks.empty() && ports.empty(); }
};

// The elements of a pod, in the order in which they are added: {family, element}.
struct FamilyElement {
  uint8_t family;  // NFPROTO_INET, NFPROTO_BRIDGE
  nft::Element element;
};
std::vector<FamilyElement> ElementsOf(const PodRules& rules);

// Adds everything of a pod in one transaction; makes tables and the networks' chains where they are
// missing.
Status AddPodRules(NetlinkSocket& socket, const PodRules& rules);
// What the table "bridge rkt" says of a pod alone, for hosts whose other rules are iptables': frames of ports that it does not
// know are dropped by what pods with nftables have put there. Nothing where the kernel has no nf_tables for bridges.
Status AddFrameRules(const PodRules& rules);
// Takes it back, by what the elements say: the caller knows that they are still the pod's. What is missing already is fine.
Status RemovePodRules(const PodRules& rules);
// The same without knowing what there is: everything whose owner is the pod.
Status RemoveRulesOf(NetlinkSocket& socket, const std::string& uuid);

// The published ports of all pods, with the owner's UUID.
struct OwnedPort {
  PortRule rule;
  std::string owner;
};
Result<std::vector<OwnedPort>> ListPublishedPorts(NetlinkSocket& socket);
// UUIDs of the pods that have elements.
Result<std::vector<std::string>> ListRuleOwners(NetlinkSocket& socket);
// Deletes the chains of networks for which `in_use` (the chain's network: "default") says no,
// bridges that are gone, and the tables when nothing is left.
Status PruneRules(NetlinkSocket& socket, const std::function<bool(const std::string&)>& in_use);

// Whether the kernel has nf_tables for us (table family inet with nat).
bool HasNfTables(NetlinkSocket& socket);

}  // namespace rkt::network
