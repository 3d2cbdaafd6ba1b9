// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt stop

#include "stage0/stop.h"

#include "cli/commands.h"
#include "cli/pod_argument.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    BoolFlag("force", "kill the pod instead of asking it"),
    TextFlag("uuid-file", "file to read the UUID from"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// Whether the pod was stopped or had been before.
bool Stop(const Invocation& invocation, const std::string& word) {
  auto pod = ResolvePod(invocation, word);
  if (!pod) {
    (void)Fail("cannot get pod", std::move(pod).error());
    return false;
  }
  auto stopped = stage0::Stop(pod->data_dir, pod->uuid, invocation.Bool("force"));
  if (!stopped) {
    if (stopped.error().code() == Code::kInvalid && stopped.error().cause() == nullptr) {
      (void)Fail(stopped.error());  // pod "UUID" is not running
    } else {
      (void)Fail(StrCat("error stopping ", Quote(pod->uuid)), std::move(stopped).error());
    }
    return false;
  }
  if (*stopped == stage0::StopResult::kAlreadyStopped) {
    PrintLine(StrCat("pod ", Quote(pod->uuid), " is already stopped"));
  } else {
    PrintLine(Quote(pod->uuid));
  }
  return true;
}

int Run(Invocation& invocation) {
  bool usage = false;
  auto words = PodWords(invocation, usage);
  if (usage) return invocation.Usage();
  if (!words) {
    (void)Fail("unable to resolve UUID from file", std::move(words).error());
    return 1;
  }
  size_t failed = 0;
  for (const std::string& word : *words) failed += Stop(invocation, word) ? 0 : 1;
  return failed == 0 ? 0 : Refuse(StrCat("failed to stop ", failed, " pod(s)"));
}

}  // namespace

constinit const CommandSpec kStopCommand = {
    .name = "stop",
    .synopsis = "[--force] --uuid-file=FILE | UUID ...",
    .summary = "Stop running pods",
    .description =
        R"(Asks the pods to end: their apps get the signal that they stop at, and are killed
where they do not end in time. With --force they are killed at once.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kRunningPods,
};

}  // namespace rkt::cli
