// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The table of commands: what parsing, help, completion and the man pages are made of. All of it is
// constant data, so that a start costs nothing for the commands that are not run. commands.cc holds
// the root of the table.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace rkt::cli {

class Invocation;
struct FlagSpec;

// Takes the value of one occurrence of a flag, in order of the command line. The error's text
// follows `invalid argument "VALUE" for --flag: `.
using FlagSetter = Status (*)(Invocation&, const FlagSpec&, std::string_view value);

enum class FlagType : uint8_t {
  kBool,      // --x, --x=false
  kText,      // any text; help shows its default in quotes
  kValue,     // text with a meaning of its own, checked by its setter; the default is shown plain
  kDuration,  // 24h, 1m30s
};

struct FlagSpec {
  std::string_view name;
  FlagType type = FlagType::kText;
  std::string_view initial = {};  // the default, as written in the help
  std::string_view help = {};
  FlagSetter set = nullptr;
  std::string_view bare = {};        // what `--x` alone means; empty: a value must follow
  std::string_view deprecated = {};  // what to use instead; such flags work, warn and are not shown
  char letter = 0;
  bool hidden = false;
};

constexpr FlagSpec BoolFlag(std::string_view name, std::string_view help, bool initial = false) {
  return {.name = name,
          .type = FlagType::kBool,
          .initial = initial ? "true" : "false",
          .help = help,
          .bare = "true"};
}
constexpr FlagSpec TextFlag(std::string_view name, std::string_view help,
                            std::string_view initial = {}) {
  return {.name = name, .type = FlagType::kText, .initial = initial, .help = help};
}
constexpr FlagSpec ValueFlag(std::string_view name, std::string_view help, FlagSetter set,
                             std::string_view initial = {}) {
  return {.name = name, .type = FlagType::kValue, .initial = initial, .help = help, .set = set};
}
constexpr FlagSpec DurationFlag(std::string_view name, std::string_view help,
                                std::string_view initial) {
  return {.name = name, .type = FlagType::kDuration, .initial = initial, .help = help};
}
constexpr FlagSpec Deprecated(FlagSpec flag, std::string_view instead) {
  flag.deprecated = instead;
  return flag;
}
constexpr FlagSpec Hidden(FlagSpec flag) {
  flag.hidden = true;
  return flag;
}

// Flags that several commands share. Referred to by address, which is a constant wherever the group
// is defined.
using FlagGroup = std::span<const FlagSpec>;

// Which words a command can complete its arguments with.
enum class Completion : uint8_t {
  kFiles,
  kImages,
  kPods,
  kPreparedPods,
  kRunningPods,
  kExitedPods,
  kPodPaths,  // UUID:/PATH
  kNetworks,
  kShells
};

struct CommandSpec {
  std::string_view name;
  std::string_view synopsis = {};  // behind the name: "UUID", "IMAGE..."
  std::string_view summary = {};
  std::string_view description = {};  // lines as they are to be printed
  std::span<const FlagGroup* const> flags = {};
  std::span<const CommandSpec* const> children = {};
  // Gives the exit status. A command without it prints its help.
  int (*run)(Invocation&) = nullptr;
  Completion completes = Completion::kFiles;
  bool hidden = false;
  bool first_word_ends_flags = false;  // flags behind it belong to what the word names
  bool needs_root = false;
  bool missing = false;  // known, not built: takes everything and refuses
};

// The exit status of everything that went wrong in rkt itself.
inline constexpr int kFailed = 254;

// The program, with all commands below it.
extern const CommandSpec kRootCommand;
// The flags that every command takes.
FlagGroup GlobalFlags();

}  // namespace rkt::cli
