// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Interfaces, addresses and routes over rtnetlink. Each function of the first kind appends messages
// to a batch; the others ask the kernel at once.

#include <optional>
#include <string>
#include <vector>

#include "network/address.h"
#include "network/netlink.h"

namespace rkt::network {

// A veth pair: one end where the socket is, the other straight into the namespace `peer_netns`.
// Both ends are down.
struct VethPair {
  std::string name;
  MacAddress mac;
  std::string peer_name;
  MacAddress peer_mac;
  int peer_netns;
  int mtu = 0;
  int master = 0;  // index of the bridge that this end becomes a port of; 0: none
};
void AddVeth(NetlinkBatch& batch, const VethPair& veth);

// An existing bridge is left as it is.
void AddBridge(NetlinkBatch& batch, const std::string& name, const MacAddress& mac, int mtu);

struct Macvlan {
  std::string name;
  MacAddress mac;
  int master;
  int netns;
  uint32_t mode;  // MACVLAN_MODE_*
  int mtu = 0;
};
void AddMacvlan(NetlinkBatch& batch, const Macvlan& macvlan);

struct LinkSettings {
  bool up = true;
  bool no_link_local = true;    // the kernel makes no link-local address by itself
  bool route_localnet = false;  // packets from and to 127.0.0.0/8 may go over it
  std::string alias;            // text for people; empty: left as it is
  bool announce = false;        // tells the neighbours its addresses when it comes up (arp_notify)
};
void SetLink(NetlinkBatch& batch, int index, const std::string& name, const LinkSettings& settings);
// A port of a bridge sends frames back to where they came from.
void SetHairpin(NetlinkBatch& batch, int index, const std::string& name);
void DeleteLink(NetlinkBatch& batch, const std::string& name);

struct InterfaceAddress {
  int index = 0;
  Prefix address;
  std::optional<Address> peer;  // point to point: the other side, its route is made too
  bool prefix_route = true;     // a route to the address's subnet is made
  bool may_exist = false;
};
void AddAddress(NetlinkBatch& batch, const InterfaceAddress& address);
void DeleteAddress(NetlinkBatch& batch, int index, const Prefix& address);

struct RouteEntry {
  int index = 0;
  Prefix destination;
  std::optional<Address> gateway;  // none: on the link
  bool may_exist = false;
};
void AddRoute(NetlinkBatch& batch, const RouteEntry& route);

struct LinkInfo {
  int index = 0;
  std::string name;
  std::string kind;  // "bridge", "veth", empty for hardware
  std::string alias;
  int master = 0;
  bool up = false;
  MacAddress mac = {};
};
Result<std::vector<LinkInfo>> ListLinks(NetlinkSocket& socket);
Result<LinkInfo> GetLink(NetlinkSocket& socket, const std::string& name);
// Addresses of one interface, or of all (index 0).
struct AddressInfo {
  int index = 0;
  Prefix address;
};
Result<std::vector<AddressInfo>> ListAddresses(NetlinkSocket& socket, int index);
// The interface by which packets to an address leave.
Result<LinkInfo> RouteInterface(NetlinkSocket& socket, const Address& address);
// The interface of the IPv4 default route with the least metric; kNotFound where there is none.
Result<int> DefaultRouteInterface(NetlinkSocket& socket);

}  // namespace rkt::network
