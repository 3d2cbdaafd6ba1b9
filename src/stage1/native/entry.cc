// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/entry.h"

#include <string_view>

#include "base/log.h"

namespace rkt::native {

int EntryPoint(const std::vector<std::string>& argv, CommandLine command_line, const appc::PodManifest* manifest) {
  std::string_view name = argv.empty() ? "" : std::string_view(argv[0]);
  name.remove_prefix(name.find_last_of('/') + 1);
  std::vector<std::string> arguments(argv.begin() + (argv.empty() ? 0 : 1), argv.end());
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--debug" || argument == "--debug=true") SetDebug(true);
  }
  SetLogName("stage1");
  Result<int> status = Err(Code::kInvalid, "called by an unknown name ", Quote(name));
  if (name == "init") {
    status = RunCommand(arguments, command_line, manifest);
  } else if (name == "enter") {
    status = EnterCommand(arguments);
  } else if (name == "stop") {
    status = StopCommand(arguments);
  } else if (name == "gc") {
    status = GcCommand(arguments);
  } else if (name == "app_add") {
    status = AppAddCommand(arguments);
  } else if (name == "app_start") {
    status = AppStartCommand(arguments);
  } else if (name == "app_stop") {
    status = AppStopCommand(arguments);
  } else if (name == "app_rm") {
    status = AppRmCommand(arguments);
  } else if (name == "attach") {
    status = AttachCommand(arguments);
  }
  if (!status) {
    PrintError("stage1", status.error());
    return 254;
  }
  return *status;
}

}  // namespace rkt::native
