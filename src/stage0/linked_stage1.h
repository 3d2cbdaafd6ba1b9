// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A stage1 that is linked into the program. It is an image like any other, stored and rendered; but where a pod's stage1
// is exactly that image, its `run` entry point is a function of this process, with the arguments, the environment, the
// directory and the descriptors that executing it would give. That saves an execve and the start of a program, and the
// overlay over a tree of which nothing else is used: a quarter of the time that a pod takes to start.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rkt::appc {
struct PodManifest;
}

namespace rkt::stage0 {

struct LinkedStage1 {
  std::string_view tree_id;  // in the tree store, of the image with the same program
  std::string_view run;      // the entry point that is linked in, as the image's manifest names it
  int interface_version;     // as the image's manifest has it
  // What its root needs besides the directories that every stage1's has; parents first.
  std::span<const char* const> directories;
  // Gives the exit status. `manifest` is what POD/pod says where this process wrote it; null: it is to be read.
  int (*start)(const std::vector<std::string>& argv, const appc::PodManifest* manifest);
};

}  // namespace rkt::stage0
