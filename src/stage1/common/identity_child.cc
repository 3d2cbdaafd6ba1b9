// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/identity_child.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rkt::stage1 {

int ApplyIdentity(uid_t uid, gid_t gid, const gid_t* groups, size_t group_count,
                  IdentityStep* failed) {
  *failed = IdentityStep::kGroups;
  if (::syscall(SYS_setgroups, group_count, groups) != 0) return errno;
  *failed = IdentityStep::kGid;
  if (::syscall(SYS_setresgid, gid, gid, gid) != 0) return errno;
  *failed = IdentityStep::kUid;
  if (::syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
  *failed = IdentityStep::kNone;
  return 0;
}

const char* IdentityStepText(IdentityStep step) {
  switch (step) {
    case IdentityStep::kNone:
      return "";
    case IdentityStep::kGroups:
      return "setting supplementary groups";
    case IdentityStep::kGid:
      return "setting the group";
    case IdentityStep::kUid:
      return "setting the user";
  }
  return "";
}

}  // namespace rkt::stage1
