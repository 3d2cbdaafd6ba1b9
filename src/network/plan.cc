// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/plan.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include <algorithm>

#include "base/file.h"
#include "network/cni.h"
#include "network/holders.h"
#include "network/iptables.h"
#include "network/ports.h"

namespace rkt::network {

namespace {

std::string TextOf(const json::Value& object, std::string_view key) {
  const json::Value* value = object.Find(key);
  return value != nullptr && value->is_string() ? value->text() : "";
}

// Exactly the networks that were asked for, or all.
Result<std::vector<NetworkConfig>> Chosen(std::vector<NetworkConfig> all, const NetworkList& list) {
  if (list.mode == NetworkList::Mode::kNamed) {
    std::vector<std::string> missing;
    for (const NetworkChoice& choice : list.choices) {
      bool known = std::any_of(all.begin(), all.end(),
                               [&](const NetworkConfig& c) { return c.name == choice.name; });
      if (!known) missing.push_back(choice.name);
    }
    if (!missing.empty()) return Err(Code::kNotFound, "networks not found: ", Join(missing, ", "));
    std::erase_if(all,
                  [&](const NetworkConfig& config) { return list.Find(config.name) == nullptr; });
  }
  return all;
}

// The highest version that the configuration offers and we speak.
Status ChooseVersion(NetworkConfig& config) {
  if (config.engine) return {};
  std::string best = IsSupportedCniVersion(config.cni_version) ? config.cni_version : "";
  auto root = json::Parse(config.text);
  const json::Value* offered = root ? root->Find("cniVersions") : nullptr;
  for (size_t i = 0; offered != nullptr && offered->is_array() && i < offered->items().size();
       ++i) {
    const json::Value& item = offered->items()[i];
    if (item.is_string() && IsSupportedCniVersion(item.text()) &&
        (best.empty() || CompareVersions(item.text(), best) > 0))
      best = item.text();
  }
  if (best.empty()) {
    return Err(Code::kUnsupported, "network configuration ", config.path,
               ": field \"cniVersion\": ", Quote(config.cni_version), " is not supported, only ",
               Join(SupportedCniVersions(), ", "));
  }
  config.cni_version = best;
  return {};
}

size_t PortTarget(const std::vector<NetworkConfig>& networks) {
  for (size_t i = 0; i < networks.size(); ++i) {
    if (Masquerades(networks[i])) return i;
  }
  return networks.empty() ? 0 : networks.size() - 1;
}

Status CheckPorts(PlannedNetworks& planned) {
  TRY(CheckHostPorts(planned.ports));
  const NetworkRequest& request = planned.request;
  return CheckOtherPods(
      planned.ports, TRY(ListPorts(planned.backend)), request.uuid,
      [&](const std::string& owner) { return IsGone(request.paths, request.pod_path, owner); });
}

}  // namespace

ConfigSources SourcesFor(const std::string& local_config, const std::string& pod_path,
                         const Paths& paths) {
  ConfigSources sources;
  sources.local_dir = StrCat(local_config, "/net.d");
  sources.stage1_dir = StrCat(pod_path, "/", kStage1ConfigDir);
  sources.plugin_dirs = {sources.local_dir, paths.rkt_plugins,
                         StrCat(pod_path, "/", kStage1PluginDir)};
  sources.system_plugin_dirs = paths.system_plugins;
  return sources;
}

std::vector<std::string> PluginPath(const ConfigSources& sources) {
  std::vector<std::string> path = sources.plugin_dirs;
  path.insert(path.end(), sources.system_plugin_dirs.begin(), sources.system_plugin_dirs.end());
  return path;
}

bool Masquerades(const NetworkConfig& config) {
  if (config.engine) return config.engine->ip_masq;
  return std::any_of(config.plugins.begin(), config.plugins.end(), [](const PluginConfig& plugin) {
    const json::Value* value = plugin.config.Find("ipMasq");
    return value != nullptr && value->is_bool() && value->boolean();
  });
}

Result<Backend> ChooseBackend(const std::vector<NetworkConfig>& networks) {
  std::string asked;
  for (const NetworkConfig& config : networks) {
    if (!config.engine) continue;
    std::string backend = TextOf(config.plugins[0].config, "ipMasqBackend");
    if (!backend.empty() && asked.empty()) asked = backend;
  }
  if (asked == "iptables") return Backend::kIptables;
  if (asked == "nftables") return Backend::kNftables;
  auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
  if (!socket || !HasNfTables(*socket)) {
    if (HasIptables()) return Backend::kIptables;
    return Err(Code::kUnsupported, "the kernel has no nf_tables, and there is no iptables-restore");
  }
  for (uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    if (nft::ChainDrops(*socket, family, "filter", "FORWARD") && HasIptables())
      return Backend::kIptables;
  }
  auto legacy = ReadFile("/proc/net/ip_tables_names", 4096);
  if (legacy && !Trim(*legacy).empty() && HasIptables()) return Backend::kIptables;
  return Backend::kNftables;
}

Result<std::vector<OwnedPort>> ListPorts(Backend backend) {
  if (backend == Backend::kIptables) return ListIptablesPorts();
  NetlinkSocket socket = TRY(NetlinkSocket::Open(NETLINK_NETFILTER));
  return ListPublishedPorts(socket);
}

bool IsGone(const Paths& paths, const std::string& pod_path, const std::string& owner) {
  HolderCheck check = HoldersOf(paths, pod_path);
  // Every pod with rules has left a link; with iptables only the beginning of the UUID is known.
  if (owner.size() == 36) return check(owner) != HolderState::kAlive;
  auto links = ListDirAt(AT_FDCWD, StrCat(paths.run, "/pods"));
  return !links || std::none_of(links->begin(), links->end(), [&](const DirEntry& link) {
    return link.name.starts_with(owner) && check(link.name) == HolderState::kAlive;
  });
}

NetworkPlan::NetworkPlan(std::unique_ptr<PlannedNetworks> planned) : planned_(std::move(planned)) {}
NetworkPlan::NetworkPlan(NetworkPlan&&) noexcept = default;
NetworkPlan& NetworkPlan::operator=(NetworkPlan&&) noexcept = default;
NetworkPlan::~NetworkPlan() = default;
NetworkPlan::Mode NetworkPlan::mode() const { return planned_->list.mode; }

Result<NetworkPlan> PlanNetworks(const NetworkRequest& request) {
  auto planned = std::make_unique<PlannedNetworks>();
  planned->request = request;
  planned->list = TRY(ParseNetworkList(request.net));
  planned->sources = SourcesFor(request.local_config, request.pod_path, request.paths);
  using Mode = NetworkList::Mode;
  if (planned->list.mode == Mode::kHost) return NetworkPlan(std::move(planned));
  planned->ports = TRY(SpreadPorts(request.ports));
  if (planned->list.mode == Mode::kNone) {
    if (!planned->ports.empty())
      return Err(Code::kInvalid, "ports cannot be published: no networks found");
    return NetworkPlan(std::move(planned));
  }
  planned->networks = TRY(Chosen(TRY(LoadNetworkConfigs(planned->sources)), planned->list));
  if (planned->networks.size() > 100)
    return Err(Code::kInvalid, "a pod cannot be in more than 100 networks");
  bool engine = false;
  for (NetworkConfig& config : planned->networks) {
    TRY(ChooseEngine(config, planned->sources));
    TRY(ChooseVersion(config));
    engine |= config.engine.has_value();
  }
  planned->port_target = PortTarget(planned->networks);
  if (!planned->ports.empty())
    planned->plugin_ports = HasCapability(planned->networks[planned->port_target], "portMappings");
  if (engine || !planned->ports.empty()) planned->backend = TRY(ChooseBackend(planned->networks));
  if (!planned->ports.empty()) TRY(CheckPorts(*planned));
  return NetworkPlan(std::move(planned));
}

}  // namespace rkt::network
