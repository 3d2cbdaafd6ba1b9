// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Turns tables of verdicts into a BPF program: a search tree for the native architecture, in which the way to a plain
// verdict looks at nothing but architecture and number, so that the kernel (5.11) caches it as a bit; for the others
// tables of bits, which are shorter.

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace rkt::stage1 {

// What becomes of a call: a seccomp return value, or a check of its arguments that ends in one.
struct Verdict {
  enum class Kind : uint8_t {
    kReturn,
    kNoNamespaces,  // clone: EPERM with a CLONE_NEW flag
    kSocketFamily,  // socket: EAFNOSUPPORT for families that reach beyond the pod
    kSocketcall,  // i386's socketcall: no making of sockets, as the family would be hidden behind a
                  // pointer
    kPersonality,  // EPERM for personalities that weaken the process
    kMknod,        // EPERM for devices other than the pseudo devices; mode is the second argument
    kAny,          // the kernel has no such call: whatever the neighbour's is
    kMknodat,      // the same, mode is the third
  };
  Kind kind = Kind::kReturn;
  uint32_t value = 0;  // SECCOMP_RET_...
  bool operator==(const Verdict&) const = default;
};

struct ArchitectureVerdicts {
  uint32_t audit_arch;
  std::vector<Verdict> by_number;
  Verdict beyond;  // numbers past the end
#if defined(__x86_64__)
  bool refuse_x32 = false;  // numbers from 0x40000000 on fail with ENOSYS
#endif
};

// The native architecture first; calls of an architecture that is not listed kill the process.
std::vector<sock_filter> EmitSeccomp(const std::vector<ArchitectureVerdicts>& architectures);

}  // namespace rkt::stage1
