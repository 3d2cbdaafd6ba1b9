// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/links.h"

#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <cstring>

#include "base/strings.h"

namespace rkt::network {

namespace {

constexpr uint16_t kCreate = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

uint8_t Family(const Address& address) { return address.v6 ? AF_INET6 : AF_INET; }

void PutAddress(NetlinkBatch& batch, uint16_t type, const Address& address) {
  batch.Put(type, address.data(), address.size());
}

LinkInfo ParseLink(std::string_view payload) {
  LinkInfo link;
  ifinfomsg fixed;
  if (payload.size() < sizeof fixed) return link;
  std::memcpy(&fixed, payload.data(), sizeof fixed);
  link.index = fixed.ifi_index;
  link.up = (fixed.ifi_flags & IFF_UP) != 0;
  for (const NetlinkAttribute& attribute :
       ParseAttributes(payload.substr(NLMSG_ALIGN(sizeof fixed)))) {
    switch (attribute.type) {
      case IFLA_IFNAME:
        link.name = attribute.Text();
        break;
      case IFLA_IFALIAS:
        link.alias = attribute.Text();
        break;
      case IFLA_MASTER:
        link.master = static_cast<int>(attribute.U32());
        break;
      case IFLA_ADDRESS:
        if (attribute.data.size() == link.mac.size())
          std::memcpy(link.mac.data(), attribute.data.data(), link.mac.size());
        break;
      case IFLA_LINKINFO:
        for (const NetlinkAttribute& info : ParseAttributes(attribute.data)) {
          if (info.type == IFLA_INFO_KIND) link.kind = info.Text();
        }
        break;
      default:
        break;
    }
  }
  return link;
}

}  // namespace

void AddVeth(NetlinkBatch& batch, const VethPair& veth) {
  ifinfomsg fixed = {};
  batch.Begin(RTM_NEWLINK, kCreate, fixed, StrCat("creating the interface ", veth.name));
  batch.PutText(IFLA_IFNAME, veth.name);
  // An address that was chosen is left alone by those who give interfaces lasting ones.
  batch.Put(IFLA_ADDRESS, veth.mac.data(), veth.mac.size());
  if (veth.mtu > 0) batch.PutU32(IFLA_MTU, static_cast<uint32_t>(veth.mtu));
  if (veth.master > 0) batch.PutU32(IFLA_MASTER, static_cast<uint32_t>(veth.master));
  size_t info = batch.Nest(IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_KIND, "veth");
  size_t data = batch.Nest(IFLA_INFO_DATA);
  size_t peer = batch.Nest(VETH_INFO_PEER);
  batch.PutBytes(&fixed, sizeof fixed);
  batch.PutText(IFLA_IFNAME, veth.peer_name);
  batch.Put(IFLA_ADDRESS, veth.peer_mac.data(), veth.peer_mac.size());
  if (veth.mtu > 0) batch.PutU32(IFLA_MTU, static_cast<uint32_t>(veth.mtu));
  batch.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(veth.peer_netns));
  batch.End(peer);
  batch.End(data);
  batch.End(info);
}

void AddBridge(NetlinkBatch& batch, const std::string& name, const MacAddress& mac, int mtu) {
  ifinfomsg fixed = {};
  batch.Begin(RTM_NEWLINK, kCreate, fixed, StrCat("creating the bridge ", name), EEXIST);
  batch.PutText(IFLA_IFNAME, name);
  // Without one of its own a bridge takes its ports' least address, and so changes it.
  batch.Put(IFLA_ADDRESS, mac.data(), mac.size());
  if (mtu > 0) batch.PutU32(IFLA_MTU, static_cast<uint32_t>(mtu));
  size_t info = batch.Nest(IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_KIND, "bridge");
  batch.End(info);
}

void AddMacvlan(NetlinkBatch& batch, const Macvlan& macvlan) {
  ifinfomsg fixed = {};
  batch.Begin(RTM_NEWLINK, kCreate, fixed, StrCat("creating the macvlan interface ", macvlan.name));
  batch.PutText(IFLA_IFNAME, macvlan.name);
  batch.Put(IFLA_ADDRESS, macvlan.mac.data(), macvlan.mac.size());
  batch.PutU32(IFLA_LINK, static_cast<uint32_t>(macvlan.master));
  batch.PutU32(IFLA_NET_NS_FD, static_cast<uint32_t>(macvlan.netns));
  if (macvlan.mtu > 0) batch.PutU32(IFLA_MTU, static_cast<uint32_t>(macvlan.mtu));
  size_t info = batch.Nest(IFLA_LINKINFO);
  batch.PutText(IFLA_INFO_KIND, "macvlan");
  size_t data = batch.Nest(IFLA_INFO_DATA);
  batch.PutU32(IFLA_MACVLAN_MODE, macvlan.mode);
  batch.End(data);
  batch.End(info);
}

void SetLink(NetlinkBatch& batch, int index, const std::string& name,
             const LinkSettings& settings) {
  ifinfomsg fixed = {};
  fixed.ifi_index = index;
  batch.Begin(RTM_SETLINK, NLM_F_ACK, fixed, StrCat("setting up the interface ", name));
  if (!settings.alias.empty())
    batch.Put(IFLA_IFALIAS, settings.alias.data(), settings.alias.size());
  size_t families = batch.Nest(IFLA_AF_SPEC);
  if (settings.route_localnet || settings.announce) {
    size_t inet = batch.Nest(AF_INET);
    size_t settings4 = batch.Nest(IFLA_INET_CONF);
    if (settings.route_localnet) batch.PutU32(IPV4_DEVCONF_ROUTE_LOCALNET, 1);
    if (settings.announce) batch.PutU32(IPV4_DEVCONF_ARP_NOTIFY, 1);
    batch.End(settings4);
    batch.End(inet);
  }
  if (settings.no_link_local) {
    size_t inet6 = batch.Nest(AF_INET6);
    batch.PutU8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    batch.End(inet6);
  }
  batch.End(families);
  if (!settings.up) return;
  // In a message of its own: the kernel sets an interface up before it looks at the rest of a
  // message.
  fixed.ifi_flags = fixed.ifi_change = IFF_UP;
  batch.Begin(RTM_SETLINK, NLM_F_ACK, fixed, StrCat("setting the interface ", name, " up"));
}

void SetHairpin(NetlinkBatch& batch, int index, const std::string& name) {
  ifinfomsg fixed = {};
  fixed.ifi_family = AF_BRIDGE;
  fixed.ifi_index = index;
  batch.Begin(RTM_SETLINK, NLM_F_ACK, fixed, StrCat("setting hairpin mode of ", name));
  size_t port = batch.Nest(IFLA_PROTINFO);
  batch.PutU8(IFLA_BRPORT_MODE, BRIDGE_MODE_HAIRPIN);
  batch.End(port);
}

void DeleteLink(NetlinkBatch& batch, const std::string& name) {
  ifinfomsg fixed = {};
  batch.Begin(RTM_DELLINK, NLM_F_ACK, fixed, StrCat("deleting the interface ", name), ENODEV);
  batch.PutText(IFLA_IFNAME, name);
}

void AddAddress(NetlinkBatch& batch, const InterfaceAddress& address) {
  const Address& local = address.address.address;
  ifaddrmsg fixed = {};
  fixed.ifa_family = Family(local);
  fixed.ifa_prefixlen =
      static_cast<uint8_t>(address.peer ? address.peer->bits() : address.address.length);
  fixed.ifa_index = static_cast<uint32_t>(address.index);
  bool link_local = local.v6 && local.bytes[0] == 0xfe && (local.bytes[1] & 0xc0) == 0x80;
  fixed.ifa_scope = link_local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  batch.Begin(RTM_NEWADDR, kCreate, fixed, StrCat("adding the address ", ToText(address.address)),
              address.may_exist ? EEXIST : 0);
  PutAddress(batch, IFA_LOCAL, local);
  PutAddress(batch, IFA_ADDRESS, address.peer ? *address.peer : local);
  // Nobody else can have the address, so it need not be probed for before it can be used (IPv6).
  uint32_t flags = local.v6 ? IFA_F_NODAD : 0;
  if (!address.prefix_route) flags |= IFA_F_NOPREFIXROUTE;
  if (flags != 0) batch.PutU32(IFA_FLAGS, flags);
  if (!local.v6 && !address.peer && address.address.length < 31) {
    PutAddress(batch, IFA_BROADCAST, address.address.Last());
  }
}

void DeleteAddress(NetlinkBatch& batch, int index, const Prefix& address) {
  ifaddrmsg fixed = {};
  fixed.ifa_family = Family(address.address);
  fixed.ifa_prefixlen = static_cast<uint8_t>(address.length);
  fixed.ifa_index = static_cast<uint32_t>(index);
  batch.Begin(RTM_DELADDR, NLM_F_ACK, fixed, StrCat("deleting the address ", ToText(address)),
              EADDRNOTAVAIL);
  PutAddress(batch, IFA_LOCAL, address.address);
}

void AddRoute(NetlinkBatch& batch, const RouteEntry& route) {
  rtmsg fixed = {};
  fixed.rtm_family = Family(route.destination.address);
  fixed.rtm_dst_len = static_cast<uint8_t>(route.destination.length);
  fixed.rtm_table = RT_TABLE_MAIN;
  fixed.rtm_protocol = RTPROT_BOOT;
  fixed.rtm_scope = route.gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  fixed.rtm_type = RTN_UNICAST;
  batch.Begin(RTM_NEWROUTE, kCreate, fixed,
              StrCat("adding the route to ", ToText(route.destination),
                     route.gateway ? StrCat(" via ", ToText(*route.gateway)) : ""),
              route.may_exist ? EEXIST : 0);
  if (route.destination.length > 0) PutAddress(batch, RTA_DST, route.destination.address);
  if (route.gateway) PutAddress(batch, RTA_GATEWAY, *route.gateway);
  batch.PutU32(RTA_OIF, static_cast<uint32_t>(route.index));
}

Result<std::vector<LinkInfo>> ListLinks(NetlinkSocket& socket) {
  NetlinkBatch batch;
  ifinfomsg fixed = {};
  batch.Begin(RTM_GETLINK, NLM_F_DUMP, fixed, "listing interfaces");
  std::vector<LinkInfo> links;
  TRY(socket.Dump(
      batch, [&] { links.clear(); },
      [&](uint16_t type, std::string_view payload) {
        if (type == RTM_NEWLINK) links.push_back(ParseLink(payload));
      }));
  return links;
}

Result<LinkInfo> GetLink(NetlinkSocket& socket, const std::string& name) {
  NetlinkBatch batch;
  ifinfomsg fixed = {};
  batch.Begin(RTM_GETLINK, 0, fixed, StrCat("interface ", name));
  batch.PutText(IFLA_IFNAME, name);
  LinkInfo link;
  Status found = socket.Dump(
      batch, [] {},
      [&](uint16_t type, std::string_view payload) {
        if (type == RTM_NEWLINK) link = ParseLink(payload);
      });
  if (!found) {
    if (found.error().err() == ENODEV)
      return Err(Code::kNotFound, "there is no interface ", Quote(name));
    return std::move(found).error();
  }
  return link;
}

Result<std::vector<AddressInfo>> ListAddresses(NetlinkSocket& socket, int index) {
  NetlinkBatch batch;
  ifaddrmsg fixed = {};
  fixed.ifa_index = static_cast<uint32_t>(index);
  batch.Begin(RTM_GETADDR, NLM_F_DUMP, fixed, "listing addresses");
  std::vector<AddressInfo> addresses;
  auto visit = [&](uint16_t type, std::string_view payload) {
    ifaddrmsg message;
    if (type != RTM_NEWADDR || payload.size() < sizeof message) return;
    std::memcpy(&message, payload.data(), sizeof message);
    if (index != 0 && static_cast<int>(message.ifa_index) != index) return;
    if (message.ifa_family != AF_INET && message.ifa_family != AF_INET6) return;
    AddressInfo info;
    info.index = static_cast<int>(message.ifa_index);
    info.address.length = message.ifa_prefixlen;
    info.address.address.v6 = message.ifa_family == AF_INET6;
    auto attributes = ParseAttributes(payload.substr(NLMSG_ALIGN(sizeof message)));
    const NetlinkAttribute* local = FindAttribute(attributes, IFA_LOCAL);
    if (local == nullptr) local = FindAttribute(attributes, IFA_ADDRESS);
    if (local == nullptr || local->data.size() != info.address.address.size()) return;
    std::memcpy(info.address.address.bytes.data(), local->data.data(), local->data.size());
    addresses.push_back(info);
  };
  TRY(socket.Dump(
      batch, [&] { addresses.clear(); }, visit));
  return addresses;
}

Result<LinkInfo> RouteInterface(NetlinkSocket& socket, const Address& address) {
  NetlinkBatch batch;
  rtmsg fixed = {};
  fixed.rtm_family = Family(address);
  fixed.rtm_dst_len = static_cast<uint8_t>(address.bits());
  batch.Begin(RTM_GETROUTE, 0, fixed, StrCat("route to ", ToText(address)));
  PutAddress(batch, RTA_DST, address);
  int index = 0;
  TRY(socket.Dump(
      batch, [] {},
      [&](uint16_t type, std::string_view payload) {
        if (type != RTM_NEWROUTE || payload.size() < sizeof(rtmsg)) return;
        auto attributes = ParseAttributes(payload.substr(NLMSG_ALIGN(sizeof(rtmsg))));
        const NetlinkAttribute* out = FindAttribute(attributes, RTA_OIF);
        if (out != nullptr) index = static_cast<int>(out->U32());
      }));
  for (const LinkInfo& link : TRY(ListLinks(socket))) {
    if (link.index == index) return link;
  }
  return Err(Code::kNotFound, "there is no route to ", ToText(address));
}

Result<int> DefaultRouteInterface(NetlinkSocket& socket) {
  NetlinkBatch batch;
  rtmsg fixed = {};
  fixed.rtm_family = AF_INET;
  batch.Begin(RTM_GETROUTE, NLM_F_DUMP, fixed, "listing routes");
  int index = 0;
  uint32_t best = 0;
  auto visit = [&](uint16_t type, std::string_view payload) {
    rtmsg message;
    if (type != RTM_NEWROUTE || payload.size() < sizeof message) return;
    std::memcpy(&message, payload.data(), sizeof message);
    if (message.rtm_dst_len != 0 || message.rtm_type != RTN_UNICAST ||
        message.rtm_table != RT_TABLE_MAIN)
      return;
    auto attributes = ParseAttributes(payload.substr(NLMSG_ALIGN(sizeof message)));
    const NetlinkAttribute* out = FindAttribute(attributes, RTA_OIF);
    const NetlinkAttribute* metric = FindAttribute(attributes, RTA_PRIORITY);
    uint32_t cost = metric != nullptr ? metric->U32() : 0;
    if (out == nullptr || (index != 0 && cost >= best)) return;
    index = static_cast<int>(out->U32());
    best = cost;
  };
  TRY(socket.Dump(
      batch, [&] { index = 0; }, visit));
  if (index == 0) return Err(Code::kNotFound, "there is no default route");
  return index;
}

}  // namespace rkt::network
