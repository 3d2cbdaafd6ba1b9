// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the tables of ruleset.h say: sets, chains and rules that stand once, and the chain of each
// network.

#include <string>

#include "network/nftables.h"
#include "network/ruleset.h"

namespace rkt::network {

// The chain of a network is this, its name, '-', and eight digits that depend on its settings.
inline constexpr char kNetworkChain[] = "network-";
std::string ChainOf(const NetworkRules& network);

// Name of the set of an address family: "ports4", "ports6".
std::string Of(const char* set, bool v6);

void AddInetTable(nft::Transaction& inet);
void AddBridgeTable(nft::Transaction& bridge);
void AddNetworkChain(nft::Transaction& inet, const NetworkRules& network);

}  // namespace rkt::network
