// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt run-prepared

#include "stage0/run.h"

#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "cli/pod_flags.h"

namespace rkt::cli {

namespace {

constexpr const FlagGroup* kGroups[] = {&kStartFlags, &kInteractiveFlags};

int Run(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto start = StartOptions(invocation);
  if (!start) return Fail(start.error());
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  Status failed = stage0::RunPrepared(pod->data_dir, pod->uuid, *start);
  return Fail(failed.error());
}

}  // namespace

constinit const CommandSpec kRunPreparedCommand = {
    .name = "run-prepared",
    .synopsis = "UUID",
    .summary = "Run a prepared pod",
    .description = "Runs a pod that \"rkt prepare\" has made. A pod is run once.",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPreparedPods,
    .needs_root = true,
};

}  // namespace rkt::cli
