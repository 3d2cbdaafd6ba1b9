// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp.h"

#include "stage1/common/seccomp_rules.h"

namespace rkt::stage1 {

namespace {
constexpr sock_filter kDefaultFilter[] = {
#include "seccomp_default.inc"
};
}  // namespace

std::span<const sock_filter> DefaultSeccompFilter() { return kDefaultFilter; }

Result<std::vector<sock_filter>> CompileSeccomp(const SeccompPolicy& policy) {
  if (policy.mode == SeccompPolicy::Mode::kDefault && policy.errno_name.empty() &&
      policy.device_policy) {
    return std::vector<sock_filter>(std::begin(kDefaultFilter), std::end(kDefaultFilter));
  }
  return CompileSeccompUncached(policy);
}

}  // namespace rkt::stage1
