// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/rm.h"

#include "pod/pod.h"

namespace rkt::stage0 {

Status Rm(const std::string& uuid, const GcOptions& options, const GcCallbacks& callbacks) {
  pod::Pods pods = TRY(pod::Pods::Open(options.data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  auto busy = [&](const char* what) { return Err(Code::kBusy, "pod ", Quote(uuid), " is ", what); };
  auto lock = TRY(pods.TryLock(pod));
  TRY(pod.Refresh());
  if (!lock) {
    switch (pod.stage()) {
      case pod::Stage::kRun:
        return busy("currently running");
      case pod::Stage::kExitedGarbage:
      case pod::Stage::kGarbage:
        return busy("currently being deleted");
      default:
        return busy("currently being prepared");
    }
  }
  // Ours now. What has run leaves by exited-garbage, so that stage1 is asked to clean up.
  switch (pod.stage()) {
    case pod::Stage::kEmbryo:
    case pod::Stage::kPrepare:
    case pod::Stage::kPrepared:
      TRY(pods.Move(pod, pod::Stage::kGarbage));
      break;
    case pod::Stage::kRun:
      TRY(pods.Move(pod, pod::Stage::kExitedGarbage));
      break;
    case pod::Stage::kExitedGarbage:
    case pod::Stage::kGarbage:
      break;
  }
  return DeletePod(options, pods, pod, callbacks);
}

}  // namespace rkt::stage0
