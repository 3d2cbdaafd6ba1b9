// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Flags for the isolators of docs/isolators.md that have no flags among those of pod_flags.h.

#include "cli/command.h"

namespace rkt::cli {

// They belong to the image in front of them, and take the place of its own isolators.
extern const FlagGroup kLimitFlags;
// Those of the whole pod.
extern const FlagGroup kPodLimitFlags;

}  // namespace rkt::cli
