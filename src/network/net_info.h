// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// POD/net-info.json: the networks of a pod as the original wrote them and `rkt list` and `status`
// read them.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::network {

struct NetInfo {
  std::string net_name;
  std::string net_conf;     // relative to POD: "net/99-default.conf"
  std::string plugin_path;  // of the first plugin; "built-in/ptp" for the engine's
  std::string if_name;
  std::string ip;
  std::string args;
  std::string mask;
  bool operator==(const NetInfo&) const = default;
};
// An array of one object a network; `null` where there are none.
std::string WriteNetInfo(const std::vector<NetInfo>& networks);
Result<std::vector<NetInfo>> ParseNetInfo(std::string_view text);

}  // namespace rkt::network
