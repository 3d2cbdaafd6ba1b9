// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt rm

#include "stage0/rm.h"

#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "cli/pod_removal.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("uuid-file", "file to read the UUID from"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  bool usage = false;
  bool failed = false;
  auto words = PodWords(invocation, usage);
  if (usage) return invocation.Usage();
  if (!words) {
    (void)Fail("unable to resolve UUID from file", std::move(words).error());
    return Refuse("failed to remove one or more pods");
  }
  for (const std::string& word : *words) {
    auto pod = ResolvePod(invocation, word);
    if (!pod) {
      (void)Fail("cannot get pod", std::move(pod).error());
      failed = true;
      continue;
    }
    Status removed =
        stage0::Rm(pod->uuid, RemovalOptions(invocation, pod->data_dir), RemovalCallbacks());
    if (removed) {
      PrintLine(Quote(pod->uuid));
    } else {
      (void)Fail(removed.error());
      failed = true;
    }
  }
  return failed ? Refuse("failed to remove one or more pods") : 0;
}

}  // namespace

constinit const CommandSpec kRmCommand = {
    .name = "rm",
    .synopsis = "--uuid-file=FILE | UUID ...",
    .summary = "Remove exited or prepared pods with all that belongs to them",
    .description = "Removes the pods at once, where gc would wait for the grace period.",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kExitedPods,
    .needs_root = true,
};

}  // namespace rkt::cli
