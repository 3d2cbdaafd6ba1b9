// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Isolators: named limits of an app. The list keeps every isolator as it was written, the unknown
// ones too; the functions below read and make those that rkt knows. Known ones are checked when a
// manifest is read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/quantity.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

inline constexpr char kMemoryIsolator[] = "resource/memory";
inline constexpr char kCpuIsolator[] = "resource/cpu";
inline constexpr char kCpuSharesIsolator[] = "os/linux/cpu-shares";
inline constexpr char kOomScoreAdjIsolator[] = "os/linux/oom-score-adj";
inline constexpr char kCapsRetainIsolator[] = "os/linux/capabilities-retain-set";
inline constexpr char kCapsRemoveIsolator[] = "os/linux/capabilities-remove-set";
inline constexpr char kSeccompRetainIsolator[] = "os/linux/seccomp-retain-set";
inline constexpr char kSeccompRemoveIsolator[] = "os/linux/seccomp-remove-set";
inline constexpr char kNoNewPrivilegesIsolator[] = "os/linux/no-new-privileges";

struct Isolator {
  std::string name;
  json::Value value;
  std::vector<json::Member> unknown;  // members besides name and value
  bool operator==(const Isolator&) const = default;
};
using Isolators = std::vector<Isolator>;

// Whether the value suits the name; unknown names always do. The message says what is wrong in
// `field` terms
// ("value.limit must be ..."). `where` gets the value at fault.
Status CheckIsolator(const Isolator& isolator, const json::Value** where = nullptr);

// --- reading; the last one of a name counts. They expect a checked list and give nothing for what
// is not there.

std::optional<int64_t> MemoryLimit(const Isolators& isolators);     // bytes
std::optional<int64_t> CpuLimitMillis(const Isolators& isolators);  // thousandths of a core
std::optional<int64_t> CpuShares(const Isolators& isolators);
std::optional<int> OomScoreAdj(const Isolators& isolators);
bool NoNewPrivileges(const Isolators& isolators);

// Capability names as written. Both present is an error that stage1 reports.
struct Capabilities {
  std::optional<std::vector<std::string>> retain;
  std::optional<std::vector<std::string>> remove;
};
Capabilities GetCapabilities(const Isolators& isolators);

struct Seccomp {
  bool retain = false;           // the set is what is allowed; otherwise what is forbidden
  std::vector<std::string> set;  // names and @wildcards
  std::string errno_name;        // empty: the process is killed
  bool operator==(const Seccomp&) const = default;
};
// All seccomp isolators in order: more than one is an error that stage1 reports.
std::vector<Seccomp> GetSeccomp(const Isolators& isolators);

// --- making, with the limits of the command line (kInvalid)

// From a quantity's text; fewer than 4096 bytes are refused (16m is 16 thousandths of a byte).
Result<Isolator> MakeMemory(std::string_view quantity);
Result<Isolator> MakeCpu(std::string_view quantity);
Result<Isolator> MakeCpuShares(int64_t shares);        // 2..262144
Result<Isolator> MakeOomScoreAdj(int64_t adjustment);  // -1000..1000
Result<Isolator> MakeCapabilities(bool retain, const std::vector<std::string>& set);
// The set must not be empty; the errno, where there is one, looks like E[A-Z0-9]*.
Result<Isolator> MakeSeccomp(const Seccomp& seccomp);
Isolator MakeNoNewPrivileges(bool value);

// Removes all isolators of the name.
void EraseIsolators(Isolators& isolators, std::string_view name);

}  // namespace rkt::appc
