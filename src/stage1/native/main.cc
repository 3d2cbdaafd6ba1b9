// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The native stage1's one program; the name it is called by says which entry point is meant.

#include <cstring>
#include <string>
#include <vector>

#include "stage1/native/entry.h"

int main(int argc, char** argv) {
  rkt::native::CommandLine command_line;
  if (argc > 0) command_line = {argv[0], argv[argc - 1] + strlen(argv[argc - 1])};
  return rkt::native::EntryPoint(std::vector<std::string>(argv, argv + argc), command_line);
}
