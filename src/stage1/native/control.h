// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the entry points app/start, app/stop and app/rm ask of pid 1 of a pod, over a socket in S1 that no app sees
// (attach_paths.h). A request is one packet, "VERB APP [WORD...]", with descriptors beside it; the answer is one packet,
// "ok", "not running" or "error: TEXT". Pid 1 believes only who is outside of the pod.

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::native {

struct ControlRequest {
  std::string verb;  // "start", "stop", "remove"
  std::string app;
  // For start; each may be missing but the first.
  Fd pod_dir;
  Fd plain_log;              // a log in the kubelet's old format
  Fd v2_group;               // as cgroup::PodGroups::App
  std::vector<Fd> v1_tasks;
};

// --- the side of the entry points; the working directory is S1

// Sends and waits for the answer. kBusy where the app is not running, kInternal with the text of an error.
Status AskSupervisor(const ControlRequest& request);

// --- the side of pid 1

// Whether root outside of the pod is at the other end of a unix socket.
bool IsFromOutside(int connection);
// The socket, listening.
Result<Fd> ListenForControl();
// The next who connects; none where there is none, or it is a process of the pod.
Fd AcceptControl(int listener);
// kBusy: nothing has come yet.
Result<ControlRequest> ReceiveControl(int connection);
// "ok" or what went wrong. Whoever is gone is none the wiser.
void AnswerControl(int connection, const Status& status);

}  // namespace rkt::native
