// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The native stage1's one program; the name it is called by says which entry point is meant.

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "stage1/native/commands.h"

int main(int argc, char** argv) {
  std::string_view name = argc > 0 ? argv[0] : "";
  name.remove_prefix(name.find_last_of('/') + 1);
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument == "--debug" || argument == "--debug=true") rkt::SetDebug(true);
  }
  rkt::SetLogName("stage1");
  using rkt::native::EnterCommand;
  using rkt::native::GcCommand;
  using rkt::native::RunCommand;
  using rkt::native::StopCommand;
  rkt::Result<int> status = rkt::Err(rkt::Code::kInvalid, "called by an unknown name ", rkt::Quote(name));
  if (name == "init") {
    char* last = argv[argc - 1];
    status = RunCommand(arguments, {argv[0], last + strlen(last)});
  } else if (name == "enter") {
    status = EnterCommand(arguments);
  } else if (name == "stop") {
    status = StopCommand(arguments);
  } else if (name == "gc") {
    status = GcCommand(arguments);
  }
  if (!status) {
    rkt::PrintError("stage1", status.error());
    return 254;
  }
  return *status;
}
