// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/engine.h"

#include <linux/if_link.h>

#include <algorithm>

#include "base/file.h"

namespace rkt::network {

namespace {

using Type = EngineConfig::Type;

const EngineConfig& Engine(const EngineAttachment& attachment) {
  return *attachment.config->engine;
}

bool HasV6(const EngineAttachment& attachment) {
  return std::any_of(attachment.leases.begin(), attachment.leases.end(),
                     [](const Lease& lease) { return lease.address.v6; });
}

bool HasDefaultRoute(const EngineConfig& engine) {
  return engine.is_default_gateway ||
         std::any_of(engine.routes.begin(), engine.routes.end(),
                     [](const Route& route) { return route.destination.length == 0; });
}

uint32_t MacvlanMode(EngineConfig::MacvlanMode mode) {
  switch (mode) {
    case EngineConfig::MacvlanMode::kPrivate:
      return MACVLAN_MODE_PRIVATE;
    case EngineConfig::MacvlanMode::kVepa:
      return MACVLAN_MODE_VEPA;
    case EngineConfig::MacvlanMode::kPassthru:
      return MACVLAN_MODE_PASSTHRU;
    case EngineConfig::MacvlanMode::kBridge:
      break;
  }
  return MACVLAN_MODE_BRIDGE;
}

Prefix Single(const Address& address) { return {address, address.bits()}; }

// The routes of the configuration; those without a gateway go by the network's.
void AddRoutes(NetlinkBatch& batch, const EngineAttachment& attachment, int index) {
  const EngineConfig& engine = Engine(attachment);
  std::vector<Route> routes = engine.routes;
  if (engine.is_default_gateway) {
    for (const Lease& lease : attachment.leases) {
      Address any;
      any.v6 = lease.address.v6;
      Route route{{any, 0}, lease.gateway};
      bool there = std::any_of(routes.begin(), routes.end(),
                               [&](const Route& r) { return r.destination == route.destination; });
      if (!there) routes.push_back(route);
    }
  }
  for (const Route& route : routes) {
    std::optional<Address> gateway = route.gateway;
    for (const Lease& lease : attachment.leases) {
      if (!gateway && lease.address.v6 == route.destination.address.v6) gateway = lease.gateway;
    }
    if (!gateway) continue;
    bool is_default = route.destination.length == 0;
    AddRoute(batch, {index, route.destination, gateway, is_default && !attachment.first});
  }
}

// The link-local address that the kernel would make, but usable at once: a kernel that still asks
// whether anybody else has it does not look for neighbours either.
void AddLinkLocal(NetlinkBatch& batch, int index, const MacAddress& mac) {
  AddAddress(batch, {.index = index, .address = {LinkLocalFrom(mac), 64}, .may_exist = true});
}

VethPair Veth(const EngineAttachment& attachment, int netns, int master) {
  VethPair veth;
  veth.name = attachment.link;
  veth.mac = MacFrom(StrCat(attachment.link, attachment.uuid));
  veth.peer_name = InterfaceName(attachment.number);
  veth.peer_mac = attachment.pod_mac;
  veth.peer_netns = netns;
  veth.mtu = Engine(attachment).mtu;
  veth.master = master;
  return veth;
}

Status MakePtp(const EngineAttachment& attachment, NetlinkSocket& host, NetlinkSocket& pod,
               int netns) {
  bool v6 = HasV6(attachment);
  NetlinkBatch create;
  AddVeth(create, Veth(attachment, netns, 0));
  TRY(host.Run(create));
  int index = TRY(host.InterfaceIndex(attachment.link));
  NetlinkBatch outside;
  SetLink(outside, index, attachment.link, {.route_localnet = attachment.publishes});
  if (v6) AddLinkLocal(outside, index, MacFrom(StrCat(attachment.link, attachment.uuid)));
  for (const Lease& lease : attachment.leases) {
    AddAddress(outside, {.index = index, .address = Single(lease.gateway), .peer = lease.address});
  }
  TRY(host.Run(outside));

  std::string name = InterfaceName(attachment.number);
  index = TRY(pod.InterfaceIndex(name));
  NetlinkBatch inside;
  SetLink(inside, index, name, {});
  if (v6) AddLinkLocal(inside, index, attachment.pod_mac);
  for (const Lease& lease : attachment.leases) {
    // Neighbours of the subnet are behind the host, not on the link.
    AddAddress(
        inside,
        {.index = index, .address = {lease.address, lease.subnet.length}, .prefix_route = false});
    AddRoute(inside, {index, Single(lease.gateway), std::nullopt});
    AddRoute(inside, {index, lease.subnet, lease.gateway});
  }
  AddRoutes(inside, attachment, index);
  return pod.Run(inside);
}

Status SetGatewayAddress(const EngineAttachment& attachment, NetlinkSocket& host, int index) {
  const EngineConfig& engine = Engine(attachment);
  std::vector<AddressInfo> addresses = TRY(ListAddresses(host, index));
  NetlinkBatch batch;
  for (const Lease& lease : attachment.leases) {
    Prefix wanted{lease.gateway, lease.subnet.length};
    bool there = false;
    for (const AddressInfo& info : addresses) {
      if (info.address == wanted) there = true;
    }
    if (there) continue;
    for (const AddressInfo& info : addresses) {
      const Address& other = info.address.address;
      bool link_local = other.v6 && other.bytes[0] == 0xfe && (other.bytes[1] & 0xc0) == 0x80;
      // IPv6 interfaces have several; of IPv4 there may be one for each subnet of a range set.
      bool ours = std::any_of(attachment.leases.begin(), attachment.leases.end(),
                              [&](const Lease& l) { return l.gateway == other; });
      if (other.v6 != wanted.address.v6 || link_local || ours) continue;
      if (other.v6 && !info.address.Overlaps(wanted)) continue;
      if (!engine.force_address) {
        return Err(Code::kBusy, "the bridge ", engine.bridge, " has the address ",
                   ToText(info.address), " already, not ", ToText(wanted),
                   "; \"forceAddress\" of network ", attachment.config->name, " would replace it");
      }
      DeleteAddress(batch, index, info.address);
    }
    AddAddress(batch, {.index = index, .address = wanted, .may_exist = true});
  }
  return host.Run(batch);
}

// The index of the network's bridge, made where it is missing.
Result<int> MakeBridge(const EngineAttachment& attachment, NetlinkSocket& host) {
  const EngineConfig& engine = Engine(attachment);
  auto bridge = GetLink(host, engine.bridge);
  bool made = false;
  if (!bridge && bridge.error().code() == Code::kNotFound) {
    MacAddress mac = MacFrom(StrCat("bridge ", engine.bridge));
    NetlinkBatch create;
    AddBridge(create, engine.bridge, mac, engine.mtu);
    TRY(host.Run(create));
    bridge = GetLink(host, engine.bridge);
    made = true;
  }
  LinkInfo link = TRY(std::move(bridge));
  if (link.kind != "bridge") {
    return Err(Code::kInvalid, "network ", attachment.config->name, ": the interface ",
               engine.bridge, " is not a bridge");
  }
  if (!link.up || attachment.publishes) {
    NetlinkBatch up;
    SetLink(up, link.index, engine.bridge,
            {.no_link_local = !link.up,
             .route_localnet = attachment.publishes,
             .alias = made ? StrCat(kBridgeAlias, attachment.config->name) : ""});
    if (!link.up && HasV6(attachment)) AddLinkLocal(up, link.index, link.mac);
    TRY(host.Run(up));
  }
  if (engine.is_gateway) TRY(SetGatewayAddress(attachment, host, link.index));
  return link.index;
}

Status MakeBridgePort(const EngineAttachment& attachment, NetlinkSocket& host, NetlinkSocket& pod,
                      int netns) {
  int bridge = TRY(MakeBridge(attachment, host));
  NetlinkBatch create;
  AddVeth(create, Veth(attachment, netns, bridge));
  TRY(host.Run(create));
  int index = TRY(host.InterfaceIndex(attachment.link));
  NetlinkBatch outside;
  // The port itself has no addresses of its own: those are the bridge's.
  SetLink(outside, index, attachment.link, {});
  if (Engine(attachment).hairpin || attachment.publishes)
    SetHairpin(outside, index, attachment.link);
  TRY(host.Run(outside));

  std::string name = InterfaceName(attachment.number);
  index = TRY(pod.InterfaceIndex(name));
  NetlinkBatch inside;
  SetLink(inside, index, name, {.announce = true});
  if (HasV6(attachment)) AddLinkLocal(inside, index, attachment.pod_mac);
  for (const Lease& lease : attachment.leases) {
    AddAddress(inside, {.index = index, .address = {lease.address, lease.subnet.length}});
  }
  AddRoutes(inside, attachment, index);
  return pod.Run(inside);
}

Status MakeMacvlan(const EngineAttachment& attachment, NetlinkSocket& host, NetlinkSocket& pod,
                   int netns) {
  const EngineConfig& engine = Engine(attachment);
  Macvlan macvlan;
  macvlan.name = InterfaceName(attachment.number);
  macvlan.mac = attachment.pod_mac;
  macvlan.netns = netns;
  macvlan.mode = MacvlanMode(engine.macvlan_mode);
  macvlan.mtu = engine.mtu;
  auto master =
      engine.master.empty() ? DefaultRouteInterface(host) : host.InterfaceIndex(engine.master);
  macvlan.master =
      TRY_CTX(std::move(master), "network ", attachment.config->name, ": field \"master\"");
  NetlinkBatch create;
  AddMacvlan(create, macvlan);
  TRY(host.Run(create));
  int index = TRY(pod.InterfaceIndex(macvlan.name));
  NetlinkBatch inside;
  for (const Lease& lease : attachment.leases) {
    AddAddress(inside, {.index = index, .address = {lease.address, lease.subnet.length}});
  }
  // The switch and the neighbours may know the address by another port.
  SetLink(inside, index, macvlan.name, {.announce = true});
  if (HasV6(attachment)) AddLinkLocal(inside, index, attachment.pod_mac);
  AddRoutes(inside, attachment, index);
  return pod.Run(inside);
}

Status TurnOn(const std::string& file) {
  auto text = ReadFile(file, 64);
  if (text && Trim(*text) != "0") return {};
  Fd fd = TRY(Open(file, O_WRONLY));
  return WriteAll(fd.get(), "1");
}

Status KeepAdvertisements() {
  constexpr char kConf[] = "/proc/sys/net/ipv6/conf";
  for (const DirEntry& entry : TRY(ListDirAt(AT_FDCWD, kConf))) {
    std::string file = StrCat(kConf, "/", entry.name, "/accept_ra");
    auto text = ReadFile(file, 64);
    if (!text || Trim(*text) != "1") continue;
    auto fd = Open(file, O_WRONLY);
    if (fd) TRY(WriteAll(fd->get(), "2"));
  }
  return {};
}

}  // namespace

std::string InterfaceName(int number) { return StrCat("eth", number); }

Result<EngineArguments> ReadEngineArguments(const NetworkChoice* choice) {
  EngineArguments arguments;
  if (choice == nullptr) return arguments;
  for (const auto& [key, value] : choice->arguments) {
    if (key == "IP" || key == "IP6") {
      // The plugin takes the address with or without its subnet's length.
      auto address = ParseAddress(std::string_view(value).substr(0, value.find('/')));
      if (!address)
        return Err(Code::kInvalid, "network ", Quote(choice->name), ": argument ", key, ": ",
                   Quote(value), " is not an IP address");
      arguments.addresses.push_back(*address);
    } else if (key == "MAC") {
      arguments.mac = ParseMac(value);
      if (!arguments.mac || ((*arguments.mac)[0] & 1) != 0) {
        return Err(Code::kInvalid, "network ", Quote(choice->name),
                   ": argument MAC: ", Quote(value), " is not the address of an interface");
      }
    } else if (key != "IgnoreUnknown") {
      return Err(Code::kInvalid, "network ", Quote(choice->name), ": argument ", Quote(key),
                 " is not known, only IP, IP6 and MAC");
    }
  }
  return arguments;
}

Result<EngineAttachment> LeaseAddresses(const NetworkConfig& config, const std::string& uuid,
                                        int number, const NetworkChoice* choice,
                                        const std::string& lease_root, const HolderCheck& check) {
  EngineArguments arguments = TRY(ReadEngineArguments(choice));
  EngineAttachment attachment;
  attachment.config = &config;
  attachment.uuid = uuid;
  attachment.number = number;
  const std::string& root =
      config.engine->lease_dir.empty() ? lease_root : config.engine->lease_dir;
  LeaseDirectory directory = TRY(LeaseDirectory::Open(root, config.name));
  attachment.leases = TRY_CTX(directory.Allocate(config.engine->ranges, uuid, InterfaceName(number),
                                                 arguments.addresses, check),
                              "network ", Quote(config.name));
  attachment.pod_mac = arguments.mac.value_or(MacFrom(StrCat(uuid, " ", number)));
  if (config.engine->type != Type::kMacvlan)
    attachment.link = StrCat(kLinkPrefix, std::string_view(uuid).substr(0, 8), "-", number);
  return attachment;
}

NetworkRules RulesOf(const EngineAttachment& attachment) {
  const EngineConfig& engine = Engine(attachment);
  NetworkRules rules;
  rules.network = attachment.config->name;
  for (const Lease& lease : attachment.leases) {
    rules.subnets.push_back(lease.subnet);
    rules.addresses.push_back(lease.address);
  }
  rules.masquerade = engine.ip_masq;
  rules.hide_clients = !HasDefaultRoute(engine) || !attachment.first;
  rules.pod_mac = attachment.pod_mac;
  rules.closed = !engine.inbound && engine.type != Type::kMacvlan;
  if (engine.type == Type::kPtp) {
    rules.link = attachment.link;
    rules.check_sender = true;
  } else if (engine.type == Type::kBridge) {
    rules.link = engine.bridge;
    rules.bridge_port = attachment.link;
  }
  return rules;
}

Status MakeInterfaces(const EngineAttachment& attachment, NetlinkSocket& host, NetlinkSocket& pod,
                      int netns) {
  switch (Engine(attachment).type) {
    case Type::kPtp:
      return MakePtp(attachment, host, pod, netns);
    case Type::kBridge:
      return MakeBridgePort(attachment, host, pod, netns);
    case Type::kMacvlan:
      return MakeMacvlan(attachment, host, pod, netns);
  }
  return {};
}

Status EnableForwarding(const std::vector<EngineAttachment>& attachments) {
  bool v4 = false, v6 = false;
  for (const EngineAttachment& attachment : attachments) {
    const EngineConfig& engine = Engine(attachment);
    bool routed = engine.type == Type::kPtp ||
                  (engine.type == Type::kBridge && (engine.is_gateway || engine.ip_masq));
    for (const Lease& lease : attachment.leases) {
      if (routed) (lease.address.v6 ? v6 : v4) = true;
    }
  }
  if (v4) TRY_CTX(TurnOn("/proc/sys/net/ipv4/ip_forward"), "turning forwarding on");
  if (!v6) return {};
  constexpr char kForwarding6[] = "/proc/sys/net/ipv6/conf/all/forwarding";
  auto now = ReadFile(kForwarding6, 64);
  if (now && Trim(*now) != "0") return {};
  TRY(KeepAdvertisements());
  return TurnOn(kForwarding6);
}

}  // namespace rkt::network
