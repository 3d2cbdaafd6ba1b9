// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The signal that an app wants to be stopped with.

#include <optional>
#include <string_view>

namespace rkt::stage1 {

// On an app of the pod manifest. Its word counts more than the image's.
inline constexpr char kStopSignalAnnotation[] = "coreos.com/rkt/stage2/stop-signal";
// On an image that was converted from docker: the StopSignal of its configuration.
inline constexpr char kDockerStopSignalAnnotation[] = "appc.io/docker/stopsignal";

// "SIGQUIT", "QUIT", "3", "SIGRTMIN+3", "RTMAX-1", in any case. Nothing for what is no signal.
std::optional<int> ParseSignal(std::string_view text);

}  // namespace rkt::stage1
