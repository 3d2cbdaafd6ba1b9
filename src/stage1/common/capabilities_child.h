// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Dropping capabilities in the child. Plain data in, no allocation; errors are {step, errno}.

#include <cstdint>

namespace rkt::stage1 {

enum class CapabilityStep : int { kNone, kAmbient, kBounding, kInheritable };

// Clears the ambient set, drops what is not in `mask` from the bounding set, clears the inheritable
// set. Permitted and effective stay until execve: the kernel then gives root exactly the bounding
// set, and the change to another uid (ApplyIdentity) has emptied them for everybody else. Call it
// before ApplyIdentity. 0 or an errno.
int ApplyCapabilities(uint64_t mask, CapabilityStep* failed);
const char* CapabilityStepText(CapabilityStep step);

}  // namespace rkt::stage1
