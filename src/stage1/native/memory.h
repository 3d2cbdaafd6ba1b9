// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A pod that idles should cost little: the two processes of this program that stay are asleep most of the time. These
// waits first unmap the program's code and constants (pages of a file, which come back one by one when they are
// needed) and return what malloc has free; they make their system calls themselves, so that while they sleep nothing
// but their own few instructions is mapped again.

#include <poll.h>
#include <signal.h>

namespace rkt::native {

// How long nothing must happen before memory is given back; short pods are spared the work.
inline constexpr int kIdleMs = 500;

// As ppoll(2) and rt_sigtimedwait(2), without timeout where it is negative; a failure is the negative errno.
int PollWithoutMemory(struct pollfd* polls, unsigned long count, int timeout_ms);
int AwaitSignalWithoutMemory(const sigset_t* signals);

}  // namespace rkt::native
