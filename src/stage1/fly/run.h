// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The entry points. Each returns only where it failed, or has nothing more to do.

#include "base/result.h"
#include "stage1/fly/arguments.h"

namespace rkt::fly {

// Becomes the app: same pid, no namespace but that of its mounts.
Status Run(const RunArguments& arguments);
// Becomes the command, with the app's root, environment and identity.
Status Enter(const EnterArguments& arguments);
// Signals the app, or its process group where the app itself has gone.
Status Stop(const StopArguments& arguments);

}  // namespace rkt::fly
