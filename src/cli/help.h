// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Help for a command, made of the table, in the layout of the original.

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace rkt::cli {

// `path` is the way from the root to the command.
std::string HelpText(const std::vector<const CommandSpec*>& path);

// A command below another one, with its name relative to that ("image list").
struct ListedCommand {
  std::string name;
  const CommandSpec* command;
};
// All that can be run below `command` and is not hidden, children before what follows them.
std::vector<ListedCommand> VisibleCommands(const CommandSpec& command);

// The flags that help and completion show, by name, with the --help that each command has.
std::vector<const FlagSpec*> VisibleFlags(const CommandSpec& command);
std::vector<const FlagSpec*> VisibleGlobalFlags();

// "--net[=default]", "--dir=/var/lib/rkt", "--exec=""
std::string FlagUsage(const FlagSpec& flag);
// The summary, saying so where the command is not built.
std::string Summary(const CommandSpec& command);

}  // namespace rkt::cli
