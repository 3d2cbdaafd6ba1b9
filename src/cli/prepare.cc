// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt prepare

#include "stage0/prepare.h"

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/limit_flags.h"
#include "cli/pod_flags.h"
#include "cli/pod_preparation.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    BoolFlag("quiet", "print the UUID and nothing else on standard output"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags,        &kStage1Flags,   &kPrepareFlags,
                                        &kPullNewFlags, &kAppFlags,      &kIsolatorFlags,
                                        &kLimitFlags,   &kPodLimitFlags, &kSignatureFlags};

int Run(Invocation& invocation) {
  PodPreparation preparation;
  if (auto ended = ReadPodArguments(invocation, preparation)) return *ended;
  Status prepared = PreparePod(invocation, preparation);
  if (!prepared) return Fail(prepared.error());
  auto uuid = stage0::Prepare(*preparation.store, preparation.options);
  if (!uuid) return Fail("error setting up stage0", std::move(uuid).error());
  PrintLine(*uuid);
  return 0;
}

}  // namespace

constinit const CommandSpec kPrepareCommand = {
    .name = "prepare",
    .synopsis =
        "[--volume=name,kind=host,...] [--mount volume=VOL,target=PATH] [--quiet] IMAGE "
        "[-- image-args...[---]]...",
    .summary = "Make a pod without running it yet",
    .description =
        R"(Makes a pod as run does, and prints its UUID instead of running it. The pod is run
by "rkt run-prepared UUID".

Images, their flags and their arguments are given as for run.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kImages,
    .first_word_ends_flags = true,
    .needs_root = true,
};

}  // namespace rkt::cli
