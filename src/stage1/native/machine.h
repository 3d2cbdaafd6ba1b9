// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod as a machine of systemd's machined (machinectl). All of it is done by a program that
// stage0 names where the host has machined, beside the pod's start and after its end; a failure is
// none of the pod's.

#include <sys/types.h>

#include <string>

#include "base/fd.h"

namespace rkt::native {

class Machine {
 public:
  // Takes what stage0 says (RKT_MACHINED) out of the environment.
  static Machine FromEnvironment(const std::string& uuid);

  // Whether there is a machined; the host's file systems are then needed as long as the pod runs.
  bool wanted() const { return !program_.empty(); }
  // Asks systemd for the pod's scope, in which a process of ours waits until the pod is registered or we have ended;
  // waits for the answer. False: there will be none, and nothing to register.
  bool OpenScope();
  // In a copy of this process: what keeps the scope alive is the original's.
  void LeaveScope() { holder_.Close(); }
  // Starts the registration and does not wait for it.
  void Register(pid_t pod, const std::string& pod_path);
  // Reaps the registration, if it has ended. To be called when a child has.
  void Reap();
  // Takes the pod off machined's list, after the end of the registration. Waits for that.
  void Unregister();
  // The same where the pod has a scope of its own, whose group is beneath the root `subcgroup`: the
  // machine ends with the scope, and systemd takes that down as soon as it sees the group empty. It
  // would miss that if the group were removed from here in the same moment, so this waits for it,
  // for a short time.
  void AwaitScope(const std::string& subcgroup);

 private:
  void CloseHolder();
  bool EndRegistration();
  std::string program_;
  std::string uuid_;
  Fd holder_;               // closed: the process that keeps the scope alive ends
  pid_t holder_pid_ = -1;
  bool in_scope_ = false;
  pid_t registering_ = -1;
  bool registered_ = false;
};

}  // namespace rkt::native
