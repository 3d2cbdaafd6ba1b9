// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Children that share the caller's memory: no page table is copied, and results lie where the caller finds them.

#include <linux/sched.h>
#include <sys/types.h>

#include <cstddef>

namespace rkt::native {

// clone3(2) with args.flags (CLONE_VM is added), running `function(argument)` on the given stack; the function must
// end in execve or _exit and allocate nothing. Returns the pid, or -1 with errno.
pid_t CloneWithStack(struct clone_args args, void* stack, size_t stack_size, void (*function)(void*),
                     void* argument);

}  // namespace rkt::native
