// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt help

#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "cli/help.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

int Run(Invocation& invocation) {
  Found found = FindCommand(invocation.words);
  if (found.path.size() == 1 && !found.unknown_word.empty()) {
    std::string topics;
    for (std::string_view word : invocation.words) {
      if (!topics.empty()) topics += ' ';
      topics += StrCat("`", TerminalSafe(word), "`");
    }
    (void)WriteAll(STDERR_FILENO, StrCat("Unknown help topic [", topics, "]."));
  }
  Print(HelpText(found.path));
  return 0;
}

}  // namespace

constinit const CommandSpec kHelpCommand = {
    .name = "help",
    .synopsis = "[command]",
    .summary = "Show the help of a command",
    .description = R"(Shows what a command does and which flags it takes: "rkt help image list".)",
    .run = Run,
};

}  // namespace rkt::cli
