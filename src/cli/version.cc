// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt version

#include "appc/names.h"
#include "cli/commands.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

// Five lines that tools parse. There is no Go in here, but the lines have kept their names.
int Run(Invocation&) {
#if defined(__x86_64__)
  constexpr std::string_view kArchitecture = "amd64";
#elif defined(__aarch64__)
  constexpr std::string_view kArchitecture = "arm64";
#else
  constexpr std::string_view kArchitecture = "unknown";
#endif
  Print(StrCat("rkt Version: " RKT_VERSION "\nappc Version: ", appc::kSpecVersion,
               "\nGo Version: none (C++20)\nGo OS/Arch: linux/", kArchitecture,
               "\nFeatures: -TPM -SDJOURNAL\n"));
  return 0;
}

}  // namespace

constinit const CommandSpec kVersionCommand = {
    .name = "version",
    .summary = "Print the version",
    .description = "Prints the versions of rkt and of the specification, and what was built in.",
    .run = Run,
};

}  // namespace rkt::cli
