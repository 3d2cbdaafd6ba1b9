// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/stop.h"

#include "base/process.h"
#include "pod/pod.h"
#include "stage0/entry_point.h"
#include "stage0/list.h"

namespace rkt::stage0 {

Result<StopResult> Stop(const std::string& data_dir, const std::string& uuid, bool force) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  if (pod.state() >= pod::State::kExited) return StopResult::kAlreadyStopped;
  if (pod.state() != pod::State::kRunning) {
    return Err(Code::kInvalid, "pod ", Quote(uuid), " is not running");
  }
  // A pod runs from the moment it is locked in `run`; which process it is, its stage1 says a little later.
  constexpr int64_t kPatienceNs = 10'000'000'000;
  TRY_CTX(WaitStarted(data_dir, uuid, kPatienceNs), "waiting for pod ", Quote(uuid), " to start");
  Stage1Contract contract = TRY(ReadContract(pod));
  SpawnOptions spawn;
  spawn.program = TRY(EntryPointPath(data_dir, pod, contract, "stop"));
  spawn.argv = {spawn.program};
  if (force) spawn.argv.push_back("--force");
  spawn.argv.push_back(uuid);
  spawn.directory = pod.path();
  ExitStatus status = TRY_CTX(RunProgram(spawn), "stopping pod ", Quote(uuid));
  if (status.ok()) return StopResult::kStopped;
  // It may have ended by itself between our look and the entry point's.
  if (pod.Refresh() && pod.state() >= pod::State::kExited) return StopResult::kStopped;
  return Err(Code::kInternal, "stage1's stop of pod ", Quote(uuid),
             " failed: ", status.signaled ? "signal " : "exit status ", status.code);
}

}  // namespace rkt::stage0
