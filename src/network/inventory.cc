// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/inventory.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"
#include "base/uuid.h"
#include "network/applied.h"
#include "network/cni.h"
#include "network/engine.h"
#include "network/holders.h"
#include "network/iptables.h"
#include "network/lease.h"
#include "network/links.h"
#include "network/names.h"
#include "network/plan.h"
#include "network/take_down.h"

namespace rkt::network {

namespace {

// A path beside which pods of the data directory are found.
std::string AnyPod(const InventoryRequest& request) {
  return StrCat(request.data_dir, "/pods/run/none");
}

ConfigSources Sources(const InventoryRequest& request) {
  ConfigSources sources = SourcesFor(request.local_config, AnyPod(request), request.paths);
  sources.stage1_dir.clear();
  return sources;
}

// Every pod that has left a link, with its record where that can be read.
struct Holder {
  std::string uuid;
  std::string path;  // empty: the directory is gone
  bool running = false;
  std::optional<Applied> applied;
};
std::vector<Holder> ListHolders(const InventoryRequest& request) {
  std::vector<Holder> holders;
  std::string dir = StrCat(request.paths.run, "/pods");
  auto links = ListDirAt(AT_FDCWD, dir);
  if (!links) return holders;
  HolderCheck check = HoldersOf(request.paths, AnyPod(request));
  for (const DirEntry& link : *links) {
    char target[PATH_MAX];
    ssize_t n = ::readlink(StrCat(dir, "/", link.name).c_str(), target, sizeof target - 1);
    if (n <= 0 || !IsUuid(link.name)) continue;
    Holder holder;
    holder.uuid = link.name;
    holder.path = FindPod(std::string(target, static_cast<size_t>(n)), link.name);
    holder.running = check(link.name) == HolderState::kAlive;
    auto text = holder.path.empty() ? Result<std::string>(Err(Code::kNotFound, ""))
                                    : ReadFile(StrCat(holder.path, "/", kAppliedFile));
    auto applied = text ? ParseApplied(*text) : Result<Applied>(text.error());
    if (applied) holder.applied = *std::move(applied);
    holders.push_back(std::move(holder));
  }
  return holders;
}

const AppliedNetwork* In(const Holder& holder, const std::string& network) {
  if (!holder.applied) return nullptr;
  for (const AppliedNetwork& applied : holder.applied->networks) {
    if (applied.name == network) return &applied;
  }
  return nullptr;
}

NetworkSummary Summarize(NetworkConfig& config, const ConfigSources& sources,
                         const std::vector<Holder>& holders) {
  NetworkSummary summary;
  summary.name = config.name;
  summary.path = config.path;
  for (const PluginConfig& plugin : config.plugins) summary.types.push_back(plugin.type);
  Status chosen = ChooseEngine(config, sources);
  if (!chosen) summary.problem = chosen.error().Text();
  summary.built_in_type = config.engine.has_value();
  summary.masquerades = Masquerades(config);
  if (config.engine) {
    for (const RangeSet& set : config.engine->ranges) {
      for (const IpRange& range : set) summary.subnets.push_back(range.subnet);
    }
  }
  for (const Holder& holder : holders)
    summary.pods += holder.running && In(holder, config.name) != nullptr;
  return summary;
}

class Pruner {
 public:
  explicit Pruner(const InventoryRequest& request)
      : request_(request),
        check_(HoldersOf(request.paths, AnyPod(request))),
        holders_(ListHolders(request)) {}

  Result<PruneReport> Run() {
    for (const Holder& holder : holders_) {
      if (!holder.running) Collect(holder);
    }
    Leases();
    Names();
    Results();
    // Who came since the list was made has a link by now.
    holders_ = ListHolders(request_);
    Bridges();
    Rules();
    CollectPluginGarbage();
    return std::move(report_);
  }

 private:
  bool Try(Status status) {
    if (status) return true;
    report_.problems.push_back(std::move(status).error());
    return false;
  }
  void Removed(std::string what) { report_.removed.push_back(std::move(what)); }

  bool InUse(const std::string& network) const {
    return std::any_of(holders_.begin(), holders_.end(), [&](const Holder& holder) {
      // A running pod whose record cannot be read may use anything.
      return holder.running && (!holder.applied || In(holder, network) != nullptr);
    });
  }

  // A pod that has ended without giving everything back.
  void Collect(const Holder& holder) {
    if (!holder.path.empty()) {
      TakeDownRequest down{holder.uuid, holder.path, "", Sources(request_), request_.paths, false};
      if (Try(TakeDown(down))) {
        Try(RemoveHolder(request_.paths, holder.uuid));
        Removed(StrCat("networks of pod ", holder.uuid));
      }
      return;
    }
    auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
    if (socket && HasNfTables(*socket)) Try(RemoveRulesOf(*socket, holder.uuid));
    if (HasIptables()) Try(RemoveIptablesRules(holder.uuid, NetworkNames()));
    for (const std::string& network : NetworkNames()) {
      auto directory = LeaseDirectory::OpenExisting(request_.paths.leases, network);
      if (directory) Try(directory->Release(holder.uuid));
    }
    if (Try(RemoveHolder(request_.paths, holder.uuid)))
      Removed(StrCat("networks of pod ", holder.uuid));
  }

  std::vector<std::string> NetworkNames() {
    std::vector<std::string> names;
    auto entries = ListDirAt(AT_FDCWD, request_.paths.leases);
    for (size_t i = 0; entries && i < entries->size(); ++i) names.push_back((*entries)[i].name);
    return names;
  }

  void Leases() {
    for (const std::string& network : NetworkNames()) {
      auto directory = LeaseDirectory::OpenExisting(request_.paths.leases, network);
      if (!directory) continue;
      auto before = directory->List();
      auto pruned = directory->Prune(check_);
      if (!pruned) {
        report_.problems.push_back(std::move(pruned).error());
        continue;
      }
      auto after = directory->List();
      for (size_t i = 0; *pruned > 0 && before && after && i < before->size(); ++i) {
        const Address& address = (*before)[i].address;
        bool left = std::any_of(after->begin(), after->end(), [&](const LeaseDirectory::Entry& e) {
          return e.address == address;
        });
        if (!left) Removed(StrCat("lease ", ToText(address), " of ", network));
      }
    }
  }

  void Names() {
    auto networks = ListDirAt(AT_FDCWD, StrCat(request_.paths.run, "/networks"));
    for (size_t i = 0; networks && i < networks->size(); ++i) {
      const std::string& network = (*networks)[i].name;
      auto members = ListMembers(request_.paths, network);
      for (size_t j = 0; members && j < members->size(); ++j) {
        const Member& member = (*members)[j];
        if (check_(member.uuid) == HolderState::kAlive) continue;
        if (Try(LeaveNames(request_.paths, network, member.uuid)))
          Removed(StrCat("names of pod ", member.uuid, " in ", network));
      }
    }
  }

  // "<network>-<uuid>-<interface>"; others' ids look different.
  void Results() {
    auto files = ListDirAt(AT_FDCWD, request_.paths.results);
    for (size_t i = 0; files && i < files->size(); ++i) {
      const std::string& name = (*files)[i].name;
      size_t interface = name.rfind('-');
      if (interface == std::string::npos || interface < 37) continue;
      std::string uuid = name.substr(interface - 36, 36);
      std::string path = StrCat(request_.paths.results, "/", name);
      auto st = StatAt(AT_FDCWD, path);
      if (!IsUuid(uuid) || !st) continue;
      HolderState state = check_(uuid);
      bool stale = state == HolderState::kGone ||
                   (state == HolderState::kUnknown &&
                    IsFromBeforeBoot(st->st_mtim.tv_sec * int64_t{1000000000}));
      if (stale && Try(UnlinkAt(AT_FDCWD, path))) Removed(StrCat("result ", name));
    }
  }

  void Rules() {
    if (!Exists(request_.paths.run)) return;
    auto lock = Lock::File(AT_FDCWD, StrCat(request_.paths.run, "/lock"), Lock::Kind::kExclusive);
    if (!lock) {
      Try(std::move(lock).error());
      return;
    }
    auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
    if (!socket || !HasNfTables(*socket)) return;
    auto owners = ListRuleOwners(*socket);
    for (size_t i = 0; owners && i < owners->size(); ++i) {
      const std::string& owner = (*owners)[i];
      if (check_(owner) == HolderState::kAlive) continue;
      if (Try(RemoveRulesOf(*socket, owner))) Removed(StrCat("rules of pod ", owner));
    }
    holders_ = ListHolders(request_);
    Try(PruneRules(*socket, [&](const std::string& network) { return InUse(network); }));
  }

  void Bridges() {
    auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
    auto links = socket ? ListLinks(*socket) : Result<std::vector<LinkInfo>>(socket.error());
    for (size_t i = 0; links && i < links->size(); ++i) {
      const LinkInfo& bridge = (*links)[i];
      if (bridge.kind != "bridge" || !bridge.alias.starts_with(kBridgeAlias)) continue;
      bool has_ports = std::any_of(links->begin(), links->end(), [&](const LinkInfo& link) {
        return link.master == bridge.index;
      });
      if (has_ports || InUse(bridge.alias.substr(sizeof kBridgeAlias - 1))) continue;
      NetlinkBatch batch;
      DeleteLink(batch, bridge.name);
      if (Try(socket->Run(batch))) Removed(StrCat("bridge ", bridge.name));
    }
  }

  void CollectPluginGarbage() {
    ConfigSources sources = Sources(request_);
    auto configs = LoadNetworkConfigs(sources);
    for (size_t i = 0; configs && i < configs->size(); ++i) {
      NetworkConfig& config = (*configs)[i];
      if (CompareVersions(config.cni_version, "1.1.0") < 0 || !ChooseEngine(config, sources) ||
          config.engine)
        continue;
      std::vector<std::pair<std::string, std::string>> valid;
      for (const Holder& holder : holders_) {
        const AppliedNetwork* network = holder.running ? In(holder, config.name) : nullptr;
        if (network != nullptr) valid.emplace_back(holder.uuid, network->interface);
      }
      Try(CniGc(config, valid, PluginPath(sources)));
    }
  }

  const InventoryRequest& request_;
  HolderCheck check_;
  std::vector<Holder> holders_;
  PruneReport report_;
};

}  // namespace

std::vector<OwnedPort> ListPortsOfPods(const InventoryRequest& request) {
  std::vector<OwnedPort> ports;
  for (const Holder& holder : ListHolders(request)) {
    if (!holder.applied) continue;
    for (const PortRule& rule : holder.applied->ports) ports.push_back({rule, holder.uuid});
  }
  return ports;
}

Result<std::vector<NetworkSummary>> ListNetworks(const InventoryRequest& request) {
  ConfigSources sources = Sources(request);
  std::vector<NetworkConfig> configs = TRY(LoadNetworkConfigs(sources));
  std::vector<Holder> holders = ListHolders(request);
  std::vector<NetworkSummary> networks;
  for (NetworkConfig& config : configs) networks.push_back(Summarize(config, sources, holders));
  return networks;
}

Result<NetworkDetails> InspectNetwork(const InventoryRequest& request, const std::string& name) {
  ConfigSources sources = Sources(request);
  std::vector<NetworkConfig> configs = TRY(LoadNetworkConfigs(sources));
  auto found = std::find_if(configs.begin(), configs.end(),
                            [&](const NetworkConfig& c) { return c.name == name; });
  if (found == configs.end()) return Err(Code::kNotFound, "networks not found: ", name);
  std::vector<Holder> holders = ListHolders(request);
  NetworkDetails details;
  details.config = found->text;
  details.summary = Summarize(*found, sources, holders);
  for (const Holder& holder : holders) {
    const AppliedNetwork* network = In(holder, name);
    if (network == nullptr) continue;
    details.pods.push_back(
        {holder.uuid, network->interface, network->rules.addresses, holder.running});
    for (const PortRule& port : holder.applied->ports) {
      const auto& addresses = network->rules.addresses;
      if (std::find(addresses.begin(), addresses.end(), port.pod) != addresses.end())
        details.ports.push_back({port, holder.uuid});
    }
  }
  return details;
}

Result<PruneReport> PruneNetworks(const InventoryRequest& request) { return Pruner(request).Run(); }

}  // namespace rkt::network
