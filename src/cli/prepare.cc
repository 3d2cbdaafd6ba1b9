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
  auto policy = PullPolicy(invocation);
  if (!policy) return Fail(policy.error());
  bool help = false;
  Status parsed = ParseAppArguments(invocation, /*app_arguments=*/true, help);
  if (!parsed) return Fail("error parsing app image arguments", std::move(parsed).error());
  if (help) {
    (void)invocation.Usage();
    return 0;
  }
  // Behind an image there may have been another one.
  policy = PullPolicy(invocation);
  if (!policy) return Fail(policy.error());
  Status checked = CheckPodArguments(invocation, *policy);
  if (!checked) return Fail(checked.error());

  PodPreparation preparation;
  Status prepared = PreparePod(invocation, *policy, preparation);
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
