// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the child does that runs a stage1's gc entry point: plain data in, nothing allocated, leaves
// by exec or _exit.

namespace rkt::stage0::internal {

struct GcChildPlan {
  int pod;              // directory, becomes the working directory
  const char* options;  // of the overlay, paths relative to the pod; null: stage1 is a copy,
                        // nothing to mount
  const char* target;   // mount point of stage1, relative to the pod
  // Markers of a volatile overlay, which the kernel does not mount again before they are gone: a
  // file and the directory that it is in. Set where options are.
  const char* stale_file;
  const char* stale;
  const char* program;
  char* const* argv;
  char* const* env;
};

enum class GcStep : int { kDirectory, kNamespace, kPropagation, kMount, kExec };
struct GcFailure {
  GcStep step;
  int err;
};

// Writes a GcFailure to `failure_fd` (close-on-exec) where it does not come to exec.
[[noreturn]] void RunGcChild(const GcChildPlan& plan, int failure_fd);

}  // namespace rkt::stage0::internal
