// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Whether pods can be made known to systemd's machined.

#include <string>

#include "base/result.h"

namespace rkt::stage0 {

// The program that does it (libexec/rkt/systemd), where this host has machined; else empty, which
// is found out by one question to the file system on a host without a system bus. Machined itself
// need not run: a call starts it.
std::string MachinedProgram();

// Takes an ended pod off machined's list, where it still is there: it was killed before it could do so itself, or while
// it was being put on.
Status ForgetMachine(const std::string& uuid);

}  // namespace rkt::stage0
