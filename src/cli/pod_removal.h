// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What gc and rm have in common: the options and where messages go.

#include <string>

#include "cli/invocation.h"
#include "stage0/gc.h"

namespace rkt::cli {

stage0::GcOptions RemovalOptions(const Invocation& invocation, std::string data_dir);
stage0::GcCallbacks RemovalCallbacks();

}  // namespace rkt::cli
