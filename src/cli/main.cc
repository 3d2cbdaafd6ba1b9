// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The program rkt. All of it is in the rooms; this gives them the command line.

#include <string_view>
#include <vector>

#include "cli/dispatch.h"

int main(int argc, char** argv) {
  std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return rkt::cli::Dispatch(arguments);
}
