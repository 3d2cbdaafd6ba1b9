// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Seccomp filters as plain BPF programs: the default one is made at build time, others are compiled
// from the lists of an app's isolator (runtime.md of the reference, section 11). Nothing here
// installs a filter: seccomp_child.h.

#include <linux/filter.h>

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace rkt::stage1 {

// What an app's seccomp isolator says; the default where it has none.
struct SeccompPolicy {
  enum class Mode {
    kDefault,  // the default list
    kRetain,   // only what `set` names
    kRemove,   // all but what `set` names
    kOff,      // no filter at all (--insecure-options=seccomp)
  };
  Mode mode = Mode::kDefault;
  std::vector<std::string> set;  // names of system calls and groups such as "@systemd/mount"
  std::string
      errno_name;  // "EPERM": refused calls fail with it; empty: they kill the process with SIGSYS
  // Whether mknod makes pseudo devices only (EPERM otherwise). Off with --insecure-options=paths.
  bool device_policy = true;
};

// The program for a policy; empty: install none (kOff, or "@appc.io/all" retained). Names that this
// architecture does not know and groups that nobody knows are ignored, as the original did.
// kInvalid: an unknown errno name.
Result<std::vector<sock_filter>> CompileSeccomp(const SeccompPolicy& policy);

// CompileSeccomp({}) without its work: the program in this program's read-only data.
std::span<const sock_filter> DefaultSeccompFilter();

// Whether an app with this filter and uid must have no-new-privileges: only root may install a
// filter without.
inline bool SeccompNeedsNoNewPrivileges(bool has_filter, unsigned uid) {
  return has_filter && uid != 0;
}

}  // namespace rkt::stage1
