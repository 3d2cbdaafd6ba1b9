// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/check.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "network/applied.h"
#include "network/cni.h"
#include "network/lease.h"
#include "network/links.h"
#include "network/names.h"
#include "network/plan.h"

namespace rkt::network {

namespace {

// What the pod's own namespace has.
struct PodLinks {
  std::vector<LinkInfo> links;
  std::vector<AddressInfo> addresses;
};

Result<PodLinks> Collect(NetlinkSocket& socket) {
  PodLinks found;
  found.links = TRY(ListLinks(socket));
  for (const LinkInfo& link : found.links) {
    for (AddressInfo& address : TRY(ListAddresses(socket, link.index))) found.addresses.push_back(address);
  }
  return found;
}

Result<PodLinks> LookInto(const std::string& netns_path) {
  Fd netns = TRY(Open(netns_path, O_RDONLY));
  Fd home = TRY(Open("/proc/self/ns/net", O_RDONLY));
  if (::setns(netns.get(), CLONE_NEWNET) != 0) return SysErr("entering the pod's network namespace");
  auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
  if (::setns(home.get(), CLONE_NEWNET) != 0) return SysErr("returning from the pod's network namespace");
  if (!socket) return std::move(socket).error();
  return Collect(*socket);
}

class Checker {
 public:
  Checker(const CheckRequest& request, Applied applied, std::string netns_path, PodLinks pod)
      : request_(request), applied_(std::move(applied)), netns_path_(std::move(netns_path)), pod_(std::move(pod)) {}

  Result<std::vector<NetworkCheck>> Run() {
    NetlinkSocket host = TRY(NetlinkSocket::Open(NETLINK_ROUTE));
    host_links_ = TRY(ListLinks(host));
    if (applied_.has_rules) published_ = TRY(ListPorts(applied_.backend));
    std::vector<NetworkCheck> checks;
    for (const AppliedNetwork& network : applied_.networks) {
      NetworkCheck check;
      check.network = network.name;
      check.interface = network.interface;
      check_ = &check;
      if (network.engine) {
        Interface(network);
        Leases(network);
      } else {
        Plugins(network);
      }
      if (network.has_members) Names(network);
      Ports(network);
      checks.push_back(std::move(check));
    }
    return checks;
  }

 private:
  void Problem(std::string text) { check_->problems.push_back(std::move(text)); }

  static const LinkInfo* Find(const std::vector<LinkInfo>& links, const std::string& name) {
    auto found = std::find_if(links.begin(), links.end(), [&](const LinkInfo& link) { return link.name == name; });
    return found == links.end() ? nullptr : &*found;
  }

  void Interface(const AppliedNetwork& network) {
    const LinkInfo* link = Find(pod_.links, network.interface);
    if (link == nullptr) {
      Problem(StrCat("the pod has no interface ", network.interface));
    } else {
      if (!link->up) Problem(StrCat(network.interface, " is down"));
      for (const Address& address : network.rules.addresses) {
        bool has = std::any_of(pod_.addresses.begin(), pod_.addresses.end(), [&](const AddressInfo& info) {
          return info.index == link->index && info.address.address == address;
        });
        if (!has) Problem(StrCat(network.interface, " has not the address ", ToText(address)));
      }
    }
    for (const std::string& name : {network.rules.link, network.rules.bridge_port}) {
      if (!name.empty() && Find(host_links_, name) == nullptr) Problem(StrCat("the host has no interface ", name));
    }
  }

  void Leases(const AppliedNetwork& network) {
    auto directory = LeaseDirectory::OpenExisting(
        network.lease_dir.empty() ? request_.paths.leases : network.lease_dir, network.name);
    auto entries = directory ? directory->List() : Result<std::vector<LeaseDirectory::Entry>>(directory.error());
    for (const Address& address : network.rules.addresses) {
      auto lease = entries ? std::find_if(entries->begin(), entries->end(),
                                          [&](const LeaseDirectory::Entry& e) { return e.address == address; })
                           : std::vector<LeaseDirectory::Entry>::iterator();
      if (!entries || lease == entries->end()) {
        Problem(StrCat("the lease of ", ToText(address), " is gone"));
      } else if (lease->id != request_.uuid) {
        Problem(StrCat("the lease of ", ToText(address), " is ", TerminalSafe(lease->id), "'s"));
      }
    }
  }

  void Plugins(const AppliedNetwork& network) {
    std::string path = StrCat(request_.pod_path, "/", kPodNetDir, "/", network.file);
    auto text = ReadFile(path, 1 << 20);
    auto config = text ? ParseNetworkConfig(*text, path) : Result<NetworkConfig>(text.error());
    if (!config) return Problem(config.error().Text());
    for (size_t i = 0; i < config->plugins.size() && i < network.programs.size(); ++i) {
      config->plugins[i].program = network.programs[i];
    }
    CniRuntime runtime;
    runtime.container_id = request_.uuid;
    runtime.netns = netns_path_;
    runtime.interface = network.interface;
    runtime.arguments = network.arguments;
    if (auto capabilities = json::Parse(network.capabilities)) runtime.capabilities = *capabilities;
    runtime.path = PluginPath(SourcesFor(request_.local_config, request_.pod_path, request_.paths));
    runtime.results_dir = request_.paths.results;
    runtime.debug = request_.debug;
    Status checked = CniCheck(*config, runtime);
    if (checked) return;
    if (checked.error().code() == Code::kUnsupported) {
      check_->not_checked = checked.error().Text();
    } else {
      Problem(checked.error().Text());
    }
  }

  void Names(const AppliedNetwork& network) {
    auto members = ListMembers(request_.paths, network.name);
    bool listed = members && std::any_of(members->begin(), members->end(),
                                         [&](const Member& member) { return member.uuid == request_.uuid; });
    if (!listed) Problem("the network's other pods do not know the pod's names");
  }

  void Ports(const AppliedNetwork& network) {
    for (const PortRule& port : applied_.ports) {
      const auto& addresses = network.rules.addresses;
      if (std::find(addresses.begin(), addresses.end(), port.pod) == addresses.end()) continue;
      bool there = std::any_of(published_.begin(), published_.end(), [&](const OwnedPort& other) {
        return other.owner == request_.uuid && other.rule == port;
      });
      if (!there) Problem(StrCat("the rule of the published port ", ToText(port), " is gone"));
    }
  }

  const CheckRequest& request_;
  Applied applied_;
  std::string netns_path_;
  PodLinks pod_;
  std::vector<LinkInfo> host_links_;
  std::vector<OwnedPort> published_;
  NetworkCheck* check_ = nullptr;
};

}  // namespace

Result<std::vector<NetworkCheck>> CheckNetworks(const CheckRequest& request) {
  auto text = ReadFile(StrCat(request.pod_path, "/", kAppliedFile));
  if (!text) {
    if (text.error().code() == Code::kNotFound) return std::vector<NetworkCheck>();
    return std::move(text).error();
  }
  Applied applied = TRY_CTX(ParseApplied(*text), kAppliedFile);
  std::string netns_path(Trim(TRY(ReadFile(StrCat(request.pod_path, "/", kNetnsFile), 4096))));
  auto pod = LookInto(netns_path);
  if (!pod) {
    Error error = std::move(pod).error();
    if (error.code() == Code::kNotFound) return Err(Code::kNotFound, "pod ", Quote(request.uuid), " is not running");
    return error;
  }
  return Checker(request, std::move(applied), netns_path, *std::move(pod)).Run();
}

}  // namespace rkt::network
