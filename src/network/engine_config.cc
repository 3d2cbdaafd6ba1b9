// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The fields of the built-in types ptp, bridge and macvlan and of host-local IPAM; they are those
// of the CNI plugins of the same names.

#include <algorithm>

#include "base/file.h"
#include "network/config.h"
#include "network/config_reader.h"

namespace rkt::network {

namespace {

// IFNAMSIZ without the NUL; what the kernel refuses in a name besides.
bool IsInterfaceName(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         name.find_first_of("/: \t\n\r\v\f") == std::string_view::npos;
}

void ReadInterfaceName(ConfigReader& reader, std::string_view key, std::string& name) {
  std::string text = reader.Text(key);
  if (text.empty()) return;
  if (!IsInterfaceName(text)) {
    reader.Complain(
        key, StrCat(Quote(text),
                    " cannot be an interface's name (at most 15 characters, no '/', ':', spaces)"));
  }
  name = text;
}

void ReadRange(ConfigReader& reader, RangeSet& set) {
  auto subnet = reader.Subnet("subnet");
  auto first = reader.Ip("rangeStart");
  auto last = reader.Ip("rangeEnd");
  auto gateway = reader.Ip("gateway");
  if (reader.failed()) return;
  if (!subnet) return reader.Complain("subnet", "is missing");
  IpRange range;
  range.subnet = subnet->Masked();
  if (range.subnet.address != subnet->address) {
    return reader.Complain("subnet", StrCat(ToText(*subnet), " has host bits set; ",
                                            ToText(range.subnet), " has not"));
  }
  if (subnet->length > subnet->address.bits() - 2) {
    return reader.Complain("subnet", StrCat(ToText(*subnet), " is too small to allocate from"));
  }
  range.first = Next(range.subnet.address);
  range.last = range.subnet.Last();
  // The last address of an IPv4 subnet is for broadcasts.
  if (!range.last.v6) range.last.bytes[3] = static_cast<uint8_t>(range.last.bytes[3] - 1);
  range.gateway = gateway.value_or(range.first);
  if (gateway && !range.subnet.Contains(*gateway)) {
    return reader.Complain(
        "gateway", StrCat(ToText(*gateway), " lies outside of the subnet ", ToText(range.subnet)));
  }
  for (auto [key, address, target] :
       {std::tuple("rangeStart", first, &range.first), {"rangeEnd", last, &range.last}}) {
    if (!address) continue;
    if (!range.subnet.Contains(*address)) {
      return reader.Complain(
          key, StrCat(ToText(*address), " lies outside of the subnet ", ToText(range.subnet)));
    }
    *target = *address;
  }
  if (range.last < range.first) {
    return reader.Complain(
        "rangeStart", StrCat(ToText(range.first), " lies behind rangeEnd ", ToText(range.last)));
  }
  for (const IpRange& other : set) {
    if (other.subnet.address.v6 != range.subnet.address.v6) {
      return reader.Complain("subnet", "the ranges of one set must be of one address family");
    }
    if (!(other.last < range.first) && !(range.last < other.first)) {
      return reader.Complain(
          "subnet", StrCat("overlaps the range ", ToText(other.first), " to ", ToText(other.last)));
    }
  }
  set.push_back(range);
}

Status ReadRanges(ConfigReader& ipam, EngineConfig& engine) {
  const json::Value* sets = ipam.Member("ranges", json::Type::kArray);
  const json::Value* subnet = ipam.Member("subnet", json::Type::kString);
  if (subnet != nullptr) {
    RangeSet set;
    ReadRange(ipam, set);
    engine.ranges.push_back(std::move(set));
  }
  for (size_t i = 0; sets != nullptr && i < sets->items().size(); ++i) {
    const json::Value& items = sets->items()[i];
    std::string where = StrCat("ranges[", i, "]");
    if (!items.is_array() || items.items().empty()) {
      ipam.Complain(where, "must be an array of at least one range");
      break;
    }
    RangeSet set;
    for (size_t j = 0; j < items.items().size(); ++j) {
      std::string field = ipam.Field(StrCat(where, "[", j, "]"));
      if (!items.items()[j].is_object())
        return ConfigError(ipam.file(), field, "must be an object");
      ConfigReader range(items.items()[j], ipam.file(), field);
      ReadRange(range, set);
      TRY(range.status());
      if (auto unread = range.Unread())
        return ConfigError(ipam.file(), *unread, "is not a field of a range");
    }
    engine.ranges.push_back(std::move(set));
  }
  TRY(ipam.status());
  if (engine.ranges.empty()) ipam.Complain("subnet", "is missing, and there are no ranges");
  for (size_t i = 0; i < engine.ranges.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (const IpRange& a : engine.ranges[i]) {
        for (const IpRange& b : engine.ranges[j]) {
          if (a.subnet.Overlaps(b.subnet)) {
            ipam.Complain("ranges", StrCat(ToText(a.subnet), " and ", ToText(b.subnet),
                                           " of different sets overlap"));
          }
        }
      }
    }
  }
  return ipam.status();
}

Status ReadRoutes(ConfigReader& ipam, EngineConfig& engine) {
  const json::Value* routes = ipam.Member("routes", json::Type::kArray);
  for (size_t i = 0; routes != nullptr && i < routes->items().size(); ++i) {
    std::string field = ipam.Field(StrCat("routes[", i, "]"));
    if (!routes->items()[i].is_object())
      return ConfigError(ipam.file(), field, "must be an object");
    ConfigReader reader(routes->items()[i], ipam.file(), field);
    auto destination = reader.Subnet("dst");
    Route route;
    route.gateway = reader.Ip("gw");
    TRY(reader.status());
    if (!destination) return ConfigError(ipam.file(), StrCat(field, ".dst"), "is missing");
    if (auto unread = reader.Unread())
      return ConfigError(ipam.file(), *unread, "is not a field of a route");
    route.destination = destination->Masked();
    if (route.gateway && route.gateway->v6 != route.destination.address.v6) {
      return ConfigError(ipam.file(), StrCat(field, ".gw"),
                         "is of another address family than dst");
    }
    engine.routes.push_back(route);
  }
  return ipam.status();
}

// The DNS settings of a file like /etc/resolv.conf.
DnsConfig ReadResolvConf(std::string_view text) {
  DnsConfig dns;
  for (const std::string& line : Split(text, '\n')) {
    std::vector<std::string> words;
    for (const std::string& word : Split(ReplaceAll(Trim(line), "\t", " "), ' ')) {
      if (!word.empty()) words.push_back(word);
    }
    if (words.size() < 2) continue;
    std::vector<std::string> rest(words.begin() + 1, words.end());
    if (words[0] == "nameserver") dns.nameservers.push_back(rest[0]);
    if (words[0] == "domain") dns.domain = rest[0];
    if (words[0] == "search") dns.search = rest;
    if (words[0] == "options") dns.options = rest;
  }
  return dns;
}

Status ReadDns(ConfigReader& reader, EngineConfig& engine) {
  const json::Value* object = reader.Member("dns", json::Type::kObject);
  if (object == nullptr) return {};
  ConfigReader dns(*object, reader.file(), reader.Field("dns"));
  engine.dns = {dns.Texts("nameservers"), dns.Texts("search"), dns.Texts("options"),
                dns.Text("domain")};
  for (const std::string& server : engine.dns.nameservers) {
    if (!ParseAddress(server))
      dns.Complain("nameservers", StrCat(Quote(server), " is not an IP address"));
  }
  if (auto word = WrongDnsWord(engine.dns)) {
    const auto& search = engine.dns.search;
    bool in_search = std::find(search.begin(), search.end(), *word) != search.end();
    dns.Complain(in_search ? "search" : engine.dns.domain == *word ? "domain" : "options",
                 StrCat(Quote(*word), " is not a word that resolv.conf can hold"));
  }
  if (auto unread = dns.Unread())
    return ConfigError(reader.file(), *unread, "is not a field of dns");
  return dns.status();
}

Status ReadIpam(ConfigReader& reader, EngineConfig& engine, std::optional<std::string>* unknown) {
  const json::Value* object = reader.Member("ipam", json::Type::kObject);
  if (object == nullptr) {
    reader.Complain("ipam", "is missing");
    return reader.status();
  }
  ConfigReader ipam(*object, reader.file(), reader.Field("ipam"));
  std::string type = ipam.Text("type");
  TRY(ipam.status());
  if (type != "host-local") {
    *unknown = StrCat(ipam.Field("type"), "=", type);
    return {};
  }
  TRY(ReadRanges(ipam, engine));
  TRY(ReadRoutes(ipam, engine));
  if (engine.dns.empty()) {
    std::string file = ipam.Text("resolvConf");
    if (!file.empty())
      engine.dns = ReadResolvConf(
          TRY_CTX(ReadFile(file, 1 << 16), "field ", Quote(ipam.Field("resolvConf"))));
  }
  engine.lease_dir = ipam.Text("dataDir");
  if (!engine.lease_dir.empty() && engine.lease_dir[0] != '/')
    ipam.Complain("dataDir", "must be an absolute path");
  TRY(ipam.status());
  if (auto unread = ipam.Unread()) *unknown = *unread;
  return {};
}

void ReadBridge(ConfigReader& reader, EngineConfig& engine) {
  engine.type = EngineConfig::Type::kBridge;
  engine.bridge = "cni0";
  ReadInterfaceName(reader, "bridge", engine.bridge);
  engine.is_default_gateway = reader.Bool("isDefaultGateway");
  engine.is_gateway = reader.Bool("isGateway") || engine.is_default_gateway;
  engine.force_address = reader.Bool("forceAddress");
  engine.hairpin = reader.Bool("hairpinMode");
  engine.ip_masq = reader.Bool("ipMasq");
}

void ReadMacvlan(ConfigReader& reader, EngineConfig& engine) {
  engine.type = EngineConfig::Type::kMacvlan;
  ReadInterfaceName(reader, "master", engine.master);
  std::string mode = reader.Text("mode");
  using Mode = EngineConfig::MacvlanMode;
  if (mode.empty() || mode == "bridge") {
    engine.macvlan_mode = Mode::kBridge;
  } else if (mode == "private") {
    engine.macvlan_mode = Mode::kPrivate;
  } else if (mode == "vepa") {
    engine.macvlan_mode = Mode::kVepa;
  } else if (mode == "passthru") {
    engine.macvlan_mode = Mode::kPassthru;
  } else {
    reader.Complain("mode", StrCat(Quote(mode), " is none of bridge, private, vepa, passthru"));
  }
}

}  // namespace

Result<EngineConfig> ReadEngineConfig(const NetworkConfig& config,
                                      std::optional<std::string>* unknown) {
  EngineConfig engine;
  const PluginConfig& plugin = config.plugins.at(0);
  std::string file = config.built_in() ? StrCat("(built in) ", config.file) : config.path;
  ConfigReader reader(plugin.config, file, config.is_list ? "plugins[0]" : "");
  for (const char* common : {"name", "cniVersion", "type", "engine", "capabilities", "args",
                             "disableCheck", "ipMasqBackend"}) {
    reader.Skip(common);
  }
  if (plugin.type == "bridge") {
    ReadBridge(reader, engine);
  } else if (plugin.type == "macvlan") {
    ReadMacvlan(reader, engine);
  } else {
    engine.ip_masq = reader.Bool("ipMasq");
  }
  engine.mtu = static_cast<int>(reader.Number("mtu", 0, 65535));
  engine.inbound = reader.Bool("inbound");
  TRY(reader.status());
  TRY(ReadDns(reader, engine));
  TRY(ReadIpam(reader, engine, unknown));
  TRY(reader.status());
  if (auto unread = reader.Unread()) *unknown = *unread;
  return engine;
}

}  // namespace rkt::network
