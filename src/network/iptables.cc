// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/iptables.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/hash.h"
#include "base/strings.h"
#include "network/program.h"

namespace rkt::network {

namespace {

std::string Short(const std::string& uuid) { return uuid.substr(0, 8); }
std::string DnatChain(const std::string& uuid) { return StrCat("RKT-PFWD-DNAT-", Short(uuid)); }
std::string SnatChain(const std::string& uuid) { return StrCat("RKT-PFWD-SNAT-", Short(uuid)); }
std::string ForwardChain(const std::string& uuid) { return StrCat("RKT-FWD-", Short(uuid)); }
std::string RawChain(const std::string& uuid) { return StrCat("RKT-RAW-", Short(uuid)); }
std::string MasqueradeChain(const std::string& network, const std::string& uuid) {
  return StrCat("CNI-", std::string_view(Sha512Hex(StrCat(network, uuid))).substr(0, 24));
}

const char* ProtocolName(uint8_t protocol) { return protocol == IPPROTO_UDP ? "udp" : "tcp"; }

std::string Host(const Address& address) { return StrCat(ToText(address), "/", address.bits()); }

struct Table {
  std::vector<std::string> chains;
  std::string rules;
  void Add(std::string_view line) { rules += StrCat(line, "\n"); }
  std::string Text(std::string_view name) const {
    if (chains.empty()) return "";
    std::string text = StrCat("*", name, "\n");
    for (const std::string& chain : chains) text += StrCat(":", chain, " - [0:0]\n");
    return StrCat(text, rules, "COMMIT\n");
  }
};

void AddMasquerade(Table& nat, const PodRules& rules, const NetworkRules& network, bool v6) {
  std::string chain = MasqueradeChain(network.network, rules.uuid);
  nat.chains.push_back(chain);
  for (const Prefix& subnet : network.subnets) {
    if (subnet.address.v6 == v6)
      nat.Add(StrCat("-A ", chain, " -d ", ToText(subnet), " -j ACCEPT"));
  }
  nat.Add(StrCat("-A ", chain, " ! -d ", v6 ? "ff00::/8" : "224.0.0.0/4", " -j MASQUERADE"));
  for (const Address& address : network.addresses) {
    if (address.v6 != v6) continue;
    nat.Add(StrCat("-A POSTROUTING -s ", Host(address), " -m comment --comment \"name: \\\"",
                   network.network, "\\\" id: \\\"", rules.uuid, "\\\"\" -j ", chain));
  }
}

void AddPorts(Table& nat, const PodRules& rules, bool v6) {
  std::string dnat = DnatChain(rules.uuid), snat = SnatChain(rules.uuid);
  bool any = false;
  std::set<std::string> snat_rules;
  for (const PortRule& port : rules.ports) {
    if (port.pod.v6 != v6) continue;
    any = true;
    std::string protocol = ProtocolName(port.protocol);
    std::string destination = port.host ? StrCat(" -d ", Host(*port.host))
                              : v6      ? " ! -d ::1/128"
                                        : "";
    std::string pod = v6 ? StrCat("[", ToText(port.pod), "]") : ToText(port.pod);
    nat.Add(StrCat("-A ", dnat, destination, " -p ", protocol, " -m ", protocol, " --dport ",
                   port.host_port, " -j DNAT --to-destination ", pod, ":", port.pod_port));
    for (const NetworkRules& network : rules.networks) {
      if (std::find(network.addresses.begin(), network.addresses.end(), port.pod) ==
          network.addresses.end())
        continue;
      std::string rest =
          StrCat(" -d ", Host(port.pod), " -m conntrack --ctstate DNAT -j MASQUERADE");
      if (network.hide_clients) snat_rules.insert(StrCat("-A ", snat, rest));
      if (!v6) snat_rules.insert(StrCat("-A ", snat, " -s 127.0.0.0/8", rest));
      for (const Prefix& subnet : network.subnets) {
        if (subnet.address.v6 == v6)
          snat_rules.insert(StrCat("-A ", snat, " -s ", ToText(subnet), rest));
      }
    }
  }
  if (!any) return;
  nat.chains.push_back(dnat);
  nat.chains.push_back(snat);
  for (const std::string& rule : snat_rules) nat.Add(rule);
  for (const char* hook : {"PREROUTING", "OUTPUT"}) {
    nat.Add(StrCat("-I ", hook, " 1 -m addrtype --dst-type LOCAL -j ", dnat));
  }
  nat.Add(StrCat("-I POSTROUTING 1 -j ", snat));
}

void AddForward(Table& filter, const PodRules& rules, const NetworkRules& network, bool v6) {
  std::string chain = ForwardChain(rules.uuid);
  for (const Address& address : network.addresses) {
    if (address.v6 != v6) continue;
    if (filter.chains.empty()) {
      filter.chains.push_back(chain);
      filter.Add(StrCat("-I FORWARD 1 -j ", chain));
    }
    std::string to = StrCat("-A ", chain, " -d ", Host(address));
    filter.Add(StrCat(to, " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"));
    filter.Add(StrCat(to, " -m conntrack --ctstate DNAT -j ACCEPT"));
    filter.Add(StrCat(to, " -i ", kLinkPrefix, "+ -j ACCEPT"));
    if (!network.link.empty() && !network.check_sender)
      filter.Add(StrCat(to, " -i ", network.link, " -j ACCEPT"));
    if (network.closed) filter.Add(StrCat(to, " -j DROP"));
    // The host's own policy is for other traffic.
    if (!network.link.empty())
      filter.Add(StrCat("-A ", chain, " -s ", Host(address), " -i ", network.link, " -j ACCEPT"));
  }
}

void AddRaw(Table& raw, const PodRules& rules, const NetworkRules& network, bool v6) {
  if (network.link.empty()) return;
  std::string chain = RawChain(rules.uuid);
  if (raw.chains.empty()) raw.chains.push_back(chain);
  std::string from = StrCat("-A ", chain, " -i ", network.link);
  raw.Add(StrCat("-I PREROUTING 1 -i ", network.link, " -j ", chain));
  if (v6) {
    for (const char* type : {"134", "137"})
      raw.Add(StrCat(from, " -p icmpv6 --icmpv6-type ", type, " -j DROP"));
  } else {
    raw.Add(StrCat(from, " -d 127.0.0.0/8 -j DROP"));
  }
  if (!network.check_sender) return;
  for (const Address& address : network.addresses) {
    if (address.v6 == v6) raw.Add(StrCat(from, " -s ", Host(address), " -j RETURN"));
  }
  if (v6) {
    for (const char* type : {"135", "136"})
      raw.Add(StrCat(from, " -p icmpv6 --icmpv6-type ", type, " -j RETURN"));
  }
  raw.Add(StrCat(from, " -j DROP"));
}

std::vector<std::string> Environment() {
  return {"PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"};
}

Result<std::string> RunTool(const std::string& name, std::vector<std::string> arguments,
                            std::string input) {
  ProgramRun run;
  run.program = FindHostProgram(name);
  if (run.program.empty()) return Err(Code::kNotFound, "the program ", name, " is not installed");
  run.argv = std::move(arguments);
  run.argv.insert(run.argv.begin(), name);
  run.env = Environment();
  run.input = std::move(input);
  run.output_limit = 64u << 20;
  ProgramOutput output = TRY(RunBounded(run));
  if (!output.status.ok())
    return Err(Code::kInternal, name, " failed: ", TerminalSafe(Trim(output.err)));
  return std::move(output.out);
}

const char* Tool(bool v6, bool save) {
  return save ? (v6 ? "ip6tables-save" : "iptables-save")
              : (v6 ? "ip6tables-restore" : "iptables-restore");
}

// Whether a chain's name is one word of a rule.
bool Mentions(std::string_view rule, const std::set<std::string>& chains) {
  for (const std::string& word : Split(rule, ' ')) {
    if (chains.count(word) > 0) return true;
  }
  return false;
}

}  // namespace

std::string IptablesText(const PodRules& rules, bool v6) {
  Table nat, filter, raw;
  for (const NetworkRules& network : rules.networks) {
    bool has = std::any_of(network.addresses.begin(), network.addresses.end(),
                           [&](const Address& a) { return a.v6 == v6; });
    // What the pod may not send does not depend on what it may.
    if (!network.link.empty() && (has || network.check_sender)) AddRaw(raw, rules, network, v6);
    if (!has) continue;
    if (network.masquerade) AddMasquerade(nat, rules, network, v6);
    AddForward(filter, rules, network, v6);
  }
  AddPorts(nat, rules, v6);
  return StrCat(raw.Text("raw"), nat.Text("nat"), filter.Text("filter"));
}

std::string IptablesRemovalText(std::string_view saved, const std::string& uuid,
                                const std::vector<std::string>& networks) {
  std::set<std::string> chains = {DnatChain(uuid), SnatChain(uuid), ForwardChain(uuid),
                                  RawChain(uuid)};
  for (const std::string& network : networks) chains.insert(MasqueradeChain(network, uuid));
  std::string all, table, deletions, removals;
  for (const std::string& line : Split(saved, '\n')) {
    if (line.starts_with('*')) {
      table = line;
      deletions.clear();
      removals.clear();
    } else if (line.starts_with(':')) {
      std::string name = line.substr(1, line.find(' ') - 1);
      if (chains.count(name) > 0) {
        deletions += StrCat("-F ", name, "\n");
        removals += StrCat("-X ", name, "\n");
      }
    } else if (line.starts_with("-A ")) {
      size_t end = line.find(' ', 3);
      std::string in = line.substr(3, end == std::string::npos ? end : end - 3);
      // What lies in the pod's chains goes with them.
      if (chains.count(in) == 0 && Mentions(line, chains))
        deletions += StrCat("-D ", std::string_view(line).substr(3), "\n");
    } else if (line == "COMMIT" && !(deletions.empty() && removals.empty())) {
      all += StrCat(table, "\n", deletions, removals, "COMMIT\n");
    }
  }
  return all;
}

std::vector<OwnedPort> ParseIptablesPorts(std::string_view saved, bool v6) {
  std::vector<OwnedPort> ports;
  constexpr std::string_view kBegin = "-A RKT-PFWD-DNAT-";
  for (const std::string& line : Split(saved, '\n')) {
    if (!line.starts_with(kBegin)) continue;
    std::vector<std::string> words = Split(line, ' ');
    OwnedPort port;
    port.owner = words[1].substr(kBegin.size() - std::string_view("-A ").size());
    port.rule.pod.v6 = v6;
    for (size_t i = 2; i + 1 < words.size(); ++i) {
      if (words[i] == "-d" && words[i - 1] != "!")
        port.rule.host = ParseAddress(words[i + 1].substr(0, words[i + 1].find('/')));
      if (words[i] == "-p") port.rule.protocol = words[i + 1] == "udp" ? IPPROTO_UDP : IPPROTO_TCP;
      if (words[i] == "--dport")
        port.rule.host_port = static_cast<uint16_t>(ParseUint(words[i + 1]).value_or(0));
    }
    ports.push_back(port);
  }
  return ports;
}

bool HasIptables() {
  return !FindHostProgram("iptables-restore").empty() && !FindHostProgram("iptables-save").empty();
}

Status AddIptablesRules(const PodRules& rules) {
  for (bool v6 : {false, true}) {
    std::string text = IptablesText(rules, v6);
    // A host without IPv6 may lack the tool; the check of senders is moot there.
    bool has_v6 =
        std::any_of(rules.networks.begin(), rules.networks.end(), [](const NetworkRules& network) {
          return std::any_of(network.addresses.begin(), network.addresses.end(),
                             [](const Address& a) { return a.v6; });
        });
    if (text.empty() || (v6 && !has_v6 && FindHostProgram(Tool(true, false)).empty())) continue;
    TRY(RunTool(Tool(v6, false), {"-w", "-n"}, text));
  }
  return {};
}

Status RemoveIptablesRules(const std::string& uuid, const std::vector<std::string>& networks) {
  Status first;
  for (bool v6 : {false, true}) {
    auto saved = RunTool(Tool(v6, true), {}, "");
    if (!saved) {
      if (saved.error().code() != Code::kNotFound && first) first = std::move(saved).error();
      continue;
    }
    std::string text = IptablesRemovalText(*saved, uuid, networks);
    if (text.empty()) continue;
    auto removed = RunTool(Tool(v6, false), {"-w", "-n"}, text);
    if (!removed && first) first = std::move(removed).error();
  }
  return first;
}

Result<std::vector<OwnedPort>> ListIptablesPorts() {
  std::vector<OwnedPort> all;
  for (bool v6 : {false, true}) {
    auto saved = RunTool(Tool(v6, true), {"-t", "nat"}, "");
    if (!saved) {
      if (saved.error().code() == Code::kNotFound) continue;
      return std::move(saved).error();
    }
    for (OwnedPort& port : ParseIptablesPorts(*saved, v6)) all.push_back(std::move(port));
  }
  return all;
}

}  // namespace rkt::network
