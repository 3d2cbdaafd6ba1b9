// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Dropping capabilities in the child. Plain data in, no allocation; errors are {step, errno}.

#include <cstdint>

namespace rkt::stage1 {

enum class CapabilityStep : int { kNone, kAmbient, kBounding, kInheritable };

// Clears the ambient set, drops what is not in `mask` from the bounding set, clears the inheritable
// set, and keeps of the permitted and effective sets what is in `mask` or needed until execve:
// SETUID, SETGID and SYS_ADMIN. From here on the process is less than the pod's first one, so that
// no path leads through that one's /proc entries any more (root, cwd, fd, exe): what an image calls
// its program must not be one of them. At execve the kernel gives root exactly the bounding set,
// and the change to another uid (ApplyIdentity) has emptied the sets for everybody else. Call it
// before ApplyIdentity. 0 or an errno.
int ApplyCapabilities(uint64_t mask, CapabilityStep* failed);

}  // namespace rkt::stage1
