// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The program of the native stage1 as a function: what its image's main() does, and what rkt calls where the image of a
// pod's stage1 is the one that was built with it.

#include <string>
#include <vector>

#include "stage1/native/commands.h"

namespace rkt::native {

// Directories of the image's root that are there for this program (CMakeLists.txt names them to the packer).
constexpr const char* kRootDirectories[] = {"dev", "proc", "rkt/volumes"};

// argv[0] names the entry point by its last element (init, enter, stop, gc, app_add ...); the others are its arguments as the stage1
// contract has them, in the pod's directory. `manifest` is what POD/pod says, for a caller that knows; null: it is read.
// Prints errors; gives what the process shall exit with.
int EntryPoint(const std::vector<std::string>& argv, CommandLine command_line,
               const appc::PodManifest* manifest = nullptr);

}  // namespace rkt::native
