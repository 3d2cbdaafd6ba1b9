// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/applied.h"

#include "base/json.h"

namespace rkt::network {

namespace {

json::Value TextArray(const auto& values) {
  json::Value array = json::Value::Array();
  for (const auto& value : values) array.Append(ToText(value));
  return array;
}

// Takes a document apart that we wrote ourselves: any surprise makes the whole damaged.
class Reader {
 public:
  explicit Reader(const json::Value& object) : object_(object) { damaged_ = !object.is_object(); }

  std::string Text(std::string_view key) {
    const json::Value* value = Get(key, json::Type::kString);
    return value != nullptr ? value->text() : "";
  }
  bool Bool(std::string_view key) {
    const json::Value* value = Get(key, json::Type::kBool);
    return value != nullptr && value->boolean();
  }
  const std::vector<json::Value>& Items(std::string_view key) {
    static const std::vector<json::Value> none;
    const json::Value* value = Get(key, json::Type::kArray);
    return value != nullptr ? value->items() : none;
  }
  template <typename T, typename F>
  std::vector<T> Parsed(std::string_view key, F parse) {
    std::vector<T> all;
    for (const json::Value& item : Items(key)) {
      auto parsed = item.is_string() ? parse(item.text()) : std::nullopt;
      if (parsed) {
        all.push_back(*parsed);
      } else {
        damaged_ = true;
      }
    }
    return all;
  }
  void Damage() { damaged_ = true; }
  bool damaged() const { return damaged_; }

 private:
  const json::Value* Get(std::string_view key, json::Type type) {
    const json::Value* value = object_.Find(key);
    if (value != nullptr && value->type() == type) return value;
    damaged_ = true;
    return nullptr;
  }
  const json::Value& object_;
  bool damaged_;
};

std::optional<std::string> Same(const std::string& text) { return text; }

// "tcp/udp number, host address or -, host port, pod address, pod port" in one word.
std::string PortText(const PortRule& rule) {
  return StrCat(rule.protocol, " ", rule.host ? ToText(*rule.host) : "-", " ", rule.host_port, " ",
                ToText(rule.pod), " ", rule.pod_port);
}
std::optional<PortRule> ParsePort(const std::string& text) {
  std::vector<std::string> words = Split(text, ' ');
  if (words.size() != 5) return std::nullopt;
  auto protocol = ParseUint(words[0]), host_port = ParseUint(words[2]),
       pod_port = ParseUint(words[4]);
  auto pod = ParseAddress(words[3]);
  if (!protocol || !host_port || !pod_port || !pod || *protocol > 255 || *host_port > 65535 ||
      *pod_port > 65535)
    return std::nullopt;
  PortRule rule;
  rule.protocol = static_cast<uint8_t>(*protocol);
  rule.host_port = static_cast<uint16_t>(*host_port);
  rule.pod_port = static_cast<uint16_t>(*pod_port);
  rule.pod = *pod;
  if (words[1] != "-") {
    rule.host = ParseAddress(words[1]);
    if (!rule.host) return std::nullopt;
  }
  return rule;
}

json::Value ToJson(const AppliedNetwork& network) {
  const NetworkRules& rules = network.rules;
  return json::Value::Object({{"name", network.name},
                              {"file", network.file},
                              {"interface", network.interface},
                              {"engine", network.engine},
                              {"arguments", network.arguments},
                              {"leaseDir", network.lease_dir},
                              {"programs", json::Value::Array(network.programs)},
                              {"capabilities", network.capabilities},
                              {"members", network.has_members},
                              {"subnets", TextArray(rules.subnets)},
                              {"masquerade", rules.masquerade},
                              {"hideClients", rules.hide_clients},
                              {"link", rules.link},
                              {"checkSender", rules.check_sender},
                              {"bridgePort", rules.bridge_port},
                              {"podMac", ToText(rules.pod_mac)},
                              {"closed", rules.closed},
                              {"addresses", TextArray(rules.addresses)}});
}

AppliedNetwork ReadNetwork(Reader& reader) {
  AppliedNetwork network;
  network.name = reader.Text("name");
  network.file = reader.Text("file");
  network.interface = reader.Text("interface");
  network.engine = reader.Bool("engine");
  network.arguments = reader.Text("arguments");
  network.lease_dir = reader.Text("leaseDir");
  network.programs = reader.Parsed<std::string>("programs", Same);
  network.capabilities = reader.Text("capabilities");
  network.has_members = reader.Bool("members");
  NetworkRules& rules = network.rules;
  rules.network = network.name;
  rules.subnets =
      reader.Parsed<Prefix>("subnets", [](const std::string& text) { return ParsePrefix(text); });
  rules.masquerade = reader.Bool("masquerade");
  rules.hide_clients = reader.Bool("hideClients");
  rules.link = reader.Text("link");
  rules.check_sender = reader.Bool("checkSender");
  rules.bridge_port = reader.Text("bridgePort");
  auto mac = ParseMac(reader.Text("podMac"));
  if (!mac || network.file.find('/') != std::string::npos ||
      network.name.find('/') != std::string::npos)
    reader.Damage();
  rules.pod_mac = mac.value_or(MacAddress{});
  rules.closed = reader.Bool("closed");
  rules.addresses = reader.Parsed<Address>(
      "addresses", [](const std::string& text) { return ParseAddress(text); });
  return network;
}

}  // namespace

PodRules Applied::Rules() const {
  PodRules rules;
  rules.uuid = uuid;
  rules.ports = ports;
  for (const AppliedNetwork& network : networks) {
    // A plugin's network has rules of ours only where ports lead there.
    if (network.engine || !network.rules.addresses.empty()) rules.networks.push_back(network.rules);
  }
  return rules;
}

std::string WriteApplied(const Applied& applied) {
  json::Value networks = json::Value::Array();
  for (const AppliedNetwork& network : applied.networks) networks.Append(ToJson(network));
  json::Value ports = json::Value::Array();
  for (const PortRule& port : applied.ports) ports.Append(PortText(port));
  return json::Write(json::Value::Object(
      {{"uuid", applied.uuid},
       {"backend", applied.backend == Backend::kIptables ? "iptables" : "nftables"},
       {"rules", applied.has_rules},
       {"networks", std::move(networks)},
       {"ports", std::move(ports)}}));
}

Result<Applied> ParseApplied(std::string_view text) {
  json::Value root = TRY(json::Parse(text, {.max_size = 64u << 20, .max_values = 1u << 20}));
  Reader reader(root);
  Applied applied;
  applied.uuid = reader.Text("uuid");
  std::string backend = reader.Text("backend");
  applied.backend = backend == "iptables" ? Backend::kIptables : Backend::kNftables;
  applied.has_rules = reader.Bool("rules");
  applied.ports = reader.Parsed<PortRule>("ports", ParsePort);
  bool damaged = reader.damaged() || (backend != "iptables" && backend != "nftables");
  for (const json::Value& item : reader.Items("networks")) {
    Reader network(item);
    applied.networks.push_back(ReadNetwork(network));
    damaged |= network.damaged();
  }
  if (damaged) return Err(Code::kCorrupt, "the record of the pod's networks is damaged");
  return applied;
}

}  // namespace rkt::network
