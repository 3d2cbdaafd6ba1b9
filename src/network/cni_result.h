// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Results of CNI plugins, of every version of the specification from 0.1.0 to 1.1.0, as one value.
// What plugins print is checked: known fields have the specification's types, addresses are
// addresses.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "network/config.h"

namespace rkt::network {

struct CniInterface {
  std::string name;
  std::string mac;
  std::string sandbox;  // empty: on the host
};
struct CniAddress {
  Prefix address;
  std::optional<Address> gateway;
  std::optional<int> interface;  // index into interfaces
};
struct CniResult {
  std::vector<CniInterface> interfaces;
  std::vector<CniAddress> addresses;
  std::vector<Route> routes;
  DnsConfig dns;
  json::Value document;  // as the plugin gave it: the prevResult of the next

  // Those of one interface of the pod; all where the plugin did not say which belong to which.
  std::vector<CniAddress> AddressesOf(std::string_view interface) const;
};

// Versions that we speak, oldest first.
const std::vector<std::string>& SupportedCniVersions();
bool IsSupportedCniVersion(std::string_view version);
// -1, 0, 1 for versions of the form MAJOR.MINOR.PATCH.
int CompareVersions(std::string_view a, std::string_view b);

Result<CniResult> ParseCniResult(std::string_view text);
// The error that a plugin printed on its standard output ("msg; details (code N)"), nothing where
// that is none.
std::optional<std::string> ParseCniError(std::string_view text);

}  // namespace rkt::network
