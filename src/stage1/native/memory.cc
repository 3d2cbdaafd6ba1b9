// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/memory.h"

#include <elf.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace rkt::native {

void ReleaseIdleMemory() {
  ::malloc_trim(0);
  const auto* headers = reinterpret_cast<const Elf64_Phdr*>(::getauxval(AT_PHDR));
  size_t count = ::getauxval(AT_PHNUM);
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (size_t i = 0; headers != nullptr && i < count; ++i) {
    const Elf64_Phdr& segment = headers[i];
    // Linked at fixed addresses. What may have been written to must stay.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0 || segment.p_vaddr == 0) continue;
    uintptr_t begin = segment.p_vaddr & ~(page - 1);
    uintptr_t end = (segment.p_vaddr + segment.p_memsz + page - 1) & ~(page - 1);
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace rkt::native
