// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A running pod from outside, as the crossing entry points of its stage1 are shown it (docs/stage1-contract.md): in a
// mount namespace of this process's own, the pod's stage1 root, with all that is mounted in it, lies at
// POD/stage1/rootfs. Mounts can be brought into the pod and taken out of it.

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "pod/pod.h"
#include "stage0/stage1_contract.h"

namespace rkt::stage0 {

class RunningPod {
 public:
  // Takes this process into a mount namespace of its own, with the pod's directory as working directory. Once a
  // process. `pod` is borrowed. kInvalid: the pod is not running, or stage1's root cannot be found in it.
  static Result<RunningPod> Open(const std::string& data_dir, pod::Pod& pod);

  const Stage1Contract& contract() const { return contract_; }
  // Stage1's root, for files in it.
  int root() const { return root_.get(); }

  // What is mounted here at a path of stage1's root is mounted at the same path in the pod.
  Status BringMount(const std::string& path);
  // Detaches what is mounted at a path of stage1's root, in the pod and here; nothing there is fine.
  Status TakeMount(const std::string& path);

  // Runs a crossing entry point ("app/add", "app/stop", ...) to its end. `lock_fd` (or -1) stays open in it, so that
  // the lock holds for as long as it works. kUnsupported where stage1 has none.
  Result<ExitStatus> Call(const std::string& name, const std::vector<std::string>& arguments,
                          int lock_fd) const;
  // Becomes it. Returns only where that failed.
  Status Become(const std::string& name, const std::vector<std::string>& arguments) const;

 private:
  RunningPod(const std::string& data_dir, pod::Pod& pod) : data_dir_(data_dir), pod_(&pod) {}
  struct Command {
    std::string program;
    std::vector<std::string> argv;
    std::vector<std::string> env;
  };
  Result<Command> CommandFor(const std::string& name,
                             const std::vector<std::string>& arguments) const;
  // Does something in the pod's mount namespace.
  Status Visit(const std::function<Status()>& work) const;

  std::string data_dir_;
  pod::Pod* pod_;
  int pid_ = 0;
  Stage1Contract contract_;
  Fd pod_namespace_;
  Fd pod_root_;  // stage1's root there
  Fd root_;      // and here
};

}  // namespace rkt::stage0
