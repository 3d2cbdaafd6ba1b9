// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/ruleset_tables.h"

#include <netinet/in.h>
// The kernel's headers give way to the library's only behind them.
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>

#include "base/hash.h"

namespace rkt::network {

namespace {

using nft::BaseChain;
using nft::Rule;
using nft::Transaction;

// Types of nft(8), by which it prints keys; several make one by six bits each.
constexpr uint32_t kIp4 = 7, kIp6 = 8, kEther = 9, kProtocol = 12, kPort = 13, kName = 41;
constexpr uint32_t Types(std::initializer_list<uint32_t> types) {
  uint32_t all = 0;
  for (uint32_t type : types) all = all << 6 | type;
  return all;
}

// ICMPv6 types that would steer a neighbour.
constexpr uint8_t kRouterAdvertisement = 134, kNeighbourSolicitation = 135,
                  kNeighbourAdvertisement = 136, kRedirect = 137;

// The host's end of a pod: its name's beginning is enough.
Rule& FromPod(Rule& rule) {
  return rule.Meta(NFT_META_IIFNAME, 0).Equal(0, kLinkPrefix, sizeof kLinkPrefix - 1);
}
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
    inet.AddSet(
        {Of("ports", v6), Types({ip, kProtocol, kPort}), size + 8, Types({ip, kPort}), size + 4});
    inet.AddSet({Of("any", v6), Types({kProtocol, kPort}), 8, Types({ip, kPort}), size + 4});
    inet.AddSet({Of("closed", v6), ip, size});
    inet.AddSet({Of("open", v6), ip, size});
  }
}

// What a pod may send, at the earliest hook, before connections are looked up: replies that the
// host's own services on loopback wait for are still addressed to the host here. Every packet of
// every pod goes through it: those of others leave after two rules, those of pods after five.
void AddSenderChecks(Transaction& inet) {
  for (const char* chain : {"from-pod6", "from-bridge6", "from-pod", "from-bridge"})
    inet.AddChain(chain);
  inet.AddChain("from-pods", BaseChain{"filter", NF_INET_PRE_ROUTING, -300});
  for (const char* chain : {"from-pod6", "from-bridge6"}) {
    for (uint8_t type : {kRouterAdvertisement, kRedirect}) {
      Rule steering;
      inet.AddRule(chain, IcmpType(steering, type).Verdict(NF_DROP));
    }
  }
  // Finding each other on the link may come from no address, and concerns that link alone.
  for (uint8_t type : {kNeighbourSolicitation, kNeighbourAdvertisement}) {
    Rule neighbours;
    inet.AddRule("from-pod6", IcmpType(neighbours, type).Verdict(NF_ACCEPT));
  }
  for (auto [chain, chain6] : {std::pair("from-pod", "from-pod6"), {"from-bridge", "from-bridge6"}}) {
    inet.AddRule(chain, Rule().DestinationPrefix(*ParsePrefix("127.0.0.0/8")).Verdict(NF_DROP));
    inet.AddRule(chain, Rule().Ipv6().Verdict(NFT_JUMP, chain6));
  }
  // Only the pod's own addresses have a route to that interface.
  uint32_t none = 0;
  inet.AddRule("from-pod", Rule().SourceRoute(0).Equal(0, &none, sizeof none).Verdict(NF_DROP));
  Rule pod, bridge;
  inet.AddRule("from-pods", FromPod(pod).Verdict(NFT_JUMP, "from-pod"));
  inet.AddRule("from-pods", FromBridge(bridge).Verdict(NFT_JUMP, "from-bridge"));
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
    inet.AddRule(
        chain, Rule().DestinationType(0).Equal(0, &local, sizeof local).Verdict(NFT_JUMP, "ports"));
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

Rule& EtherType(Rule& rule, uint16_t type) {
  uint16_t big = htons(type);
  return rule.Meta(NFT_META_PROTOCOL, 0).Equal(0, &big, sizeof big);
}

}  // namespace

std::string Of(const char* set, bool v6) { return StrCat(set, v6 ? "6" : "4"); }

std::string ChainOf(const NetworkRules& network) {
  std::string parameters =
      StrCat(network.masquerade ? "masquerade" : "", network.hide_clients ? " hide" : "");
  for (const Prefix& subnet : network.subnets) parameters += StrCat(" ", ToText(subnet));
  return StrCat(kNetworkChain, network.network, "-",
                std::string_view(Sha512Hex(parameters)).substr(0, 8));
}

void AddInetTable(Transaction& inet) {
  inet.AddTable();
  AddSets(inet);
  AddSenderChecks(inet);
  AddPortChains(inet);
  AddForwardChains(inet);
}

// Frames of the bridges' ports: nothing but IP and ARP, and only with the pod's own addresses in
// them.
void AddBridgeTable(Transaction& bridge) {
  bridge.AddTable();
  bridge.AddSet({"frames4", Types({kName, kEther, kIp4}), 28});
  bridge.AddSet({"frames6", Types({kName, kEther, kIp6}), 40});
  bridge.AddChain("check-frame");
  auto sender = [](Rule& rule) -> Rule& {
    return rule.Meta(NFT_META_IIFNAME, 0).Payload(NFT_PAYLOAD_LL_HEADER, 6, 6, 4);
  };
  Rule ip4;
  bridge.AddRule(
      "check-frame",
      sender(EtherType(ip4, ETH_P_IP)).SourceIp(false, 6).In("frames4", 0).Verdict(NFT_RETURN));
  // ARP: hardware address at byte 8, protocol address at 14.
  Rule arp;
  bridge.AddRule("check-frame", EtherType(arp, ETH_P_ARP)
                                    .Meta(NFT_META_IIFNAME, 0)
                                    .Payload(NFT_PAYLOAD_NETWORK_HEADER, 8, 6, 4)
                                    .Payload(NFT_PAYLOAD_NETWORK_HEADER, 14, 4, 6)
                                    .In("frames4", 0)
                                    .Verdict(NFT_RETURN));
  auto icmp_type = [&](Rule& rule, uint8_t type) -> Rule& {
    return IcmpType(EtherType(rule, ETH_P_IPV6), type);
  };
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
  bridge.AddRule(
      "check-frame",
      sender(EtherType(ip6, ETH_P_IPV6)).SourceIp(true, 6).In("frames6", 0).Verdict(NFT_RETURN));
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
    // A neighbour or the pod itself would get answers past the host, and 127.0.0.1 is another host
    // to the pod.
    if (network.hide_clients) {
      inet.AddRule(chain, published().Masquerade());
    } else {
      inet.AddRule(chain, published().SourcePrefix(subnet).Masquerade());
      if (!subnet.address.v6)
        inet.AddRule(chain, published().SourcePrefix(*ParsePrefix("127.0.0.0/8")).Masquerade());
    }
    if (!network.masquerade) continue;
    Prefix multicast = *ParsePrefix(subnet.address.v6 ? "ff00::/8" : "224.0.0.0/4");
    inet.AddRule(
        chain, Rule().SourcePrefix(subnet).NotToPrefix(subnet).NotToPrefix(multicast).Masquerade());
  }
}

}  // namespace rkt::network
