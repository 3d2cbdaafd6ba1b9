// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Configurations of networks: *.conf (one plugin) and *.conflist (a chain) of LOCALCONFIG/net.d and
// of stage1's etc/rkt/net.d, over the two that are compiled in. Checked strictly: an error names
// the file, the field and the rule.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "network/address.h"

namespace rkt::network {

// One range of a host-local IPAM section; start and end are included.
struct IpRange {
  Prefix subnet;
  Address first;
  Address last;
  Address gateway;
};
// A pod gets one address of each set.
using RangeSet = std::vector<IpRange>;

struct Route {
  Prefix destination;
  std::optional<Address> gateway;  // none: the network's gateway
};

struct DnsConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::string domain;
  bool empty() const {
    return nameservers.empty() && search.empty() && options.empty() && domain.empty();
  }
};

// A search domain, option or domain that is no word (empty, with blanks or control characters) and
// so could not stand in a line of resolv.conf, or would begin another one. Nothing where all are.
std::optional<std::string> WrongDnsWord(const DnsConfig& dns);

// A network whose type is built in: everything the engine needs, checked.
struct EngineConfig {
  enum class Type { kPtp, kBridge, kMacvlan };
  enum class MacvlanMode { kBridge, kPrivate, kVepa, kPassthru };
  Type type = Type::kPtp;
  bool ip_masq = false;
  int mtu = 0;                      // 0: the kernel's choice
  std::string bridge;               // bridge: name of the interface, "cni0" unless said
  bool is_gateway = false;          // bridge: it has the gateway's address
  bool is_default_gateway = false;  // bridge: and the pod a default route to it
  bool force_address = false;       // bridge: another address of the family is replaced
  bool hairpin = false;             // bridge
  std::string master;               // macvlan: empty is the interface of the default route
  MacvlanMode macvlan_mode = MacvlanMode::kBridge;
  std::vector<RangeSet> ranges;
  std::vector<Route> routes;
  std::string lease_dir;  // empty: Paths::leases
  DnsConfig dns;
  // Whether anything else than published ports may be reached from outside (field "inbound", ours;
  // default false).
  bool inbound = false;
};

struct PluginConfig {
  std::string type;
  json::Value config;   // the object of the file, name and cniVersion not yet put in
  std::string program;  // absolute path of the plugin, see FindPlugins
};

struct NetworkConfig {
  std::string name;
  std::string file;         // "10-mynet.conf": orders networks, and is its name in POD/net
  std::string path;         // where it was read; empty: compiled in
  std::string text;         // byte for byte
  std::string cni_version;  // "0.1.0" where the file does not say
  bool is_list = false;
  bool disable_check = false;
  std::vector<PluginConfig> plugins;   // one for *.conf
  std::optional<EngineConfig> engine;  // set: the engine does it, no plugin runs

  bool built_in() const { return path.empty(); }
};

struct ConfigSources {
  std::string local_dir;   // LOCALCONFIG/net.d
  std::string stage1_dir;  // S1/etc/rkt/net.d; may be missing
  // A plugin found here goes before a built-in type of the same name.
  std::vector<std::string> plugin_dirs;
  // Searched for types that are not built in.
  std::vector<std::string> system_plugin_dirs;
};

// One configuration. `path` is for messages and stored; `file` is its base name.
Result<NetworkConfig> ParseNetworkConfig(std::string_view text, const std::string& path);

// Chooses engine or plugins for a parsed configuration: a single plugin of type ptp, bridge or
// macvlan with IPAM host-local is the engine's, unless a program of that name lies in plugin_dirs,
// the file says "engine": "plugin", or it uses a field that only the plugin knows and the plugin is
// installed. "engine": "rkt" asks for the engine and makes every field it does not know an error.
// kNotFound names the plugin and the directories searched.
Status ChooseEngine(NetworkConfig& config, const ConfigSources& sources);

// Every network by name, sorted by file name: what is in local_dir goes before stage1_dir before
// what is compiled in; within a directory the first file of a name. A file that cannot be parsed is
// an error naming it. ChooseEngine is left to the caller, who calls it for the networks that are
// used.
Result<std::vector<NetworkConfig>> LoadNetworkConfigs(const ConfigSources& sources);

// The two compiled-in files, "default" and "default-restricted".
std::vector<NetworkConfig> BuiltInNetworks();

}  // namespace rkt::network
