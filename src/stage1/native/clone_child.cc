// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/clone_child.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

// Runs beside the caller in the same memory and the same table of descriptors. It writes nothing of the caller's but
// its own object (and errno, after a failure that ends the pod anyway).
void NetworkNamespaceMaker::Main(void* self) {
  auto* maker = static_cast<NetworkNamespaceMaker*>(self);
  struct ifreq request = {};
  memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  long socket = -1;
  long fd = -1;
  bool ok = ::syscall(SYS_unshare, CLONE_NEWNET) == 0 &&
            (socket = ::syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0 &&
            ::syscall(SYS_ioctl, socket, SIOCSIFFLAGS, &request) == 0 &&
            (fd = ::syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) >= 0;
  if (!ok) maker->error_ = errno;
  if (socket >= 0) ::syscall(SYS_close, socket);
  maker->fd_ = static_cast<int>(fd);
  ::syscall(SYS_exit, 0);
}

int NetworkNamespaceMaker::Start() {
  struct clone_args args = {};
  args.flags = CLONE_FILES;
  pid_ = CloneWithStack(args, stack_, sizeof stack_, Main, this);
  return pid_ < 0 ? errno : 0;
}

int NetworkNamespaceMaker::Take() {
  // It tells nobody of its end (no exit signal): __WALL waits for such children.
  while (::waitpid(pid_, nullptr, __WALL) < 0) {
    if (errno != EINTR) return -1;
  }
  if (error_ != 0) {
    errno = error_;
    return -1;
  }
  return fd_;
}

}  // namespace rkt::native
