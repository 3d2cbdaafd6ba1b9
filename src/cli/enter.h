// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// `rkt enter` under whatever name: the same flags, words and behavior for every command that is one.

#include "cli/command.h"
#include "cli/invocation.h"
#include "cli/pod_argument.h"

namespace rkt::cli {

// --app, --user, --group, --privileged.
extern const FlagGroup* const kEnterFlags[1];

// The app that --app names, or the pod's only one.
Result<std::string> ChosenApp(const Invocation& invocation, const PodArgument& pod);

// UUID [CMD [ARGS ...]]. Becomes the command; returns only where that failed, with the exit status. The command's
// table entry says `first_word_ends_flags` and `needs_root`.
int RunEnter(Invocation& invocation);

}  // namespace rkt::cli
