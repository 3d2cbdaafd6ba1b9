// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/stop_signal.h"

#include <signal.h>
#include <string.h>

#include "base/strings.h"

namespace rkt::stage1 {

namespace {

// As the C library counts, which keeps the kernel's first two to itself.
int RealTime(std::string_view base) { return base == "RTMIN" ? SIGRTMIN : SIGRTMAX; }

}  // namespace

std::optional<int> ParseSignal(std::string_view text) {
  if (auto number = ParseInt(text)) {
    return *number >= 1 && *number <= SIGRTMAX ? std::optional(static_cast<int>(*number)) : std::nullopt;
  }
  std::string upper = ToUpper(text);
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  if (name.starts_with("RTMIN") || name.starts_with("RTMAX")) {
    int signal = RealTime(name.substr(0, 5));
    std::string_view rest = name.substr(5);
    if (!rest.empty()) {
      if (rest[0] != '+' && rest[0] != '-') return std::nullopt;
      auto offset = ParseInt(rest.substr(1));
      if (!offset || *offset < 0 || *offset > SIGRTMAX) return std::nullopt;
      signal += rest[0] == '+' ? static_cast<int>(*offset) : -static_cast<int>(*offset);
    }
    return signal >= SIGRTMIN && signal <= SIGRTMAX ? std::optional(signal) : std::nullopt;
  }
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  // Older names of the same.
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (name == "POLL") return SIGIO;
  return std::nullopt;
}

}  // namespace rkt::stage1
