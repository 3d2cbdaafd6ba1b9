// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Entering an app of a running pod through its stage1's `enter` entry point.

#include <string>
#include <vector>

#include "base/result.h"
#include "stage0/linked_stage1.h"

namespace rkt::stage0 {

// The names of the pod's apps, for choosing the only one.
Result<std::vector<std::string>> AppNames(const std::string& data_dir, const std::string& uuid);

// Who the command runs as. Where nothing is said it is as confined as the app itself and has the
// app's user and groups.
struct EnterIdentity {
  std::string user;   // a name, a number, or a path whose owner is meant; empty: the app's
  std::string group;  // likewise; empty: the one that goes with the user
  bool privileged = false;  // every capability, no system call filter, root unless `user` says otherwise
};

// Becomes the entry point (exec of the tree store's copy, or `linked` where it is the same): returns only where that
// failed. `uuid`
// is a whole UUID, `app` one of the pod's, `argv` the command, not empty. kInvalid: pod "UUID"
// isn't currently running; kUnsupported: the pod's stage1 knows nothing of such an identity.
Status Enter(const std::string& data_dir, const std::string& uuid, const std::string& app,
             const EnterIdentity& identity, const std::vector<std::string>& argv,
             const LinkedStage1* linked = nullptr);

}  // namespace rkt::stage0
