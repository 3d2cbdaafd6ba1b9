// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

#include "base/result.h"
#include "stage1/native/options.h"

namespace rkt::native {

// What the pod was started with, as far as it concerns an app that comes later: POD/runtime-config. Where there is no
// such file, everything is confined.
Result<RunOptions> ReadRuntimeConfig(int pod_dir);

}  // namespace rkt::native
