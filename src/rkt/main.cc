// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The program rkt: the commands, and the native stage1 linked in. A pod whose stage1 is the very image that was built
// with this program goes on in this process; the image's program is executed for everything else (docs/architecture.md).

#include <fcntl.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "cli/dispatch.h"
#include "linked_stage1_tree.h"  // made by the build: kLinkedStage1Tree, kLinkedStage1Interface
#include "stage1/native/entry.h"

namespace {

rkt::native::CommandLine command_line;

int RunNative(const std::vector<std::string>& argv, const rkt::appc::PodManifest* manifest) {
  return rkt::native::EntryPoint(argv, command_line, manifest);
}

// Whoever starts rkt without standard streams shall not have its messages in a file that happens to be opened next. As
// before, reading and writing there fails.
void HoldStandardStreams() {
  for (int fd : {0, 1, 2}) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

constexpr rkt::stage0::LinkedStage1 kLinked = {kLinkedStage1Tree, "/init", kLinkedStage1Interface,
                                               rkt::native::kRootDirectories, RunNative};

}  // namespace

int main(int argc, char** argv) {
  HoldStandardStreams();
  std::vector<std::string_view> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (argc > 0) command_line = {argv[0], argv[argc - 1] + strlen(argv[argc - 1])};
  return rkt::cli::Dispatch(arguments, &kLinked);
}
