// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt gc

#include "stage0/gc.h"

#include "cli/commands.h"
#include "cli/pod_removal.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    DurationFlag("expire-prepared", "how long prepared pods may wait for being run", "24h0m0s"),
    DurationFlag("grace-period", "how long exited pods are kept after they were marked", "30m0s"),
    BoolFlag("mark-only", "mark exited pods and failed preparations, and delete nothing"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

int Run(Invocation& invocation) {
  auto data_dir = DataDir(invocation);
  if (!data_dir) return Fail(data_dir.error());
  stage0::GcOptions options = RemovalOptions(invocation, *std::move(data_dir));
  options.grace_period_ns = invocation.Duration("grace-period");
  options.expire_prepared_ns = invocation.Duration("expire-prepared");
  options.mark_only = invocation.Bool("mark-only");
  stage0::GcCallbacks callbacks = RemovalCallbacks();
  callbacks.collecting = [](const std::string& uuid) {
    PrintLine(StrCat("Garbage collecting pod ", Quote(uuid)));
  };
  Status done = stage0::Gc(options, callbacks);
  return done ? 0 : Fail(done.error());
}

}  // namespace

constinit const CommandSpec kGcCommand = {
    .name = "gc",
    .synopsis = "[--grace-period=duration] [--expire-prepared=duration]",
    .summary = "Remove pods that are no longer used",
    .description = R"(To be run now and then, by a timer for instance.

A run marks the pods that have exited, and removes those that were marked by an
earlier run and have been so for the grace period. Prepared pods that nobody ran
and preparations that failed are removed too. With --grace-period=0s, pods are
removed by the run that marks them.)",
    .flags = kGroups,
    .run = Run,
    .needs_root = true,
};

}  // namespace rkt::cli
