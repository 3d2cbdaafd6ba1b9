// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The groups of flags that run, prepare and run-prepared share, and what they come to.

#include <span>

#include "base/result.h"
#include "cli/command.h"
#include "cli/invocation.h"
#include "stage0/run.h"

namespace rkt::cli {

// They belong to the image in front of them.
extern const FlagGroup kAppFlags;
extern const FlagGroup kIsolatorFlags;
extern const FlagGroup kSignatureFlags;
// --stage1-*, of which one may be given.
extern const FlagGroup kStage1Flags;
// What preparing a pod takes: volumes, ports, environment, pull policy.
extern const FlagGroup kPrepareFlags;
// What starting it takes: network, names.
extern const FlagGroup kStartFlags;
// --interactive.
extern const FlagGroup kInteractiveFlags;
// --pull-policy and what it replaced; the defaults differ.
extern const FlagGroup kPullNewFlags;
extern const FlagGroup kPullUpdateFlags;

// never, new or update (or whatever was written, which then means new), after the deprecated
// --store-only and
// --no-store. both --store-only and --no-store specified
Result<std::string> PullPolicy(const Invocation& invocation);

// --dns*, --hosts-entry. Messages come behind "error with dns flags".
Result<stage0::DnsConfig> Dns(const Invocation& invocation);
Result<stage0::HostsConfig> Hosts(const Invocation& invocation);

// Of the commands that make pods.
inline constexpr FlagSpec kPrivateUsersFlag =
    BoolFlag("private-users",
             "give the pod users of its own: a user namespace, whose root is nobody on the host. "
             "Otherwise as the host's configuration says");

// Everything of kStartFlags and the global flags that stage1 is told.
Result<stage0::RunOptions> StartOptions(Invocation& invocation);

}  // namespace rkt::cli
