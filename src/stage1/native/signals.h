// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a program inherits of its caller's signals.

#include <signal.h>

namespace rkt::native {

// Programs inherit what their caller ignores, clone and execve keep it, and nobody who ignores SIGPIPE or SIGCHLD means
// the apps of a pod, or the processes that wait for them: all signals get their default. Returns those that were ignored.
sigset_t ResetIgnoredSignals();

}  // namespace rkt::native
