// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a child does between fork and exec: plain data in, nothing allocated, no destructor, leaves by _exit.

namespace rkt::internal {

enum class SpawnStep : int { kFds, kDirectory, kExec };
struct SpawnFailure {
  SpawnStep step;
  int err;
};
struct SpawnPlan {
  const char* program;
  char** argv;
  char** env;
  const char* directory;
  const int* from;
  int* to;
  int fd_count;
  int failure_fd;
};
[[noreturn]] void SpawnChild(const SpawnPlan& plan);

}  // namespace rkt::internal
