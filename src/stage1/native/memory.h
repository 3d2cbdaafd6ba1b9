// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A pod that idles should cost little: the two processes of this program that stay are asleep most of the time.

namespace rkt::native {

// How long nothing must happen before memory is given back; short pods are spared the work.
inline constexpr int kIdleMs = 500;

// Unmaps the pages of the program's code and constants, which come back one by one when they are needed, and returns
// what malloc has free.
void ReleaseIdleMemory();

}  // namespace rkt::native
