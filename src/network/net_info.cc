// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/net_info.h"

#include "base/json.h"

namespace rkt::network {

std::string WriteNetInfo(const std::vector<NetInfo>& networks) {
  if (networks.empty()) return "null";
  json::Value array = json::Value::Array();
  for (const NetInfo& info : networks) {
    array.Append(json::Value::Object({{"netName", info.net_name},
                                      {"netConf", info.net_conf},
                                      {"pluginPath", info.plugin_path},
                                      {"ifName", info.if_name},
                                      {"ip", info.ip},
                                      {"args", info.args},
                                      {"mask", info.mask}}));
  }
  return json::Write(array);
}

Result<std::vector<NetInfo>> ParseNetInfo(std::string_view text) {
  json::Value root = TRY(json::Parse(text));
  std::vector<NetInfo> networks;
  if (root.is_null()) return networks;
  if (!root.is_array()) return Err(Code::kCorrupt, "net-info.json is not an array");
  auto text_of = [](const json::Value& item, std::string_view key) {
    const json::Value* value = item.Find(key);
    return value != nullptr && value->is_string() ? value->text() : std::string();
  };
  for (const json::Value& item : root.items()) {
    networks.push_back({text_of(item, "netName"), text_of(item, "netConf"),
                        text_of(item, "pluginPath"), text_of(item, "ifName"), text_of(item, "ip"),
                        text_of(item, "args"), text_of(item, "mask")});
  }
  return networks;
}

}  // namespace rkt::network
