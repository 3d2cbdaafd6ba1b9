// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Where those who attach find an app's streams, in S1 (docs/stage1-contract.md, "attach"):
//
//   rkt/iottymux/<app>/endpoints      what there is to attach to, as JSON
//   rkt/iottymux/<app>/env            the modes of the streams
//   rkt/iottymux/<app>/sock-<name>    unix sockets: stdin, stdout, stderr, tty
//   rkt/iottymux/<app>/stage2-pts     link to the app's terminal

#include "pod/paths.h"

namespace rkt::native {

inline constexpr char kEndpointsFile[] = "endpoints";
inline constexpr char kTerminalLink[] = "stage2-pts";

// Where pid 1 of a pod takes requests, in S1. Apps see subdirectories of S1's dev, never that directory itself.
inline constexpr char kControlSocket[] = "dev/control";

}  // namespace rkt::native
