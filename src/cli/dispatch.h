// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// From the words of the command line to the command that runs: finding it (whole names, unique
// beginnings), parsing its flags, the messages and exit statuses for what cannot be understood.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "stage0/linked_stage1.h"

namespace rkt::cli {

// What was found: the deepest command, the way to it, and the arguments without the words that led
// there.
struct Found {
  std::vector<const CommandSpec*> path;
  std::vector<std::string_view> arguments;
  // The first word that is neither a flag nor one's value, where the command has children; empty:
  // none.
  std::string_view unknown_word;
};
Found FindCommand(std::span<const std::string_view> arguments);

// Names of the root's commands that `word` may have meant: at most two letters off, or beginning
// with it.
std::vector<std::string_view> Suggestions(std::string_view word);

// The whole program. `arguments` without the program's name; gives the exit status. `linked`, if any, outlives it.
int Dispatch(std::span<const std::string_view> arguments, const stage0::LinkedStage1* linked = nullptr);

}  // namespace rkt::cli
