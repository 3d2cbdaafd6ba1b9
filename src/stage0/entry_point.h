// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Finding the program behind an entry point of a pod's stage1. While the pod runs, its mounts are
// out of sight, so the tree store's copy is executed, or the pod's own where the pod has one.

#include <string>
#include <string_view>

#include "base/result.h"
#include "pod/pod.h"
#include "stage0/stage1_contract.h"

namespace rkt::stage0 {

Result<Stage1Contract> ReadContract(const pod::Pod& pod);
// kUnsupported where stage1 has no such entry point.
Result<std::string> EntryPointPath(const std::string& data_dir, const pod::Pod& pod,
                                   const Stage1Contract& contract, std::string_view name);

}  // namespace rkt::stage0
