// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod as a service (sd_notify(3)): the process outside of the pod, which is the unit's main
// process, tells systemd that the pod is ready, that it stops and that it is alive, and hears the
// same from the apps whose images say that they tell (annotation
// appc.io/executor/supports-systemd-notify). Apps have no way to systemd itself.
//
// Nothing of this exists where rkt was not started by a service manager that wants to hear, and no
// app notifies.

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "stage1/native/machine.h"
#include "stage1/native/plan.h"

namespace rkt::native {

class Notifier {
 public:
  // Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, makes a socket for every app that
  // notifies and adds it to the app's mounts and environment. The working directory is the pod's.
  static Result<Notifier> Open(PodPlan& plan);

  // Whether WaitForPod has to be called, which needs the host's file systems to stay.
  bool active() const { return bool(host_) || !apps_.empty(); }
  // Waits for pid 1 of the pod, hands the stop signals among `signals` (blocked) on to it, and
  // passes on who says what meanwhile. Its wait status. `machine` hears of children that end.
  int WaitForPod(pid_t pod, const sigset_t& signals, Machine& machine);

 private:
  struct App {
    std::string name;
    Fd socket;
    bool ready = false;
    bool alive = false;  // has said so since the last time that systemd heard it
  };

  Status OpenHost();
  Status OpenApp(AppPlan& plan, size_t index);
  void Tell(const std::string& text);
  void ReadApp(App& app);
  void HearLine(App& app, std::string_view line);
  void CheckReady();
  bool PodIsStopped(pid_t pod) const;

  std::string uuid_;
  size_t app_count_ = 0;
  std::optional<IdRange> users_;  // those of a pod with users of its own
  Fd host_;   // connected to NOTIFY_SOCKET
  Fd watch_;  // inotify: on where the pod's pid 1 says that all apps have started
  std::vector<App> apps_;
  int64_t watchdog_ms_ = 0;  // how often systemd wants to hear that we are alive; 0: never
  bool ready_ = false;
};

}  // namespace rkt::native
