// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Whether pods can be made known to systemd's machined.

#include <string>

namespace rkt::stage0 {

// The program that does it (libexec/rkt/systemd), where this host has machined; else empty, which
// is found out by one question to the file system on a host without a system bus. Machined itself
// need not run: a call starts it.
std::string MachinedProgram();

}  // namespace rkt::stage0
