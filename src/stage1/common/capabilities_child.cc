// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/capabilities_child.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rkt::stage1 {

namespace {
// What the rest of an app's start takes: becoming its user and, for root, installing its filter.
constexpr uint64_t kForStart =
    uint64_t{1} << CAP_SETGID | uint64_t{1} << CAP_SETUID | uint64_t{1} << CAP_SYS_ADMIN;
}  // namespace

int ApplyCapabilities(uint64_t mask, CapabilityStep* failed) {
  *failed = CapabilityStep::kAmbient;
  // EINVAL: a kernel before 4.3, which has none to clear.
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
    return errno;
  }
  *failed = CapabilityStep::kBounding;
  if (mask != ~uint64_t{0}) {
    // Also those that a newer kernel has and this program knows no name for: up to the first that
    // is none.
    for (unsigned number = 0; number < 64; ++number) {
      if ((mask >> number & 1) != 0) continue;
      if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) {
        if (errno == EINVAL) break;
        return errno;
      }
    }
  }
  *failed = CapabilityStep::kInheritable;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  uint64_t left = mask | kForStart;
  for (int half = 0; half < 2; ++half) {
    auto kept = static_cast<uint32_t>(left >> (32 * half));
    data[half].permitted &= kept;
    data[half].effective &= kept;
    data[half].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, data) != 0) return errno;
  *failed = CapabilityStep::kNone;
  return 0;
}

}  // namespace rkt::stage1
