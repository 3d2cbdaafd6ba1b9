// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Entering an app of a running pod through its stage1's `enter` entry point.

#include <string>
#include <vector>

#include "base/result.h"

namespace rkt::stage0 {

// The names of the pod's apps, for choosing the only one.
Result<std::vector<std::string>> AppNames(const std::string& data_dir, const std::string& uuid);

// Becomes the entry point (exec of the tree store's copy): returns only where that failed. `uuid`
// is a whole UUID, `app` one of the pod's, `argv` the command, not empty. kInvalid: pod "UUID"
// isn't currently running.
Status Enter(const std::string& data_dir, const std::string& uuid, const std::string& app,
             const std::vector<std::string>& argv);

}  // namespace rkt::stage0
