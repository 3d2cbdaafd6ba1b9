// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/ruleset.h"

#include <netinet/in.h>
// The kernel's headers give way to the library's only behind them.
#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "network/links.h"
#include "network/ruleset_tables.h"

namespace rkt::network {

namespace {

using nft::Element;
using nft::Key;
using nft::Transaction;

constexpr const char* kInetSets[] = {"bridges", "ports4",  "ports6", "any4", "any6",
                                     "closed4", "closed6", "open4",  "open6"};
constexpr const char* kBridgeSets[] = {"frames4", "frames6"};

// Makes what is missing of tables and networks' chains. Others may do the same at the same time.
Status AddMissing(NetlinkSocket& socket, const PodRules& rules) {
  for (int attempt = 0;; ++attempt) {
    auto chains = TRY(nft::ListChains(socket, NFPROTO_INET, kTable));
    auto has = [&](const std::string& chain) {
      return std::find(chains.begin(), chains.end(), chain) != chains.end();
    };
    Transaction inet(NFPROTO_INET, kTable), bridge(NFPROTO_BRIDGE, kTable);
    if (!has("forward")) AddInetTable(inet);
    std::set<std::string> added;
    bool needs_bridge = false;
    for (const NetworkRules& network : rules.networks) {
      needs_bridge |= !network.bridge_port.empty();
      std::string chain = ChainOf(network);
      if (!has(chain) && added.insert(chain).second) AddNetworkChain(inet, network);
    }
    if (needs_bridge && TRY(nft::ListChains(socket, NFPROTO_BRIDGE, kTable)).empty())
      AddBridgeTable(bridge);
    Status done = Transaction::Commit(socket, {&inet, &bridge});
    if (done || done.error().err() != EEXIST || attempt == 5) return done;
  }
}

const char* ProtocolName(uint8_t protocol) { return protocol == IPPROTO_UDP ? "udp" : "tcp"; }

bool IsPortSet(const std::string& set) {
  return set == "ports4" || set == "ports6" || set == "any4" || set == "any6";
}

// Bridges are shared: they stay until the interface has gone (PruneRules).
bool IsShared(const std::string& set) { return set == "bridges"; }

Status TryAdd(NetlinkSocket& socket, const std::vector<FamilyElement>& elements) {
  Transaction inet(NFPROTO_INET, kTable), bridge(NFPROTO_BRIDGE, kTable);
  for (const FamilyElement& item : elements) {
    bool port = IsPortSet(item.element.set);
    Transaction& transaction = item.family == NFPROTO_INET ? inet : bridge;
    transaction.AddElement(
        item.element, port,
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
Result<std::vector<FamilyElement>> Collect(NetlinkSocket& socket,
                                           const std::function<bool(const Element&)>& wanted) {
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

// The pod's addresses are leased to it: whatever else says something of them was left behind by a
// pod that is gone.
Status RemoveLeftovers(NetlinkSocket& socket, const PodRules& rules,
                       const std::vector<FamilyElement>& elements) {
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
  std::string host = !rule.host      ? ""
                     : rule.host->v6 ? StrCat("[", ToText(*rule.host), "]:")
                                     : StrCat(ToText(*rule.host), ":");
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
    if (!network.link.empty() && !own_link)
      inet({.set = "bridges", .key = Key().Name(network.link).bytes()});
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
      bridge({.set = Of("frames", address.v6),
              .key = Key().Name(network.bridge_port).Mac(network.pod_mac).Ip(address).bytes()});
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

Status AddFrameRules(const PodRules& rules) {
  std::vector<FamilyElement> elements = ElementsOf(rules);
  std::erase_if(elements, [](const FamilyElement& item) { return item.family != NFPROTO_BRIDGE; });
  if (elements.empty()) return {};
  auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!socket || !HasNfTables(*socket)) return {};
  auto chains = nft::ListChains(*socket, NFPROTO_BRIDGE, kTable);
  if (!chains) return {};
  for (int attempt = 0; chains->empty(); ++attempt) {
    Transaction bridge(NFPROTO_BRIDGE, kTable);
    AddBridgeTable(bridge);
    Status made = Transaction::Commit(*socket, {&bridge});
    if (made) break;
    // Without the family there is no table of it that could drop anything.
    if (made.error().err() == EAFNOSUPPORT || made.error().err() == EOPNOTSUPP) return {};
    if (made.error().err() != EEXIST || attempt == 5) return made;
    *chains = TRY(nft::ListChains(*socket, NFPROTO_BRIDGE, kTable));
  }
  Status added = TryAdd(*socket, elements);
  if (!added && (added.error().err() == EEXIST || added.error().err() == EBUSY)) {
    TRY(RemoveLeftovers(*socket, rules, elements));
    added = TryAdd(*socket, elements);
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
  auto owned = [&](const Element& element) {
    return element.owner == uuid && !IsShared(element.set);
  };
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
      auto elements =
          nft::ListElements(socket, NFPROTO_INET, kTable, Of(any ? "any" : "ports", v6));
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
          return static_cast<uint16_t>(static_cast<uint8_t>(at[0]) << 8 |
                                       static_cast<uint8_t>(at[1]));
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
    return IsShared(element.set) &&
           std::none_of(links.begin(), links.end(), [&](const LinkInfo& link) {
             return Key().Name(link.name).bytes() == element.key;
           });
  };
  TRY(Delete(socket, TRY(Collect(socket, gone))));
  bool any_used = false;
  for (const std::string& chain : chains) {
    if (!chain.starts_with(kNetworkChain)) continue;
    // "network-NAME-12345678"
    std::string name =
        chain.substr(sizeof kNetworkChain - 1, chain.size() - sizeof kNetworkChain - 8);
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
    bool used = std::any_of(left.begin(), left.end(),
                            [&](const FamilyElement& item) { return item.family == family; });
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
