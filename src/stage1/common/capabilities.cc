// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/capabilities.h"

#include <iterator>

namespace rkt::stage1 {

namespace {
// By number, linux/capability.h.
constexpr const char* kNames[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};
static_assert(std::size(kNames) == 41);

Result<uint64_t> MaskOf(const std::vector<std::string>& names) {
  uint64_t mask = 0;
  for (const std::string& name : names) {
    std::optional<int> number = CapabilityNumber(name);
    if (!number) return Err(Code::kInvalid, "unknown capability ", Quote(name));
    mask |= uint64_t{1} << *number;
  }
  return mask;
}
}  // namespace

std::optional<int> CapabilityNumber(std::string_view name) {
  std::string upper = ToUpper(name);
  std::string_view rest = upper;
  if (!rest.starts_with("CAP_")) return std::nullopt;
  rest.remove_prefix(4);
  for (size_t number = 0; number < std::size(kNames); ++number) {
    if (rest == kNames[number]) return static_cast<int>(number);
  }
  return std::nullopt;
}

std::string CapabilityName(int number) {
  if (number >= 0 && static_cast<size_t>(number) < std::size(kNames)) {
    return StrCat("CAP_", kNames[number]);
  }
  return StrCat("CAP_", number);
}

Result<uint64_t> CapabilityMask(const CapabilityPolicy& policy) {
  if (policy.retain && policy.remove) {
    return Err(Code::kInvalid, "capabilities: a retain set and a remove set exclude each other");
  }
  if (policy.retain) return MaskOf(*policy.retain);
  if (policy.remove) return kDefaultCapabilities & ~TRY(MaskOf(*policy.remove));
  return kDefaultCapabilities;
}

}  // namespace rkt::stage1
