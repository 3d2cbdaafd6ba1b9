// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Children that share the caller's memory: cheap to start, able to leave results where the caller finds them.

#include <linux/sched.h>
#include <sys/types.h>

#include <cstddef>

namespace rkt::native {

// clone3(2) with args.flags (CLONE_VM is added), running `function(argument)` on the given stack; the function must
// end in execve or _exit and allocate nothing. Returns the pid, or -1 with errno.
pid_t CloneWithStack(struct clone_args args, void* stack, size_t stack_size, void (*function)(void*),
                     void* argument);

// A network namespace that is being made beside whatever else the caller does: the kernel takes half a millisecond for
// one. The loopback interface is brought up in it.
class NetworkNamespaceMaker {
 public:
  // Starts; 0 or an errno.
  int Start();
  // Waits until it is there and gives its descriptor, or -1 with errno.
  int Take();

 private:
  static void Main(void* self);
  alignas(16) char stack_[16 << 10];
  pid_t pid_ = -1;
  int fd_ = -1;
  int error_ = 0;
};

}  // namespace rkt::native
