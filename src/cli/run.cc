// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt run

#include "stage0/run.h"

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/limit_flags.h"
#include "cli/pod_flags.h"
#include "cli/pod_preparation.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("uuid-file-save", "file to write the pod's UUID to"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {
    &kFlags,         &kStage1Flags, &kPrepareFlags,  &kStartFlags,     &kInteractiveFlags, &kPullNewFlags,
    &kAppFlags,      &kIsolatorFlags, &kLimitFlags,  &kPodLimitFlags,  &kSignatureFlags};

int Run(Invocation& invocation) {
  PodPreparation preparation;
  if (auto ended = ReadPodArguments(invocation, preparation)) return *ended;
  auto start = StartOptions(invocation);
  if (!start) return Fail(start.error());

  Status prepared = PreparePod(invocation, preparation);
  if (!prepared) return Fail(prepared.error());
  preparation.options.uuid_file = invocation.Text("uuid-file-save");
  // Becomes the pod; what comes back is an error.
  Status failed = stage0::Run(*preparation.store, preparation.options, *start);
  return Fail(failed.error());
}

}  // namespace

constinit const CommandSpec kRunCommand = {
    .name = "run",
    .synopsis =
        "[--volume=name,kind=host,...] [--mount volume=VOL,target=PATH] IMAGE "
        "[-- image-args...[---]]...",
    .summary = "Run images as the apps of a pod",
    .description =
        R"(Makes a pod with one app for each IMAGE, runs it, and ends with the exit status of
the app that ended the pod. An IMAGE is a hash, a file, a URL or a name.

Flags behind an image that belong to apps (--exec, --user, --memory, ...) hold for
that image. What stands between "--" and "---" is added to the arguments of the
program that the image runs; the last "---" may be left out.

--volume says which directory of the host, or which empty one, the pod has; --mount
says where apps see it. In front of the images, --mount holds for all of them;
behind one, for that one, and then takes precedence where both name one path.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kImages,
    .first_word_ends_flags = true,
    .needs_root = true,
};

}  // namespace rkt::cli
