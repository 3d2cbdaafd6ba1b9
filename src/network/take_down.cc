// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/take_down.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "network/applied.h"
#include "network/cni.h"
#include "network/holders.h"
#include "network/iptables.h"
#include "network/lease.h"
#include "network/names.h"
#include "network/plan.h"
#include "network/pod_network.h"

namespace rkt::network {

namespace {

class Taker {
 public:
  explicit Taker(const TakeDownRequest& request) : request_(request) {}

  Status Run() {
    auto text = ReadFile(StrCat(request_.pod_path, "/", kAppliedFile));
    if (text) {
      auto applied = ParseApplied(*text);
      if (applied && applied->uuid == request_.uuid) {
        Recorded(*applied);
      } else {
        Unrecorded();
      }
    } else if (Exists(StrCat(request_.pod_path, "/", kPodNetDir))) {
      Unrecorded();
    } else {
      return {};
    }
    if (first_) {
      Try(RemoveTreeAt(AT_FDCWD, StrCat(request_.pod_path, "/", kPodNetDir)));
      Try(UnlinkAt(AT_FDCWD, StrCat(request_.pod_path, "/", kNetnsFile)));
      Try(RemoveHolder(request_.paths, request_.uuid));
    }
    return std::move(first_);
  }

 private:
  void Try(Status status) {
    if (status) return;
    if (first_) {
      first_ = std::move(status);
    } else {
      DebugNotice("networking", status.error().Text());
    }
  }

  void RemoveRules(const Applied& applied) {
    if (!applied.has_rules) return;
    std::vector<std::string> networks;
    for (const AppliedNetwork& network : applied.networks) networks.push_back(network.name);
    if (applied.backend == Backend::kIptables) Try(RemoveIptablesRules(request_.uuid, networks));
    if (applied.backend == Backend::kNftables && request_.by_owner) return Try(RemovePodRules(applied.Rules()));
    // Others may have the same addresses and ports now. (With iptables, frames of bridges are nftables' matter.)
    auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
    if (socket && HasNfTables(*socket)) Try(RemoveRulesOf(*socket, request_.uuid));
  }

  // What was recorded is taken back in the reverse order.
  void Recorded(const Applied& applied) {
    for (const AppliedNetwork& network : applied.networks) {
      if (network.has_members) Try(LeaveNames(request_.paths, network.name, request_.uuid));
    }
    RemoveRules(applied);
    for (size_t i = applied.networks.size(); i-- > 0;) {
      const AppliedNetwork& network = applied.networks[i];
      if (network.engine) {
        ReleaseLeases(network);
      } else {
        RunPlugins(network);
      }
    }
  }

  void ReleaseLeases(const AppliedNetwork& network) {
    auto directory = LeaseDirectory::OpenExisting(network.lease_dir, network.name);
    if (!directory) {
      if (directory.error().code() != Code::kNotFound) Try(std::move(directory).error());
      return;
    }
    for (const Address& address : network.rules.addresses)
      Try(directory->ReleaseAddress(address, request_.uuid));
  }

  void RunPlugins(const AppliedNetwork& network) {
    std::string path = StrCat(request_.pod_path, "/", kPodNetDir, "/", network.file);
    auto text = ReadFile(path, 1 << 20);
    auto config = text ? ParseNetworkConfig(*text, path) : Result<NetworkConfig>(text.error());
    if (!config) return ReleaseEverywhere(network.name);
    bool gone = false;
    for (size_t i = 0; i < config->plugins.size() && i < network.programs.size(); ++i) {
      config->plugins[i].program = network.programs[i];
      gone |= !Exists(network.programs[i]);
    }
    CniRuntime runtime;
    runtime.container_id = request_.uuid;
    runtime.netns = request_.netns_path;
    runtime.interface = network.interface;
    runtime.arguments = network.arguments;
    auto capabilities = json::Parse(network.capabilities);
    if (capabilities) runtime.capabilities = *capabilities;
    runtime.path = PluginPath(request_.sources);
    runtime.results_dir = request_.paths.results;
    runtime.debug = request_.debug;
    Try(CniDel(*config, runtime));
    // A plugin that is gone cannot give the address back.
    if (gone) ReleaseEverywhere(network.name);
  }

  // By search: nobody knows which addresses.
  void ReleaseEverywhere(const std::string& network) {
    auto directory = LeaseDirectory::OpenExisting(request_.paths.leases, network);
    if (directory) Try(directory->Release(request_.uuid));
  }

  // The process was ended before it had recorded anything, or the record is damaged: there may be
  // leases of the networks whose configurations were copied, and rules that carry the pod's UUID.
  void Unrecorded() {
    auto files = ListDirAt(AT_FDCWD, StrCat(request_.pod_path, "/", kPodNetDir));
    std::vector<std::string> names;
    for (size_t i = 0; files && i < files->size(); ++i) {
      std::string path = StrCat(request_.pod_path, "/", kPodNetDir, "/", (*files)[i].name);
      if (!path.ends_with(".conf") && !path.ends_with(".conflist")) continue;
      auto text = ReadFile(path, 1 << 20);
      auto config = text ? ParseNetworkConfig(*text, path) : Result<NetworkConfig>(text.error());
      if (!config) continue;
      names.push_back(config->name);
      Try(LeaveNames(request_.paths, config->name, request_.uuid));
      ReleaseEverywhere(config->name);
    }
    auto socket = NetlinkSocket::Open(NETLINK_NETFILTER);
    if (socket && HasNfTables(*socket)) Try(RemoveRulesOf(*socket, request_.uuid));
    if (HasIptables()) Try(RemoveIptablesRules(request_.uuid, names));
  }

  const TakeDownRequest& request_;
  Status first_;
};

}  // namespace

Status TakeDown(const TakeDownRequest& request) { return Taker(request).Run(); }

Status TearDownNetworks(const TearDownRequest& request) {
  TakeDownRequest take_down;
  take_down.uuid = request.uuid;
  take_down.pod_path = request.pod_path;
  if (request.netns >= 0)
    take_down.netns_path = StrCat("/proc/", ::getpid(), "/fd/", request.netns);
  take_down.sources = SourcesFor(request.local_config, request.pod_path, request.paths);
  take_down.paths = request.paths;
  take_down.debug = request.debug;
  take_down.by_owner = request.by_owner;
  return TakeDown(take_down);
}

}  // namespace rkt::network
