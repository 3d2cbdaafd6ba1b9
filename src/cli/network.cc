// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt network list, inspect, check, prune

#include "base/log.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "cli/pod_output.h"
#include "cli/settings.h"
#include "network/check.h"
#include "network/inventory.h"
#include "pod/pod.h"

namespace rkt::cli {

namespace {

using network::NetworkDetails;
using network::NetworkSummary;

constexpr FlagSpec kFormatFlag =
    ValueFlag("format", "print json or json-pretty instead of text", CheckFormat);
constexpr FlagSpec kListFlags[] = {
    kFormatFlag,
    BoolFlag("no-legend", "leave out the line with the columns' names"),
};
constexpr FlagSpec kInspectFlags[] = {kFormatFlag};
constexpr FlagGroup kListGroup = kListFlags;
constexpr FlagGroup kInspectGroup = kInspectFlags;
constexpr const FlagGroup* kListGroups[] = {&kListGroup};
constexpr const FlagGroup* kInspectGroups[] = {&kInspectGroup};

Result<network::InventoryRequest> Inventory(const Invocation& invocation) {
  network::InventoryRequest request;
  request.data_dir = TRY(DataDir(invocation));
  request.local_config = invocation.globals.LocalConfig();
  return request;
}

std::string Subnets(const NetworkSummary& summary) {
  std::vector<std::string> texts;
  for (const network::Prefix& prefix : summary.subnets) texts.push_back(ToText(prefix));
  return texts.empty() ? "-" : Join(texts, ",");
}

// Who makes the network: the engine, or which plugins.
std::string Engine(const NetworkSummary& summary) { return summary.built_in_type ? "rkt" : "plugin"; }

json::Value SummaryJson(const NetworkSummary& summary) {
  json::Value subnets = json::Value::Array();
  for (const network::Prefix& prefix : summary.subnets) subnets.Append(ToText(prefix));
  return json::Value::Object({{"name", summary.name},
                              {"types", json::Value::Array(summary.types)},
                              {"engine", Engine(summary)},
                              {"subnets", std::move(subnets)},
                              {"masquerades", summary.masquerades},
                              {"pods", summary.pods},
                              {"file", summary.path},
                              {"problem", summary.problem}});
}

int List(Invocation& invocation) {
  if (!invocation.words.empty()) return invocation.Usage();
  auto request = Inventory(invocation);
  if (!request) return Fail(request.error());
  auto networks = network::ListNetworks(*request);
  if (!networks) return Fail(networks.error());
  if (std::string_view format = invocation.Text("format"); !format.empty()) {
    json::Value list = json::Value::Array();
    for (const NetworkSummary& summary : *networks) list.Append(SummaryJson(summary));
    PrintJson(list, format);
    return 0;
  }
  Table table;
  if (!invocation.Bool("no-legend")) table.AddRow({"NAME", "TYPE", "ENGINE", "SUBNETS", "PODS", "FILE"});
  for (const NetworkSummary& summary : *networks) {
    table.AddRow({TerminalSafe(summary.name), TerminalSafe(Join(summary.types, ",")), Engine(summary),
                  Subnets(summary), StrCat(summary.pods), summary.path.empty() ? "-" : TerminalSafe(summary.path)});
  }
  Print(table.Text());
  for (const NetworkSummary& summary : *networks) {
    if (!summary.problem.empty()) {
      Notice("", TerminalSafe(StrCat("network ", Quote(summary.name), " cannot be used: ", summary.problem)));
    }
  }
  return 0;
}

json::Value DetailsJson(const NetworkDetails& details) {
  json::Value object = SummaryJson(details.summary);
  json::Value pods = json::Value::Array(), ports = json::Value::Array();
  for (const network::AttachedPod& pod : details.pods) {
    json::Value addresses = json::Value::Array();
    for (const network::Address& address : pod.addresses) addresses.Append(ToText(address));
    pods.Append(json::Value::Object({{"id", pod.uuid},
                                     {"interface", pod.interface},
                                     {"addresses", std::move(addresses)},
                                     {"running", pod.running}}));
  }
  for (const network::OwnedPort& port : details.ports) {
    ports.Append(json::Value::Object({{"id", port.owner}, {"port", ToText(port.rule)}}));
  }
  object.Set("attached", std::move(pods));
  object.Set("ports", std::move(ports));
  object.Set("config", details.config);
  return object;
}

void PrintDetails(const NetworkDetails& details) {
  const NetworkSummary& summary = details.summary;
  PrintLine(StrCat("name=", TerminalSafe(summary.name)));
  PrintLine(StrCat("type=", TerminalSafe(Join(summary.types, ","))));
  PrintLine(StrCat("engine=", Engine(summary)));
  PrintLine(StrCat("subnets=", Subnets(summary)));
  PrintLine(StrCat("masquerades=", summary.masquerades ? "true" : "false"));
  PrintLine(StrCat("file=", TerminalSafe(summary.path)));
  if (!summary.problem.empty()) PrintLine(StrCat("problem=", TerminalSafe(summary.problem)));
  for (const network::AttachedPod& pod : details.pods) {
    std::vector<std::string> addresses;
    for (const network::Address& address : pod.addresses) addresses.push_back(ToText(address));
    PrintLine(StrCat("pod=", pod.uuid, " ", pod.interface, " ", Join(addresses, ","),
                     pod.running ? " running" : " exited"));
  }
  for (const network::OwnedPort& port : details.ports) {
    PrintLine(StrCat("port=", ToText(port.rule), " ", port.owner));
  }
}

int Inspect(Invocation& invocation) {
  if (invocation.words.empty()) return invocation.Usage();
  auto request = Inventory(invocation);
  if (!request) return Fail(request.error());
  std::vector<NetworkDetails> all;
  for (std::string_view word : invocation.words) {
    auto details = network::InspectNetwork(*request, std::string(word));
    if (!details) return Fail(details.error());
    all.push_back(*std::move(details));
  }
  if (std::string_view format = invocation.Text("format"); !format.empty()) {
    json::Value list = json::Value::Array();
    for (const NetworkDetails& details : all) list.Append(DetailsJson(details));
    PrintJson(list, format);
    return 0;
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) PrintLine("");
    PrintDetails(all[i]);
  }
  return 0;
}

// The pods that were named; all that run where none was.
Result<std::vector<std::string>> PodsToCheck(const Invocation& invocation, const std::string& data_dir) {
  std::vector<std::string> uuids;
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  for (std::string_view word : invocation.words) uuids.push_back(TRY(pods.ResolveUuid(word)));
  if (!invocation.words.empty()) return uuids;
  TRY(pods.ForEach({pod::Stage::kRun}, [&](pod::Pod& pod) -> Status {
    if (pod.state() == pod::State::kRunning) uuids.push_back(pod.uuid());
    return {};
  }, [](const std::string&) {}));
  return uuids;
}

// The number of problems, which are printed.
Result<int> CheckPod(const Invocation& invocation, const std::string& data_dir, const std::string& uuid) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  if (pod.state() != pod::State::kRunning) return Err(Code::kInvalid, "pod ", Quote(uuid), " is not running");
  network::CheckRequest request;
  request.uuid = uuid;
  request.pod_path = pod.path();
  request.local_config = invocation.globals.LocalConfig();
  request.debug = invocation.globals.debug;
  auto checks = TRY(network::CheckNetworks(request));
  int problems = 0;
  for (const network::NetworkCheck& check : checks) {
    std::string head = StrCat(uuid.substr(0, 8), " ", check.network, " ", check.interface, ": ");
    for (const std::string& problem : check.problems) PrintLine(StrCat(head, TerminalSafe(problem)));
    problems += static_cast<int>(check.problems.size());
    if (!check.problems.empty()) continue;
    if (check.not_checked.empty()) {
      PrintLine(StrCat(head, "ok"));
    } else {
      PrintLine(StrCat(head, "not checked: ", TerminalSafe(check.not_checked)));
    }
  }
  return problems;
}

int Check(Invocation& invocation) {
  auto data_dir = DataDir(invocation);
  if (!data_dir) return Fail(data_dir.error());
  auto uuids = PodsToCheck(invocation, *data_dir);
  if (!uuids) return Fail(uuids.error());
  int problems = 0;
  for (const std::string& uuid : *uuids) {
    auto found = CheckPod(invocation, *data_dir, uuid);
    if (!found) {
      // One that has just ended is nobody's problem unless it was asked for.
      if (invocation.words.empty() && found.error().code() != Code::kInternal) continue;
      return Fail(found.error());
    }
    problems += *found;
  }
  return problems == 0 ? 0 : 1;
}

int Prune(Invocation& invocation) {
  if (!invocation.words.empty()) return invocation.Usage();
  auto request = Inventory(invocation);
  if (!request) return Fail(request.error());
  auto report = network::PruneNetworks(*request);
  if (!report) return Fail(report.error());
  for (const std::string& what : report->removed) PrintLine(TerminalSafe(what));
  for (const Error& problem : report->problems) (void)Fail(problem);
  return report->problems.empty() ? 0 : kFailed;
}

constexpr CommandSpec kListCommandSpec = {
    .name = "list",
    .summary = "List the networks that pods can join",
    .description = R"(Prints a table of all networks, configured and built in, in the order in which
their interfaces would be numbered, with the number of running pods in each.)",
    .flags = kListGroups,
    .run = List,
};

constexpr CommandSpec kInspectCommandSpec = {
    .name = "inspect",
    .synopsis = "NETWORK...",
    .summary = "Show networks with their pods and published ports",
    .description = R"(Prints what is known of a network, a line for each pod in it and for each
published port. With --format=json, the text of its configuration is there too.)",
    .flags = kInspectGroups,
    .run = Inspect,
    .completes = Completion::kNetworks,
};

constexpr CommandSpec kCheckCommandSpec = {
    .name = "check",
    .synopsis = "[UUID...]",
    .summary = "Check that the networks of running pods are as they were set up",
    .description = R"(Looks at interfaces, addresses, leases, rules and names; asks plugins by CHECK
(cniVersion 0.4.0 and later). Without a UUID, all running pods are checked. Prints
a line for each network or problem; the exit status is 1 where there is one.)",
    .run = Check,
    .completes = Completion::kRunningPods,
    .needs_root = true,
};

constexpr CommandSpec kPruneCommandSpec = {
    .name = "prune",
    .summary = "Take back what pods left that are gone",
    .description = R"(Pods give back their addresses, rules and names when they end, and "rkt gc" does
it for those that crashed. This command takes back what is left where even the
pod's directory is gone: leases, rules, names, results of plugins, bridges without
pods; plugins of CNI 1.1.0 are told which attachments are valid. What belongs to
running pods or to others stays. Prints a line for each thing.)",
    .run = Prune,
    .needs_root = true,
};

constexpr const CommandSpec* kChildren[] = {
    &kListCommandSpec,
    &kInspectCommandSpec,
    &kCheckCommandSpec,
    &kPruneCommandSpec,
};

}  // namespace

constinit const CommandSpec kNetworkCommand = {
    .name = "network",
    .synopsis = "[command]",
    .summary = "Look at the networks of pods, and clean up behind them",
    .description = R"(Networks are configured in files of net.d in the local configuration directory;
"default" and "default-restricted" are built in.)",
    .children = kChildren,
};

}  // namespace rkt::cli
