// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/ruleset.h"

#include <netinet/in.h>
// The kernel's headers give way to the library's only behind them.
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/hash.h"
#include "network/links.h"

namespace rkt::network {

namespace {

using nft::BaseChain;
using nft::Element;
using nft::Key;
using nft::Rule;
using nft::Set;
using nft::Transaction;

// Types of nft(8), by which it prints keys; several make one by six bits each.
constexpr uint32_t kIp4 = 7, kIp6 = 8, kEther = 9, kProtocol = 12, kPort = 13, kName = 41;
constexpr uint32_t Types(std::initializer_list<uint32_t> types) {
  uint32_t all = 0;
  for (uint32_t type : types) all = all << 6 | type;
  return all;
}

constexpr const char* kInetSets[] = {"bridges", "ports4", "ports6", "any4", "any6", "closed4", "closed6", "open4", "open6"};
constexpr const char* kBridgeSets[] = {"frames4", "frames6"};
constexpr char kNetworkChain[] = "network-";

// ICMPv6 types that would steer a neighbour.
constexpr uint8_t kRouterAdvertisement = 134, kNeighbourSolicitation = 135, kNeighbourAdvertisement = 136, kRedirect = 137;

std::string Of(const char* set, bool v6) { return StrCat(set, v6 ? "6" : "4"); }

std::string ChainOf(const NetworkRules& network) {
  std::string parameters = StrCat(network.masquerade ? "masquerade" : "", network.hide_clients ? " hide" : "");
  for (const Prefix& subnet : network.subnets) parameters += StrCat(" ", ToText(subnet));
  return StrCat(kNetworkChain, network.network, "-", std::string_view(Sha512Hex(parameters)).substr(0, 8));
}

// The host's end of a pod: its name's beginning is enough.
Rule& FromPod(Rule& rule) { return rule.Meta(NFT_META_IIFNAME, 0).Equal(0, kLinkPrefix, sizeof kLinkPrefix - 1); }
Rule& FromBridge(Rule& rule) { return rule.Meta(NFT_META_IIFNAME, 0).In("bridges", 0); }

Rule& IcmpType(Rule& rule, uint8_t type) {
  uint8_t icmp6 = IPPROTO_ICMPV6;
  return rule.Meta(NFT_META_L4PROTO, 0)
      .Equal(0, &icmp6, 1)
      .Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, 0)
      .Equal(0, &type, 1);
}

void AddSets(Transaction& inet) {
  inet.AddSet({"bridges", kName, 16});
  for (bool v6 : {false, true}) {
    uint32_t ip = v6 ? kIp6 : kIp4;
    uint32_t size = v6 ? 16 : 4;
    inet.AddSet({Of("ports", v6), Types({ip, kProtocol, kPort}), size + 8, Types({ip, kPort}), size + 4});
    inet.AddSet({Of("any", v6), Types({kProtocol, kPort}), 8, Types({ip, kPort}), size + 4});
    inet.AddSet({Of("closed", v6), ip, size});
    inet.AddSet({Of("open", v6), ip, size});
  }
}

// What a pod may send, at the earliest hook, before connections are looked up: replies that the host's own services on
// loopback wait for are still addressed to the host here.
void AddSenderChecks(Transaction& inet) {
  inet.AddChain("from-pods", BaseChain{"filter", NF_INET_PRE_ROUTING, -300});
  for (auto from : {FromPod, FromBridge}) {
    Rule loopback;
    inet.AddRule("from-pods", from(loopback).DestinationPrefix(*ParsePrefix("127.0.0.0/8")).Verdict(NF_DROP));
    for (uint8_t type : {kRouterAdvertisement, kRedirect}) {
      Rule steering;
      inet.AddRule("from-pods", IcmpType(from(steering).Ipv6(), type).Verdict(NF_DROP));
    }
  }
  // Finding each other on the link may come from no address, and concerns that link alone.
  for (uint8_t type : {kNeighbourSolicitation, kNeighbourAdvertisement}) {
    Rule neighbours;
    inet.AddRule("from-pods", IcmpType(FromPod(neighbours).Ipv6(), type).Verdict(NF_ACCEPT));
  }
  // Only the pod's own addresses have a route to that interface.
  uint32_t none = 0;
  Rule foreign;
  inet.AddRule("from-pods", FromPod(foreign).SourceRoute(0).Equal(0, &none, sizeof none).Verdict(NF_DROP));
}

void AddPortChains(Transaction& inet) {
  inet.AddChain("ports");
  for (bool v6 : {false, true}) {
    uint32_t words = v6 ? 4 : 1;
    Rule one;
    (v6 ? one.Ipv6() : one.Ipv4())
        .DestinationIp(v6, 0)
        .Meta(NFT_META_L4PROTO, words)
        .Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, words + 1)
        .Map(Of("ports", v6), 0, 0)
        .Dnat(v6, 0, words);
    inet.AddRule("ports", one);
    Rule any;
    if (v6) {
      // There is no sending from ::1 to another interface, so ::1 stays the host's own.
      Address loopback = *ParseAddress("::1");
      any.Ipv6().DestinationIp(true, 0).NotEqual(0, loopback.data(), loopback.size());
    } else {
      any.Ipv4();
    }
    any.Meta(NFT_META_L4PROTO, 0)
        .Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 1)
        .Map(Of("any", v6), 0, 0)
        .Dnat(v6, 0, words);
    inet.AddRule("ports", any);
  }
  uint32_t local = RTN_LOCAL;
  inet.AddChain("arriving", BaseChain{"nat", NF_INET_PRE_ROUTING, -100});
  inet.AddChain("from-host", BaseChain{"nat", NF_INET_LOCAL_OUT, -100});
  for (const char* chain : {"arriving", "from-host"}) {
    inet.AddRule(chain, Rule().DestinationType(0).Equal(0, &local, sizeof local).Verdict(NFT_JUMP, "ports"));
  }
}

Rule& IsPublished(Rule& rule) {
  uint32_t dnat = IPS_DST_NAT, zero = 0;
  return rule.Ct(NFT_CT_STATUS, 0).Mask(0, &dnat, sizeof dnat).NotEqual(0, &zero, sizeof zero);
}

void AddForwardChains(Transaction& inet) {
  inet.AddChain("to-closed");
  uint32_t known = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED), zero = 0;
  inet.AddRule("to-closed", Rule()
                                .Ct(NFT_CT_STATE, 0)
                                .Mask(0, &known, sizeof known)
                                .NotEqual(0, &zero, sizeof zero)
                                .Verdict(NF_ACCEPT));
  Rule published, from_pod, from_bridge;
  inet.AddRule("to-closed", IsPublished(published).Verdict(NF_ACCEPT));
  inet.AddRule("to-closed", FromPod(from_pod).Verdict(NF_ACCEPT));
  inet.AddRule("to-closed", FromBridge(from_bridge).Verdict(NF_ACCEPT));
  inet.AddRule("to-closed", Rule().Verdict(NF_DROP));
  inet.AddChain("forward", BaseChain{"filter", NF_INET_FORWARD, 0});
  for (auto [set, verdict] : {std::pair("open", NF_ACCEPT), {"closed", NFT_JUMP}}) {
    for (bool v6 : {false, true}) {
      Rule rule;
      (v6 ? rule.Ipv6() : rule.Ipv4())
          .DestinationIp(v6, 0)
          .In(Of(set, v6), 0)
          .Verdict(verdict, verdict == NFT_JUMP ? "to-closed" : "");
      inet.AddRule("forward", rule);
    }
  }
  inet.AddRule("forward", Rule()
                              .Meta(NFT_META_OIFNAME, 0)
                              .Equal(0, kLinkPrefix, sizeof kLinkPrefix - 1)
                              .Verdict(NFT_JUMP, "to-closed"));
}

void AddInetTable(Transaction& inet) {
  inet.AddTable();
  AddSets(inet);
  AddSenderChecks(inet);
  AddPortChains(inet);
  AddForwardChains(inet);
}

Rule& EtherType(Rule& rule, uint16_t type) {
  uint16_t big = htons(type);
  return rule.Meta(NFT_META_PROTOCOL, 0).Equal(0, &big, sizeof big);
}

// Frames of the bridges' ports: nothing but IP and ARP, and only with the pod's own addresses in them.
void AddBridgeTable(Transaction& bridge) {
  bridge.AddTable();
  bridge.AddSet({"frames4", Types({kName, kEther, kIp4}), 28});
  bridge.AddSet({"frames6", Types({kName, kEther, kIp6}), 40});
  bridge.AddChain("check-frame");
  auto sender = [](Rule& rule) -> Rule& {
    return rule.Meta(NFT_META_IIFNAME, 0).Payload(NFT_PAYLOAD_LL_HEADER, 6, 6, 4);
  };
  Rule ip4;
  bridge.AddRule("check-frame", sender(EtherType(ip4, ETH_P_IP)).SourceIp(false, 6).In("frames4", 0).Verdict(NFT_RETURN));
  // ARP: hardware address at byte 8, protocol address at 14.
  Rule arp;
  bridge.AddRule("check-frame", EtherType(arp, ETH_P_ARP)
                                    .Meta(NFT_META_IIFNAME, 0)
                                    .Payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 6, 4)
                                    .Payload(NFT_PAYLOAD_NETWORK_HEADER, 14, 4, 6)
                                    .In("frames4", 0)
                                    .Verdict(NFT_RETURN));
  auto icmp_type = [&](Rule& rule, uint8_t type) -> Rule& { return IcmpType(EtherType(rule, ETH_P_IPV6), type); };
  for (uint8_t type : {kRouterAdvertisement, kRedirect}) {
    Rule steering;
    bridge.AddRule("check-frame", icmp_type(steering, type).Verdict(NF_DROP));
  }
  // A neighbour's answer is about the address at byte 8.
  Rule answer;
  bridge.AddRule("check-frame", sender(icmp_type(answer, kNeighbourAdvertisement))
                                    .Payload(NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16, 6)
                                    .In("frames6", 0)
                                    .Verdict(NFT_RETURN));
  Rule other_answer;
  bridge.AddRule("check-frame", icmp_type(other_answer, kNeighbourAdvertisement).Verdict(NF_DROP));
  Rule ip6;
  bridge.AddRule("check-frame", sender(EtherType(ip6, ETH_P_IPV6)).SourceIp(true, 6).In("frames6", 0).Verdict(NFT_RETURN));
  // Asking whether an address is taken is done from none.
  Address none;
  none.v6 = true;
  Rule probe;
  bridge.AddRule("check-frame", icmp_type(probe, kNeighbourSolicitation)
                                    .SourceIp(true, 0)
                                    .Equal(0, none.data(), none.size())
                                    .Verdict(NFT_RETURN));
  bridge.AddRule("check-frame", Rule().Verdict(NF_DROP));
  // NF_BR_PRE_ROUTING; in front of the bridge's own conntrack and filters.
  bridge.AddChain("from-pods", BaseChain{"filter", 0, -300});
  Rule from;
  bridge.AddRule("from-pods", FromPod(from).Verdict(NFT_JUMP, "check-frame"));
}

void AddNetworkChain(Transaction& inet, const NetworkRules& network) {
  std::string chain = ChainOf(network);
  inet.AddChain(chain, BaseChain{"nat", NF_INET_POST_ROUTING, 100});
  for (const Prefix& subnet : network.subnets) {
    auto published = [&] {
      Rule rule;
      IsPublished(rule).DestinationPrefix(subnet);
      return rule;
    };
    // A neighbour or the pod itself would get answers past the host, and 127.0.0.1 is another host to the pod.
    if (network.hide_clients) {
      inet.AddRule(chain, published().Masquerade());
    } else {
      inet.AddRule(chain, published().SourcePrefix(subnet).Masquerade());
      if (!subnet.address.v6) inet.AddRule(chain, published().SourcePrefix(*ParsePrefix("127.0.0.0/8")).Masquerade());
    }
    if (!network.masquerade) continue;
    Prefix multicast = *ParsePrefix(subnet.address.v6 ? "ff00::/8" : "224.0.0.0/4");
    inet.AddRule(chain, Rule().SourcePrefix(subnet).NotToPrefix(subnet).NotToPrefix(multicast).Masquerade());
  }
}

// Makes what is missing of tables and networks' chains. Others may do the same at the same time.
Status AddMissing(NetlinkSocket& socket, const PodRules& rules) {
  for (int attempt = 0;; ++attempt) {
    auto chains = TRY(nft::ListChains(socket, NFPROTO_INET, kTable));
    auto has = [&](const std::string& chain) { return std::find(chains.begin(), chains.end(), chain) != chains.end(); };
    Transaction inet(NFPROTO_INET, kTable), bridge(NFPROTO_BRIDGE, kTable);
    if (!has("forward")) AddInetTable(inet);
    std::set<std::string> added;
    bool needs_bridge = false;
    for (const NetworkRules& network : rules.networks) {
      needs_bridge |= !network.bridge_port.empty();
      std::string chain = ChainOf(network);
      if (!has(chain) && added.insert(chain).second) AddNetworkChain(inet, network);
    }
    if (needs_bridge && TRY(nft::ListChains(socket, NFPROTO_BRIDGE, kTable)).empty()) AddBridgeTable(bridge);
    Status done = Transaction::Commit(socket, {&inet, &bridge});
    if (done || done.error().err() != EEXIST || attempt == 5) return done;
  }
}

const char* ProtocolName(uint8_t protocol) { return protocol == IPPROTO_UDP ? "udp" : "tcp"; }

bool IsPortSet(const std::string& set) { return set == "ports4" || set == "ports6" || set == "any4" || set == "any6"; }

// Bridges are shared: they stay until the interface has gone (PruneRules).
bool IsShared(const std::string& set) { return set == "bridges"; }

Status TryAdd(NetlinkSocket& socket, const std::vector<FamilyElement>& elements) {
  Transaction inet(NFPROTO_INET, kTable), bridge(NFPROTO_BRIDGE, kTable);
  for (const FamilyElement& item : elements) {
    bool port = IsPortSet(item.element.set);
    Transaction& transaction = item.family == NFPROTO_INET ? inet : bridge;
    transaction.AddElement(item.element, port,
                           StrCat("adding to the set ", item.element.set, " of the table ", kTable));
  }
  return Transaction::Commit(socket, {&inet, &bridge});
}

Status Delete(NetlinkSocket& socket, const std::vector<FamilyElement>& elements) {
  Transaction inet(NFPROTO_INET, kTable), bridge(NFPROTO_BRIDGE, kTable);
  for (const FamilyElement& item : elements) {
    (item.family == NFPROTO_INET ? inet : bridge).DeleteElement(item.element);
  }
  return Transaction::Commit(socket, {&inet, &bridge});
}

// Every element for which `wanted` says yes. A missing table has none.
Result<std::vector<FamilyElement>> Collect(NetlinkSocket& socket, const std::function<bool(const Element&)>& wanted) {
  std::vector<FamilyElement> found;
  auto collect = [&](uint8_t family, const char* set) -> Status {
    auto elements = nft::ListElements(socket, family, kTable, set);
    if (!elements) {
      if (elements.error().err() == ENOENT) return {};
      return std::move(elements).error();
    }
    for (Element& element : *elements) {
      if (wanted(element)) found.push_back({family, std::move(element)});
    }
    return {};
  };
  for (const char* set : kInetSets) TRY(collect(NFPROTO_INET, set));
  for (const char* set : kBridgeSets) TRY(collect(NFPROTO_BRIDGE, set));
  return found;
}

// The pod's addresses are leased to it: whatever else says something of them was left behind by a pod that is gone.
Status RemoveLeftovers(NetlinkSocket& socket, const PodRules& rules, const std::vector<FamilyElement>& elements) {
  auto same_key = [&](const Element& there) {
    return there.owner != rules.uuid && !IsPortSet(there.set) && !IsShared(there.set) &&
           std::any_of(elements.begin(), elements.end(), [&](const FamilyElement& ours) {
             return ours.element.set == there.set && ours.element.key == there.key;
           });
  };
  return Delete(socket, TRY(Collect(socket, same_key)));
}

}  // namespace

std::string ToText(const PortRule& rule) {
  std::string host = !rule.host ? "" : rule.host->v6 ? StrCat("[", ToText(*rule.host), "]:") : StrCat(ToText(*rule.host), ":");
  return StrCat(host, rule.host_port, "/", ProtocolName(rule.protocol));
}

std::vector<FamilyElement> ElementsOf(const PodRules& rules) {
  std::vector<FamilyElement> elements;
  auto inet = [&](Element element) {
    element.owner = rules.uuid;
    elements.push_back({NFPROTO_INET, std::move(element)});
  };
  auto bridge = [&](Element element) {
    element.owner = rules.uuid;
    elements.push_back({NFPROTO_BRIDGE, std::move(element)});
  };
  for (const NetworkRules& network : rules.networks) {
    bool own_link = network.check_sender;
    if (!network.link.empty() && !own_link) inet({.set = "bridges", .key = Key().Name(network.link).bytes()});
    for (const Address& address : network.addresses) {
      std::string ip = Key().Ip(address).bytes();
      if (network.closed && !own_link) inet({.set = Of("closed", address.v6), .key = ip});
      if (!network.closed && own_link) inet({.set = Of("open", address.v6), .key = ip});
    }
    if (network.bridge_port.empty()) continue;
    std::vector<Address> senders = network.addresses;
    if (std::any_of(senders.begin(), senders.end(), [](const Address& a) { return a.v6; })) {
      senders.push_back(LinkLocalFrom(network.pod_mac));
    }
    for (const Address& address : senders) {
      bridge({.set = Of("frames", address.v6), .key = Key().Name(network.bridge_port).Mac(network.pod_mac).Ip(address).bytes()});
    }
  }
  for (const PortRule& port : rules.ports) {
    bool v6 = port.pod.v6;
    Element element;
    element.set = Of(port.host ? "ports" : "any", v6);
    Key key;
    if (port.host) key.Ip(*port.host);
    element.key = key.Protocol(port.protocol).Port(port.host_port).bytes();
    element.data = Key().Ip(port.pod).Port(port.pod_port).bytes();
    inet(std::move(element));
  }
  return elements;
}

Status AddPodRules(NetlinkSocket& socket, const PodRules& rules) {
  std::vector<FamilyElement> elements = ElementsOf(rules);
  // Mostly everything is there.
  TRY(AddMissing(socket, rules));
  Status added = TryAdd(socket, elements);
  if (!added && (added.error().err() == EEXIST || added.error().err() == EBUSY)) {
    TRY(RemoveLeftovers(socket, rules, elements));
    added = TryAdd(socket, elements);
  }
  return added;
}

Status RemovePodRules(const PodRules& rules) {
  std::vector<FamilyElement> elements = ElementsOf(rules);
  std::erase_if(elements, [](const FamilyElement& item) { return IsShared(item.element.set); });
  if (elements.empty()) return {};
  auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  // Without netfilter there is nothing of ours in it.
  if (!socket) return {};
  Status deleted = Delete(*socket, elements);
  if (deleted) return deleted;
  return RemoveRulesOf(*socket, rules.uuid);
}

Status RemoveRulesOf(NetlinkSocket& socket, const std::string& uuid) {
  auto owned = [&](const Element& element) { return element.owner == uuid && !IsShared(element.set); };
  for (int attempt = 0; attempt < 3; ++attempt) {
    Status deleted = Delete(socket, TRY(Collect(socket, owned)));
    if (deleted || deleted.error().err() != ENOENT) return deleted;
  }
  return Err(Code::kBusy, "the rules of pod ", uuid, " keep changing");
}

Result<std::vector<OwnedPort>> ListPublishedPorts(NetlinkSocket& socket) {
  std::vector<OwnedPort> ports;
  for (bool v6 : {false, true}) {
    for (bool any : {false, true}) {
      auto elements = nft::ListElements(socket, NFPROTO_INET, kTable, Of(any ? "any" : "ports", v6));
      if (!elements && elements.error().err() == ENOENT) continue;
      if (!elements) return std::move(elements).error();
      size_t size = v6 ? 16 : 4;
      for (const Element& element : *elements) {
        size_t skip = any ? 0 : size;
        if (element.key.size() < skip + 8 || element.data.size() < size + 4) continue;
        OwnedPort port;
        port.owner = element.owner;
        if (!any) {
          port.rule.host.emplace();
          port.rule.host->v6 = v6;
          std::memcpy(port.rule.host->bytes.data(), element.key.data(), size);
        }
        auto number = [](const char* at) {
          return static_cast<uint16_t>(static_cast<uint8_t>(at[0]) << 8 | static_cast<uint8_t>(at[1]));
        };
        port.rule.protocol = static_cast<uint8_t>(element.key[skip]);
        port.rule.host_port = number(&element.key[skip + 4]);
        port.rule.pod.v6 = v6;
        std::memcpy(port.rule.pod.bytes.data(), element.data.data(), size);
        port.rule.pod_port = number(&element.data[size]);
        ports.push_back(port);
      }
    }
  }
  return ports;
}

Result<std::vector<std::string>> ListRuleOwners(NetlinkSocket& socket) {
  std::set<std::string> owners;
  auto all = TRY(Collect(socket, [](const Element& element) { return !IsShared(element.set); }));
  for (const FamilyElement& item : all) owners.insert(item.element.owner);
  return std::vector<std::string>(owners.begin(), owners.end());
}

Status PruneRules(NetlinkSocket& socket, const std::function<bool(const std::string&)>& in_use) {
  auto chains = TRY(nft::ListChains(socket, NFPROTO_INET, kTable));
  NetlinkSocket routes = TRY(NetlinkSocket::Open(NETLINK_ROUTE));
  auto links = TRY(ListLinks(routes));
  auto gone = [&](const Element& element) {
    return IsShared(element.set) && std::none_of(links.begin(), links.end(), [&](const LinkInfo& link) {
      return Key().Name(link.name).bytes() == element.key;
    });
  };
  TRY(Delete(socket, TRY(Collect(socket, gone))));
  bool any_used = false;
  for (const std::string& chain : chains) {
    if (!chain.starts_with(kNetworkChain)) continue;
    // "network-NAME-12345678"
    std::string name = chain.substr(sizeof kNetworkChain - 1, chain.size() - sizeof kNetworkChain - 8);
    if (in_use(name)) {
      any_used = true;
      continue;
    }
    Transaction inet(NFPROTO_INET, kTable);
    inet.FlushChain(chain);
    inet.DeleteChain(chain);
    Status deleted = Transaction::Commit(socket, {&inet});
    if (!deleted && deleted.error().err() != ENOENT) return deleted;
  }
  if (any_used) return {};
  for (uint8_t family : {NFPROTO_INET, NFPROTO_BRIDGE}) {
    auto left = TRY(Collect(socket, [](const Element&) { return true; }));
    bool used = std::any_of(left.begin(), left.end(), [&](const FamilyElement& item) { return item.family == family; });
    if (used || TRY(nft::ListChains(socket, family, kTable)).empty()) continue;
    Transaction table(family, kTable);
    table.DeleteTable();
    Status deleted = Transaction::Commit(socket, {&table});
    if (!deleted && deleted.error().err() != ENOENT) return deleted;
  }
  return {};
}

bool HasNfTables(NetlinkSocket& socket) {
  return nft::ListChains(socket, NFPROTO_INET, kTable).has_value();
}

}  // namespace rkt::network
