// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Build tool: prints the instructions of the default seccomp filter (seccomp_default.cc includes
// them).

#include <cstdio>

#include "stage1/common/seccomp_rules.h"

int main() {
  auto program = rkt::stage1::CompileSeccompUncached({});
  if (!program) {
    std::fprintf(stderr, "%s\n", program.error().Text().c_str());
    return 1;
  }
  std::printf("// Made by gen/default_filter.cc.\n");
  for (const sock_filter& code : *program) {
    std::printf("{0x%x, %u, %u, 0x%x},\n", code.code, code.jt, code.jf, code.k);
  }
  return 0;
}
