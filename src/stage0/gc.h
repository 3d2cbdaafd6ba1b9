// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Collecting pods: mark what has exited, expire what was prepared long ago, delete what was marked.
// Pods that somebody works on are left alone, and what fails for one pod does not keep the others.

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "pod/pod.h"

namespace rkt::stage0 {

struct GcOptions {
  std::string data_dir;
  int64_t grace_period_ns = 30ll * 60 * 1000000000;
  int64_t expire_prepared_ns = 24ll * 3600 * 1000000000;
  bool mark_only = false;
  bool debug = false;        // passed to stage1's gc entry point
  std::string local_config;  // the same
};

// Each may be empty.
struct GcCallbacks {
  std::function<void(const std::string& text)> notice;  // for stderr, without the command's prefix
  std::function<void(const std::string& uuid)> collecting;  // a pod is being deleted
  std::function<void(const Error& error)> problem;          // went on without
};

// Errors are those of the whole (no data directory, no permission), never those of one pod.
Status Gc(const GcOptions& options, const GcCallbacks& callbacks);

// Deletes one pod whose lock the caller holds and which is in exited-garbage or garbage: stage1's
// gc entry point, what is still mounted, the files.
Status DeletePod(const GcOptions& options, pod::Pods& pods, pod::Pod& pod,
                 const GcCallbacks& callbacks);

}  // namespace rkt::stage0
