// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The entry of libFuzzer, compiled once for each target (RKT_FUZZ_TARGET is its name).

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rkt::fuzz::Target* target = rkt::fuzz::FindTarget(RKT_FUZZ_TARGET);
  if (target == nullptr) std::abort();
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
