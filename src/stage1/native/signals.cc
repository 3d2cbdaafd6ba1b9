// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/signals.h"

namespace rkt::native {

sigset_t ResetIgnoredSignals() {
  sigset_t ignored;
  sigemptyset(&ignored);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    struct sigaction action;
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
    sigaddset(&ignored, signal);
    ::signal(signal, SIG_DFL);
  }
  return ignored;
}

}  // namespace rkt::native
