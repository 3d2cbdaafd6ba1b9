// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Names of capabilities and the bounding set of an app (runtime.md of the reference, section 11).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::stage1 {

// AUDIT_WRITE CHOWN DAC_OVERRIDE FSETID FOWNER KILL MKNOD NET_RAW NET_BIND_SERVICE SETUID SETGID
// SETPCAP SETFCAP SYS_CHROOT: bit N is capability number N.
inline constexpr uint64_t kDefaultCapabilities = 0xa80425fb;
// --insecure-options=capabilities: nothing is dropped.
inline constexpr uint64_t kAllCapabilities = ~uint64_t{0};

// "CAP_NET_ADMIN" in any case, with the prefix.
std::optional<int> CapabilityNumber(std::string_view name);
// "CAP_NET_ADMIN", or "CAP_<number>" for one that this version does not know.
std::string CapabilityName(int number);

// What an app's isolators say; at most one of the two.
struct CapabilityPolicy {
  std::optional<std::vector<std::string>> retain;  // exactly these
  std::optional<std::vector<std::string>> remove;  // the default set without these
};
// The bounding set. kInvalid: both given, or an unknown name.
Result<uint64_t> CapabilityMask(const CapabilityPolicy& policy);

}  // namespace rkt::stage1
