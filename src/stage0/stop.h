// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Stopping a running pod through its stage1's `stop` entry point.

#include <string>

#include "base/result.h"

namespace rkt::stage0 {

enum class StopResult {
  kStopped,
  kAlreadyStopped
};  // kAlreadyStopped: pod "UUID" is already stopped

// Asks the pod to stop (`force`: kills it) and returns as soon as it was asked, as the entry point
// does. `uuid` is a whole UUID. kInvalid: pod "UUID" is not running; kUnsupported: stage1 has no
// stop.
Result<StopResult> Stop(const std::string& data_dir, const std::string& uuid, bool force);

}  // namespace rkt::stage0
