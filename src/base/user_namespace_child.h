// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a process does that is there for its user namespace only: nothing allocated, leaves by _exit.

namespace rkt::internal {

// Waits until nobody holds the pipe's other end any more.
[[noreturn]] void HoldNamespace(int read_end, int write_end);

}  // namespace rkt::internal
