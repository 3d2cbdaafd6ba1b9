// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Runs a program of the host with an input and takes what it writes, bounded in size and time.

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace rkt::network {

struct ProgramRun {
  std::string program;  // absolute path
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string input;
  size_t output_limit = 4u << 20;  // more is an error
  int timeout_seconds = 120;
  int interrupt = -1;  // where something is to be read here, the program is given up
};
struct ProgramOutput {
  ExitStatus status;
  std::string out;
  std::string err;  // cut at 16 KiB
};
// Errors: it could not be started, wrote too much (kInvalid), did not end in time or was given up (kBusy); it is
// killed then.
Result<ProgramOutput> RunBounded(const ProgramRun& run);

// The absolute path of a program of the host's administrator: PATH, then the usual places. Empty
// where there is none.
std::string FindHostProgram(const std::string& name);

}  // namespace rkt::network
