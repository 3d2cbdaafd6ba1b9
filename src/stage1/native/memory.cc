// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/memory.h"

#include <elf.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

namespace rkt::native {

namespace {

// A system call in place, not in the C library's pages.
[[gnu::always_inline]] inline long Call(long number, long a, long b, long c, long d, long e) {
#if defined(__x86_64__)
  long result;
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
               : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long which asm("x8") = number;
  register long result asm("x0") = a;
  register long second asm("x1") = b;
  register long third asm("x2") = c;
  register long fourth asm("x3") = d;
  register long fifth asm("x4") = e;
  asm volatile("svc #0"
               : "+r"(result)
               : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth)
               : "memory");
  return result;
#else
#error "system calls are written for x86_64 and aarch64"
#endif
}

// The read-only segments of this program. What may have been written to must stay.
struct Segments {
  struct {
    uintptr_t begin, size;
  } list[8];
  int count = 0;
};

Segments ReadOnlySegments() {
  Segments segments;
  const auto* headers = reinterpret_cast<const Elf64_Phdr*>(::getauxval(AT_PHDR));
  size_t count = ::getauxval(AT_PHNUM);
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (size_t i = 0; headers != nullptr && i < count && segments.count < 8; ++i) {
    const Elf64_Phdr& header = headers[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0 || header.p_vaddr == 0) continue;
    uintptr_t begin = header.p_vaddr & ~(page - 1);
    uintptr_t end = (header.p_vaddr + header.p_memsz + page - 1) & ~(page - 1);
    segments.list[segments.count++] = {begin, end - begin};
  }
  return segments;
}

[[gnu::always_inline]] inline void Unmap(const Segments& segments) {
  for (int i = 0; i < segments.count; ++i) {
    Call(SYS_madvise, static_cast<long>(segments.list[i].begin), static_cast<long>(segments.list[i].size),
         MADV_DONTNEED, 0, 0);
  }
}

}  // namespace

[[gnu::noinline]] int PollWithoutMemory(struct pollfd* polls, unsigned long count, int timeout_ms) {
  ::malloc_trim(0);
  Segments segments = ReadOnlySegments();
  struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  Unmap(segments);
  return static_cast<int>(Call(SYS_ppoll, reinterpret_cast<long>(polls), static_cast<long>(count),
                               timeout_ms < 0 ? 0 : reinterpret_cast<long>(&timeout), 0, 8));
}

[[gnu::noinline]] int AwaitSignalWithoutMemory(const sigset_t* signals) {
  ::malloc_trim(0);
  Segments segments = ReadOnlySegments();
  Unmap(segments);
  return static_cast<int>(Call(SYS_rt_sigtimedwait, reinterpret_cast<long>(signals), 0, 0, 8, 0));
}

}  // namespace rkt::native
