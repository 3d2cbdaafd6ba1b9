// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

#include <time.h>

#include <cstdint>

namespace rkt::native {

// Of the clock that no one sets.
inline int64_t MonotonicMs() {
  struct timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

}  // namespace rkt::native
