// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Listening sockets that rkt was started with (sd_listen_fds(3)), for apps whose ports are
// `socketActivated`: an app gets those that listen on the host's port of such a port of its own,
// whatever network the pod has, and nobody else does.

#include <cstdint>
#include <string>
#include <vector>

#include "appc/pod_manifest.h"
#include "base/result.h"
#include "stage1/native/plan.h"

namespace rkt::native {

struct PassedSocket {
  int fd = -1;
  std::string name;      // of LISTEN_FDNAMES, or empty
  std::string protocol;  // "tcp" (listening), "udp"; empty: something that no port can mean
  std::string address;   // the host's: "0.0.0.0", "::1"
  uint32_t port = 0;
};

// What the environment says was passed to this very process. The variables are taken out of it, and
// the descriptors are close-on-exec from now on: who is executed gets them only by what follows.
std::vector<PassedSocket> TakePassedSockets();

// Gives each app its sockets. Returns what there is to warn of: sockets that no port of an app means (they are closed).
// kInvalid, before anything is started: a socket-activated port without a socket (of its protocol, host's port and, where it
// is published for one, address), one that shares its socket with another, a published port that a socket stands before.
Result<std::vector<std::string>> AssignSockets(PodPlan& plan, const appc::PodManifest& manifest,
                                               const std::vector<PassedSocket>& passed);

// Whether a published port is served by a socket that was passed, so that nothing has to be led
// there.
bool IsActivated(const PodPlan& plan, const appc::ForwardedPort& port);

}  // namespace rkt::native
