// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Everything that reads what strangers wrote, as functions that take any bytes whatsoever. Each must come back, and checks
// besides what holds of whatever it accepted; where that does not hold, the program aborts.
//
// tests/fuzz/corpus/NAME/ has the inputs of a target. `fuzz_replay` gives each target all of them, and thousands made of
// them by cutting and changing (ctest -R fuzz.replay). With clang there is a libFuzzer program fuzz_NAME for each as well:
// docs/architecture.md, "Tests".

#include <string_view>

namespace rkt::fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view input);
};

inline constexpr int kTargets = 14;
extern const Target kAllTargets[kTargets];
// Null where there is none of that name.
const Target* FindTarget(std::string_view name);

}  // namespace rkt::fuzz
