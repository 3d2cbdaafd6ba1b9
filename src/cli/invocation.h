// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// One run of one command: which command it is, the flags as they were given, the words, and what
// the global flags came to. Commands read it and nothing else of the command line.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/globals.h"
#include "stage0/linked_stage1.h"

namespace rkt::cli {

struct PodArguments;  // app_args.h

class Invocation {
 public:
  Invocation();
  ~Invocation();

  // From the root to the command itself.
  std::vector<const CommandSpec*> path;
  const CommandSpec& command() const { return *path.back(); }
  // "rkt image list"
  std::string CommandPath() const;

  // The words that were no flags (for commands whose first word ends the flags: it and all behind
  // it).
  std::vector<std::string_view> words;
  Globals globals;
  const stage0::LinkedStage1* linked_stage1 = nullptr;  // borrowed

  // Values; the last occurrence counts, the table's default where there was none. The name must be
  // the command's.
  bool Bool(std::string_view name) const;
  std::string_view Text(std::string_view name) const;
  int64_t Duration(std::string_view name) const;  // ns
  bool Given(std::string_view name) const;
  std::vector<std::string_view> All(std::string_view name) const;  // every occurrence, in order

  // What run, prepare and fetch collect; made on first use.
  PodArguments& pod();

  // Prints the command's help on standard output; 254, for `return inv.Usage()`.
  int Usage() const;

  // For the parser.
  const FlagSpec* FindFlag(std::string_view name) const;
  const FlagSpec* FindLetter(char letter) const;
  void Add(const FlagSpec& flag, std::string_view value) { values_.push_back({&flag, value}); }

 private:
  struct Value {
    const FlagSpec* flag;
    std::string_view text;  // lives in argv or in the table
  };
  std::vector<Value> values_;
  std::unique_ptr<PodArguments> pod_;
};

// What a command that failed returns: prints "NAME: message: innermost cause", gives 254.
int Fail(const Error& error);
// An error of which Fail prints the innermost cause alone, and with --debug the tree: for finding
// images, where what happened says it all.
Error ByCause(Error error);
// The same with a message in front.
int Fail(std::string_view message, Error error);
// "NAME: message", 254.
int Refuse(std::string_view message);

// Text on standard output. What could not be written makes the program fail at its end
// (FinishOutput).
void Print(std::string_view text);
void PrintLine(std::string_view text);
// Whether some of it could not be written: nothing further will be.
bool OutputFailed();
// 0, or 254 after a message, where output got lost.
int FinishOutput();

}  // namespace rkt::cli
