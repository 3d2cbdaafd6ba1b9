// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Removing one pod at once, whatever its grace period.

#include <string>

#include "base/result.h"
#include "stage0/gc.h"

namespace rkt::stage0 {

// `uuid` is a whole UUID (Pods::ResolveUuid). kBusy: pod "UUID" is currently running / still
// preparing / being deleted; kNotFound.
Status Rm(const std::string& uuid, const GcOptions& options, const GcCallbacks& callbacks);

}  // namespace rkt::stage0
