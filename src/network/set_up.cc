// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// SetUpNetworks: leases, the record of what is to come, interfaces and plugins, rules, names,
// net-info.json.

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"
#include "network/cni.h"
#include "network/engine.h"
#include "network/holders.h"
#include "network/iptables.h"
#include "network/names.h"
#include "network/net_info.h"
#include "network/plan.h"
#include "network/ports.h"
#include "network/take_down.h"

namespace rkt::network {

namespace {

// A socket of another network namespace: the thread goes there and comes back.
Result<NetlinkSocket> OpenIn(int netns) {
  Fd home = TRY(Open("/proc/self/ns/net", O_RDONLY));
  if (::setns(netns, CLONE_NEWNET) != 0) return SysErr("entering the pod's network namespace");
  auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
  if (::setns(home.get(), CLONE_NEWNET) != 0)
    return SysErr("returning from the pod's network namespace");
  return socket;
}

json::Value PortMappings(const std::vector<PortRule>& ports) {
  json::Value mappings = json::Value::Array();
  for (const PortRule& port : ports) {
    json::Value mapping =
        json::Value::Object({{"hostPort", port.host_port},
                             {"containerPort", port.pod_port},
                             {"protocol", port.protocol == IPPROTO_UDP ? "udp" : "tcp"}});
    if (port.host) mapping.Set("hostIP", ToText(*port.host));
    mappings.Append(std::move(mapping));
  }
  return mappings;
}

// What the network's arguments and the pod's ports say to the plugins' capabilities.
Result<json::Value> CapabilityArguments(const NetworkChoice* choice,
                                        const std::vector<PortRule>& ports) {
  json::Value capabilities = json::Value::Object();
  if (!ports.empty()) capabilities.Set("portMappings", PortMappings(ports));
  if (choice == nullptr) return capabilities;
  if (const std::string* text = choice->Argument("MAC")) {
    auto mac = ParseMac(*text);
    if (!mac)
      return Err(Code::kInvalid, "network ", Quote(choice->name), ": argument MAC: ", Quote(*text),
                 " is not a hardware address");
    capabilities.Set("mac", ToText(*mac));
  }
  if (const std::string* ip = choice->Argument("IP"))
    capabilities.Set("ips", json::Value::Array(std::vector<std::string>{*ip}));
  json::Value bandwidth = json::Value::Object();
  for (auto [argument, key] : {std::pair("INGRESS_RATE", "ingressRate"),
                               {"INGRESS_BURST", "ingressBurst"},
                               {"EGRESS_RATE", "egressRate"},
                               {"EGRESS_BURST", "egressBurst"}}) {
    const std::string* text = choice->Argument(argument);
    if (text == nullptr) continue;
    auto number = ParseUint(*text);
    if (!number)
      return Err(Code::kInvalid, "network ", Quote(choice->name), ": argument ", argument, ": ",
                 Quote(*text), " is not a number");
    bandwidth.Set(key, json::Value(*number));
  }
  if (!bandwidth.members().empty()) capabilities.Set("bandwidth", std::move(bandwidth));
  return capabilities;
}

class SetUp {
 public:
  SetUp(const PlannedNetworks& plan, int netns, const std::string& netns_path, int interrupt)
      : plan_(plan),
        request_(plan.request),
        netns_(netns),
        netns_path_(netns_path),
        interrupt_(interrupt),
        check_(HoldersOf(plan.request.paths, plan.request.pod_path)) {
    applied_.uuid = request_.uuid;
    applied_.backend = plan.backend;
  }

  Result<PodNetwork> Run() {
    TRY(MakeDirs(StrCat(request_.pod_path, "/", kPodNetDir), 0750));
    if (netns_path_.empty()) netns_path_ = StrCat("/proc/", ::getpid(), "/fd/", netns_);
    TRY(WriteFileAt(AT_FDCWD, StrCat(request_.pod_path, "/", kNetnsFile), netns_path_, 0, true));
    Status done = Everything();
    if (!done) {
      TakeDownRequest undo{request_.uuid, request_.pod_path, netns_path_,
                           plan_.sources, request_.paths,    request_.debug, true};
      (void)TakeDown(undo);
      return std::move(done).error();
    }
    return std::move(result_);
  }

 private:
  Status Everything() {
    TRY(AddHolder(request_.paths, request_.uuid, request_.pod_path));
    for (const NetworkConfig& config : plan_.networks) {
      TRY(WriteFileAt(AT_FDCWD, StrCat(request_.pod_path, "/", kPodNetDir, "/", config.file),
                      config.text, 0640, true));
    }
    TRY(LeaseAll());
    TRY(Record());
    TRY(Interfaces());
    TRY(RunPlugins());
    TRY(Rules());
    TRY(Names());
    return WriteInfo();
  }

  bool IsPortTarget(size_t index) const {
    return !plan_.ports.empty() && index == plan_.port_target;
  }
  const NetworkChoice* Choice(const NetworkConfig& config) const {
    return plan_.list.Find(config.name);
  }

  Status LeaseAll() {
    bool have_default = false;
    for (size_t i = 0; i < plan_.networks.size(); ++i) {
      const NetworkConfig& config = plan_.networks[i];
      const NetworkChoice* choice = Choice(config);
      AppliedNetwork network;
      network.name = config.name;
      network.file = config.file;
      network.interface = InterfaceName(static_cast<int>(i));
      network.engine = config.engine.has_value();
      network.has_members = !config.built_in();
      network.rules.network = config.name;
      if (choice != nullptr) network.arguments = choice->ArgumentText();
      if (config.engine) {
        network.lease_dir =
            config.engine->lease_dir.empty() ? request_.paths.leases : config.engine->lease_dir;
        EngineAttachment attachment = TRY(LeaseAddresses(config, request_.uuid, static_cast<int>(i),
                                                         choice, request_.paths.leases, check_));
        attachment.publishes = IsPortTarget(i);
        bool has_default =
            config.engine->is_default_gateway ||
            std::any_of(config.engine->routes.begin(), config.engine->routes.end(),
                        [](const Route& route) { return route.destination.length == 0; });
        attachment.first = has_default && !have_default;
        have_default |= has_default;
        network.rules = RulesOf(attachment);
        if (IsPortTarget(i)) applied_.ports = TRY(RulesFor(plan_.ports, network.rules.addresses));
        applied_.has_rules = true;
        attachments_.push_back(std::move(attachment));
      } else {
        for (const PluginConfig& plugin : config.plugins)
          network.programs.push_back(plugin.program);
        bool ports_by_plugin = IsPortTarget(i) && plan_.plugin_ports;
        network.capabilities = json::Write(TRY(
            CapabilityArguments(choice, ports_by_plugin ? plan_.ports : std::vector<PortRule>())));
      }
      applied_.networks.push_back(std::move(network));
    }
    return {};
  }

  Status Record() {
    return WriteFileAtomicAt(AT_FDCWD, StrCat(request_.pod_path, "/", kAppliedFile),
                             WriteApplied(applied_), 0640);
  }

  Status Interfaces() {
    if (attachments_.empty()) return {};
    NetlinkSocket host = TRY(NetlinkSocket::Open(NETLINK_ROUTE));
    NetlinkSocket pod = TRY(OpenIn(netns_));
    for (const EngineAttachment& attachment : attachments_) {
      TRY_CTX(MakeInterfaces(attachment, host, pod, netns_), "network ",
              Quote(attachment.config->name));
    }
    return EnableForwarding(attachments_);
  }

  Status RunPlugins() {
    results_.resize(plan_.networks.size());
    for (size_t i = 0; i < plan_.networks.size(); ++i) {
      if (plan_.networks[i].engine) continue;
      AppliedNetwork& network = applied_.networks[i];
      CniRuntime runtime;
      runtime.container_id = request_.uuid;
      runtime.netns = netns_path_;
      runtime.interface = network.interface;
      runtime.arguments = network.arguments;
      runtime.capabilities = TRY(json::Parse(network.capabilities));
      runtime.path = PluginPath(plan_.sources);
      runtime.results_dir = request_.paths.results;
      runtime.debug = request_.debug;
      runtime.interrupt = interrupt_;
      results_[i] = TRY(CniAdd(plan_.networks[i], runtime));
      if (IsPortTarget(i) && !plan_.plugin_ports) TRY(PreparePluginPorts(i));
    }
    return {};
  }

  // Published ports of a network that a plugin made: by rules of ours to the address that it gave.
  Status PreparePluginPorts(size_t index) {
    AppliedNetwork& network = applied_.networks[index];
    NetworkRules& rules = network.rules;
    for (const CniAddress& address : results_[index].AddressesOf(network.interface)) {
      rules.addresses.push_back(address.address.address);
      rules.subnets.push_back(address.address.Masked());
    }
    if (rules.addresses.empty()) {
      return Err(Code::kInvalid, "ports cannot be published: network ", Quote(network.name),
                 " gave the pod no address");
    }
    rules.closed = false;
    rules.hide_clients =
        std::none_of(results_[index].routes.begin(), results_[index].routes.end(),
                     [](const Route& route) { return route.destination.length == 0; });
    applied_.ports = TRY(RulesFor(plan_.ports, rules.addresses));
    NetlinkSocket host = TRY(NetlinkSocket::Open(NETLINK_ROUTE));
    auto out = RouteInterface(host, rules.addresses[0]);
    if (out) {
      rules.link = out->name;
      NetlinkBatch batch;
      SetLink(batch, out->index, out->name,
              {.up = false, .no_link_local = false, .route_localnet = true});
      TRY(host.Run(batch));
    }
    applied_.has_rules = true;
    return Record();
  }

  Status Rules() {
    PodRules rules = applied_.Rules();
    if (!applied_.has_rules || rules.empty()) return {};
    TRY(MakeDirs(request_.paths.run, 0755));
    // Pruning works alone; and so do those who look for others' ports before they add their own.
    bool alone = !rules.ports.empty();
    Lock lock = TRY(Lock::File(AT_FDCWD, StrCat(request_.paths.run, "/lock"),
                               alone ? Lock::Kind::kExclusive : Lock::Kind::kShared));
    if (alone) TRY(CheckPorts(rules));
    if (plan_.backend == Backend::kIptables) {
      TRY(AddIptablesRules(rules));
      return AddFrameRules(rules);
    }
    NetlinkSocket socket = TRY(NetlinkSocket::Open(NETLINK_NETFILTER));
    return AddPodRules(socket, rules);
  }

  Status CheckPorts(const PodRules& rules) {
    std::vector<std::string> gone;
    auto is_gone = [&](const std::string& owner) {
      if (!IsGone(request_.paths, request_.pod_path, owner)) return false;
      gone.push_back(owner);
      return true;
    };
    TRY(CheckOtherPods(rules.ports, TRY(ListPorts(plan_.backend)), request_.uuid, is_gone));
    for (const std::string& owner : gone) {
      if (plan_.backend == Backend::kIptables) {
        TRY(RemoveIptablesRules(owner, {}));
      } else {
        NetlinkSocket socket = TRY(NetlinkSocket::Open(NETLINK_NETFILTER));
        TRY(RemoveRulesOf(socket, owner));
      }
    }
    return {};
  }

  std::vector<Prefix> PodAddresses(size_t index) const {
    std::vector<Prefix> addresses;
    for (const EngineAttachment& attachment : attachments_) {
      if (static_cast<size_t>(attachment.number) != index) continue;
      for (const Lease& lease : attachment.leases)
        addresses.push_back({lease.address, lease.subnet.length});
    }
    if (!plan_.networks[index].engine) {
      for (const CniAddress& address :
           results_[index].AddressesOf(applied_.networks[index].interface))
        addresses.push_back(address.address);
    }
    return addresses;
  }

  std::vector<Address> Gateways(size_t index) const {
    std::vector<Address> gateways;
    for (const EngineAttachment& attachment : attachments_) {
      if (static_cast<size_t>(attachment.number) != index) continue;
      for (const Lease& lease : attachment.leases) gateways.push_back(lease.gateway);
    }
    if (!plan_.networks[index].engine) {
      for (const CniAddress& address : results_[index].addresses) {
        if (address.gateway) gateways.push_back(*address.gateway);
      }
    }
    return gateways;
  }

  Status Names() {
    bool named = std::any_of(applied_.networks.begin(), applied_.networks.end(),
                             [](const AppliedNetwork& n) { return n.has_members; });
    if (!named) return {};
    std::string hosts = StrCat(request_.pod_path, "/", kPodHostsFile);
    TRY(WriteFileAt(AT_FDCWD, hosts, HostsBeginning(request_.hosts_lines), 0644, true));
    for (size_t i = 0; i < applied_.networks.size(); ++i) {
      if (!applied_.networks[i].has_members) continue;
      Member member{request_.uuid, hosts, {}};
      for (const Prefix& address : PodAddresses(i)) {
        member.lines.push_back(MemberLine(address.address, request_.hostname, request_.apps));
      }
      TRY(JoinNames(request_.paths, applied_.networks[i].name, member, check_));
    }
    result_.hosts_file = hosts;
    return {};
  }

  static DnsResult Dns(const std::string& network, const DnsConfig& dns) {
    return {network, dns.nameservers, dns.search, dns.options, dns.domain};
  }

  Status WriteInfo() {
    std::vector<NetInfo> infos;
    for (size_t i = 0; i < plan_.networks.size(); ++i) {
      const NetworkConfig& config = plan_.networks[i];
      const AppliedNetwork& network = applied_.networks[i];
      PodInterface interface { config.name, network.interface, PodAddresses(i), Gateways(i) };
      const DnsConfig& dns = config.engine ? config.engine->dns : results_[i].dns;
      if (result_.dns.network.empty() && !dns.empty()) result_.dns = Dns(config.name, dns);
      NetInfo info;
      info.net_name = config.name;
      info.net_conf = StrCat(kPodNetDir, "/", config.file);
      info.plugin_path =
          config.engine ? StrCat("built-in/", config.plugins[0].type) : config.plugins[0].program;
      info.if_name = network.interface;
      info.args = network.arguments;
      if (!interface.addresses.empty()) {
        info.ip = ToText(interface.addresses[0].address);
        info.mask = MaskText(interface.addresses[0]);
      }
      infos.push_back(std::move(info));
      if (i == plan_.port_target && !interface.gateways.empty())
        result_.host_address = ToText(interface.gateways[0]);
      result_.interfaces.push_back(std::move(interface));
    }
    return WriteFileAtomicAt(AT_FDCWD, StrCat(request_.pod_path, "/net-info.json"),
                             WriteNetInfo(infos), 0640);
  }

  const PlannedNetworks& plan_;
  const NetworkRequest& request_;
  int netns_;
  std::string netns_path_;
  int interrupt_;
  HolderCheck check_;
  Applied applied_;
  std::vector<EngineAttachment> attachments_;
  std::vector<CniResult> results_;
  PodNetwork result_;
};

}  // namespace

Result<PodNetwork> SetUpNetworks(const NetworkPlan& plan, int netns,
                                 const std::string& netns_path, int interrupt) {
  if (plan.HostNetwork()) return PodNetwork();
  if (!plan.NeedsSetUp()) {
    TRY(WriteFileAtomicAt(AT_FDCWD, StrCat(plan.planned().request.pod_path, "/net-info.json"),
                          WriteNetInfo({}), 0640));
    return PodNetwork();
  }
  return SetUp(plan.planned(), netns, netns_path, interrupt).Run();
}

}  // namespace rkt::network
