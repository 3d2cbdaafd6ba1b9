// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt config

#include "config/config.h"

#include "base/json.h"
#include "cli/commands.h"
#include "cli/invocation.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    BoolFlag("pretty-print", "print one member a line, indented", true),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  auto config = Configuration(invocation);
  if (!config) return Fail(config.error());
  json::Value value = config::ToJson(**config);
  PrintLine(invocation.Bool("pretty-print") ? json::WriteIndented(value) : json::Write(value));
  return 0;
}

}  // namespace

constinit const CommandSpec kConfigCommand = {
    .name = "config",
    .summary = "Print the configuration",
    .description =
        R"(Prints what the configuration files of all directories come to, as JSON in their own
format. Credentials are printed too.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
