// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What system calls are called: numbers by name, and the groups of names that isolators may use.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace rkt::stage1 {

enum class Architecture { kX8664, kI386, kAarch64 };
#if defined(__x86_64__)
inline constexpr Architecture kNativeArchitecture = Architecture::kX8664;
#elif defined(__aarch64__)
inline constexpr Architecture kNativeArchitecture = Architecture::kAarch64;
#else
#error "the seccomp filter does not know this architecture"
#endif

struct SystemCall {
  const char* name;
  int16_t number[3];  // by Architecture, -1: it has none of that name
};
// All calls, sorted by name.
std::span<const SystemCall> SystemCalls();
// Its index in SystemCalls().
std::optional<size_t> FindSystemCall(std::string_view name);

// The names in a group, separated by blanks: "@systemd/mount", "@rkt/default-whitelist". Nothing
// for an unknown group; @appc.io/all and @appc.io/empty are not lists.
std::optional<std::string_view> SeccompGroup(std::string_view group);

// Needed to start and end any program; allowed whatever a retain set says.
extern const char kAlwaysAllowed[];
// Calls younger than the whitelist that the default filter allows too: a current C library works
// with these.
extern const char kYoungAllowed[];
// "clock_gettime:clock_gettime64 ...": the same call with 64 bits of time on 32-bit machines.
extern const char kTime64[];
// Numbers that never had a call behind them in any kernel of this century, and never will.
extern const char kNeverImplemented[];
// The last number of an architecture that the authors of the lists could know. Younger calls that
// nobody lists fail with ENOSYS, as on a kernel without them, so that a C library takes the older
// call.
int LastClassic(Architecture architecture);

// The number of "EPERM" and so on.
std::optional<int> ErrnoNumber(std::string_view name);

}  // namespace rkt::stage1
