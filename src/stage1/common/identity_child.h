// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Becoming the app's user in the child. No allocation.

#include <sys/types.h>

#include <cstddef>

namespace rkt::stage1 {

enum class IdentityStep : int { kNone, kGroups, kGid, kUid };

// setgroups, setresgid, setresuid by the raw system calls (the libc's signal every thread). 0 or an
// errno.
int ApplyIdentity(uid_t uid, gid_t gid, const gid_t* groups, size_t group_count,
                  IdentityStep* failed);
const char* IdentityStepText(IdentityStep step);

}  // namespace rkt::stage1
