// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Isolators beside those of isolator.h: processes, resource limits of the kernel, block devices,
// kernel parameters of the pod, labels. Names are those of the specification where it has them
// (docs/isolators.md). What images may ask for and what only the command line or a pod manifest can
// grant is told here too.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appc/isolator.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

inline constexpr char kPidsLimitIsolator[] = "os/linux/pids-limit";
inline constexpr char kRlimitsIsolator[] = "os/unix/rlimits";
inline constexpr char kBlockBandwidthIsolator[] = "resource/block-bandwidth";
inline constexpr char kBlockIopsIsolator[] = "resource/block-iops";
inline constexpr char kBlockWeightIsolator[] = "os/linux/block-weight";
inline constexpr char kNetworkBandwidthIsolator[] = "resource/network-bandwidth";
inline constexpr char kSysctlIsolator[] = "os/unix/sysctl";
inline constexpr char kSelinuxIsolator[] = "os/linux/selinux-context";
inline constexpr char kApparmorIsolator[] = "os/linux/apparmor-profile";

// How many processes and threads a pod may have at a time where nobody says otherwise.
inline constexpr int64_t kDefaultPodTasks = 8192;

// CheckIsolator of the names above; others are none of its business. As there, `where` gets the
// value at fault.
Status CheckLimitIsolator(const Isolator& isolator, const json::Value** where);

// Whether the name is one that rkt reads, or will not read for a reason that it tells.
bool IsKnownIsolator(std::string_view name);

// --- reading; as in isolator.h the last one of a name counts, except where lists are joined.

std::optional<int64_t> PidsLimit(const Isolators& isolators);       // 0: no limit
std::optional<int64_t> BlockBandwidth(const Isolators& isolators);  // bytes a second, each way
std::optional<int64_t> BlockIops(const Isolators& isolators);       // operations a second, each way
std::optional<int64_t> BlockWeight(const Isolators& isolators);     // 10 to 1000

// A limit of setrlimit(2). Without a number: unlimited.
struct Rlimit {
  std::string name;  // "nofile"
  std::optional<uint64_t> soft;
  std::optional<uint64_t> hard;
  bool operator==(const Rlimit&) const = default;
};
std::vector<Rlimit> Rlimits(const Isolators& isolators);
// RLIMIT_NOFILE of "nofile"; nothing for a name that the kernel has no limit of.
std::optional<int> RlimitNumber(std::string_view name);

// A kernel parameter with the namespace that makes it the pod's own.
struct Sysctl {
  enum class Scope { kNetwork, kIpc, kUts };
  std::string name;  // with dots between its parts, as it was written
  std::string path;  // below /proc/sys
  std::string value;
  Scope scope = Scope::kNetwork;
};
// kInvalid: not a name, or a parameter of the whole machine, which no pod may set.
Result<Sysctl> ParseSysctl(std::string_view name, std::string_view value);
// All of them; the same errors.
Result<std::vector<Sysctl>> Sysctls(const Isolators& isolators);

// "user:role:type:level" of the SELinux isolator, the name of the AppArmor one's profile.
std::optional<std::string> SelinuxContext(const Isolators& isolators);
std::optional<std::string> ApparmorProfile(const Isolators& isolators);

// Whether an image may bring these isolators along: what reaches beyond its pod (capabilities of
// the host, more tasks than a pod has by default, being spared where memory runs out) is for the
// command line or a pod manifest to give. kInvalid names isolator and flag. `any_capability`: the
// capabilities do not matter, since no set restricts them.
Status CheckImageIsolators(const Isolators& isolators, bool any_capability);

// --- making, with the limits of the command line (kInvalid)

Result<Isolator> MakePidsLimit(int64_t limit);                   // -1 and 0: none
Result<Isolator> MakeBlockBandwidth(std::string_view quantity);  // bytes a second
Result<Isolator> MakeBlockIops(std::string_view quantity);
Result<Isolator> MakeBlockWeight(int64_t weight);
Result<Isolator> MakeRlimits(const std::vector<Rlimit>& limits);
// Checked by ParseSysctl.
Result<Isolator> MakeSysctls(const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace rkt::appc
