// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The rules of a pod for hosts that run on iptables: the same as ruleset.h's, as chains of the pod
// named as the original named them, put in and taken out by iptables-restore, one call an address
// family.
//
//   nat     CNI-<24 hex of the network and the pod>, RKT-PFWD-DNAT-<uuid, 8>, RKT-PFWD-SNAT-<uuid,
//   8> filter  RKT-FWD-<uuid, 8> raw     RKT-RAW-<uuid, 8>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/ruleset.h"

namespace rkt::network {

// Input for iptables-restore (ip6tables-restore) --noflush; empty where the pod has nothing of the
// family.
std::string IptablesText(const PodRules& rules, bool v6);
// From the output of iptables-save, the input that removes what belongs to the pod; empty where
// there is nothing.
std::string IptablesRemovalText(std::string_view saved, const std::string& uuid,
                                const std::vector<std::string>& networks);
// The published ports in the output of iptables-save. Owners are the first eight characters of the
// UUIDs.
std::vector<OwnedPort> ParseIptablesPorts(std::string_view saved, bool v6);

// Whether the programs are there.
bool HasIptables();
Status AddIptablesRules(const PodRules& rules);
// Whatever is missing; `networks` are names whose masquerading chains may be there.
Status RemoveIptablesRules(const std::string& uuid, const std::vector<std::string>& networks);
Result<std::vector<OwnedPort>> ListIptablesPorts();

}  // namespace rkt::network
