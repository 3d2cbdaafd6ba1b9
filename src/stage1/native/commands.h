// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The entry points of the native stage1 (docs/stage1-contract.md): each is started by stage0 in the pod's directory.
// They return what the process shall exit with.

#include <string>
#include <vector>

#include "appc/pod_manifest.h"
#include "base/result.h"

namespace rkt::native {

// /init. `command_line` is where the kernel keeps this process's arguments: pid 1 of the pod, whose command line every
// app can read, clears it of the host's paths.
struct CommandLine {
  char* begin = nullptr;
  char* end = nullptr;
};
// `manifest` is what POD/pod says, null where it is to be read from there.
Result<int> RunCommand(const std::vector<std::string>& arguments, CommandLine command_line,
                       const appc::PodManifest* manifest);
Result<int> EnterCommand(const std::vector<std::string>& arguments);  // /enter
Result<int> StopCommand(const std::vector<std::string>& arguments);   // /stop
Result<int> GcCommand(const std::vector<std::string>& arguments);     // /gc

// The crossing entry points: their working directory is S1, their environment tells the pod's process.
Result<int> AppAddCommand(const std::vector<std::string>& arguments);    // /app_add
Result<int> AppStartCommand(const std::vector<std::string>& arguments);  // /app_start
Result<int> AppStopCommand(const std::vector<std::string>& arguments);   // /app_stop
Result<int> AppRmCommand(const std::vector<std::string>& arguments);     // /app_rm
Result<int> AttachCommand(const std::vector<std::string>& arguments);    // /attach

}  // namespace rkt::native
