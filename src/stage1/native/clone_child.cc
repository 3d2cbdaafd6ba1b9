// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/clone_child.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace rkt::native {

pid_t CloneWithStack(struct clone_args args, void* stack, size_t stack_size, void (*function)(void*),
                     void* argument) {
  args.flags |= CLONE_VM;
  args.stack = reinterpret_cast<uintptr_t>(stack);
  args.stack_size = stack_size;
#if defined(__x86_64__)
  long pid = SYS_clone3;
  register void (*entry)(void*) asm("r8") = function;
  register void* value asm("r9") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "hlt\n"
      "1:"
      : "+a"(pid)
      : "D"(&args), "S"(sizeof args), "r"(entry), "r"(value)
      : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long number asm("x8") = SYS_clone3;
  register long pid asm("x0") = reinterpret_cast<long>(&args);
  register long size asm("x1") = sizeof args;
  register void (*entry)(void*) asm("x9") = function;
  register void* value asm("x10") = argument;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x10\n\t"
      "blr x9\n\t"
      "brk #0\n"
      "1:"
      : "+r"(pid)
      : "r"(number), "r"(size), "r"(entry), "r"(value)
      : "memory");
#else
#error "clone3 with a stack is written for x86_64 and aarch64"
#endif
  if (pid < 0) {
    errno = static_cast<int>(-pid);
    return -1;
  }
  return static_cast<pid_t>(pid);
}

}  // namespace rkt::native
