// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What --net asks for: text in, checked list out. Nothing here knows which networks exist.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rkt::network {

inline constexpr char kDefaultNetwork[] = "default";

// One name of the list with its arguments "K=V;K=V" (CNI_ARGS), in the order given.
struct NetworkChoice {
  std::string name;
  std::vector<std::pair<std::string, std::string>> arguments;

  // "K=V;K=V", as plugins get it.
  std::string ArgumentText() const;
  // The value of the last argument of that name, nullptr where there is none.
  const std::string* Argument(std::string_view key) const;
  bool operator==(const NetworkChoice&) const = default;
};

struct NetworkList {
  // kHost: the stack of the host. kNone: an own stack with lo only. kAll: every network that is
  // configured; the choices then only carry arguments. kNamed: exactly the choices.
  enum class Mode { kHost, kNone, kAll, kNamed };
  Mode mode = Mode::kNamed;
  std::vector<NetworkChoice> choices;

  const NetworkChoice* Find(std::string_view name) const;
};

// The values of --net, each itself a list separated by commas; no value at all, or a single empty
// one, is `default`. "host" anywhere wins, then "none", then "all" (runtime.md of the reference,
// section 14). kInvalid: an empty name, a name twice, more than one colon, arguments on host, none
// or all, an argument that is not K=V.
Result<NetworkList> ParseNetworkList(const std::vector<std::string>& values);

}  // namespace rkt::network
