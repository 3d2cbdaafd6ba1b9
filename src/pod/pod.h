// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Pods on disk: where one is (its state is a directory and a lock), what it holds, how it moves on.
// The files are those of the original, so that old stage1 images and scripts find them (runtime.md
// of the reference, section 4).
//
//   DIR/pods/{embryo,prepare,prepared,run,exited-garbage,garbage}/<uuid>/     0750
//     pod  pod-created  pod.lck  pid|ppid  stage1TreeStoreID  overlay-prepared  ...   (see paths.h)

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/lock.h"
#include "base/result.h"
#include "pod/summary.h"

namespace rkt::pod {

// The directories, in the order in which they are searched.
enum class Stage { kEmbryo, kPrepare, kPrepared, kRun, kExitedGarbage, kGarbage };
// Directory and lock together, as `list` prints them.
enum class State {
  kEmbryo,
  kPreparing,
  kAbortedPrepare,
  kPrepared,
  kRunning,
  kExited,
  kExitedDeleting,
  kExitedGarbage,
  kDeleting,
  kGarbage,
};
// "running", "exited garbage", "aborted prepare" ...
const char* StateName(State state);
const char* StageDir(Stage stage);

// One pod, opened. Holds a descriptor of its directory; all files are read and written through it.
class Pod {
 public:
  Pod(Pod&&) noexcept = default;
  Pod& operator=(Pod&&) noexcept = default;

  const std::string& uuid() const { return uuid_; }
  Stage stage() const { return stage_; }
  State state() const { return state_; }  // as it was when opened (Refresh reads it again)
  const std::string& path() const { return path_; }  // DIR/pods/STAGE/UUID at that moment
  int fd() const { return dir_.get(); }

  // Where the pod is now: another process may have moved it on. kNotFound where it is gone.
  Status Refresh();
  // Whether it is no longer where it was opened.
  bool HasMoved() const;

  Result<std::string> ReadManifestBytes() const;
  // Time of creation and of the start, ns since the epoch; nothing where it has not come so far.
  std::optional<int64_t> created_ns() const;
  std::optional<int64_t> started_ns() const;
  // The pod's process as the host counts: the file pid, else the one child of ppid's. kNotFound
  // where neither file is there, kBusy where ppid has no child yet, kInvalid "too many children of
  // pid N".
  Result<int> ContainerPid() const;
  // ContainerPid, waiting (polling) for it for as long as the pod is running.
  Result<int> WaitContainerPid();
  // What is written in the file pid, also of a pod that has exited. (Not ppid: the child it had is
  // unknown then.)
  std::optional<int> RecordedPid() const;
  // What the stage1 image's tree is called in the tree store.
  Result<std::string> Stage1TreeId() const;
  bool UsesOverlay() const;
  // Where stage1's rkt/ directory can be read from outside: overlay/TSID/upper or stage1/rootfs,
  // relative to fd().
  Result<std::string> Stage1WritableDir() const;
  // Exit status of an app, nothing where it wrote none.
  std::optional<int> AppExitCode(const std::string& app) const;
  // The same with what Stage1WritableDir gives, which a summary has at hand.
  std::optional<int> AppExitCode(const std::string& stage1_dir, const std::string& app) const;
  bool IsReady() const;  // the symlink rkt/supervisor-status says "ready"
  // Its apps and user labels: the summary file, else the manifests. An error names the damaged
  // file.
  Result<Summary> ReadSummary() const;
  // mtime/ctime of a file of the pod; nothing where it is missing or no regular file. "." is the
  // pod itself.
  std::optional<int64_t> ModifiedNs(const char* file) const;
  std::optional<int64_t> ChangedNs(const char* file) const;
  // A file of the pod; a symlink in its place is refused (kCorrupt).
  Result<std::string> ReadFile(const std::string& file, size_t limit = 64u << 20) const;

 private:
  friend class Pods;
  Pod() = default;
  static State ReadState(Stage stage, int dir);
  std::string data_dir_, uuid_, path_;
  Stage stage_ = Stage::kEmbryo;
  State state_ = State::kEmbryo;
  Fd dir_;
};

// The directory DIR/pods.
class Pods {
 public:
  // Makes missing directories (as every pod command of the original does); where that is not
  // permitted, goes on with those that exist.
  static Result<Pods> Open(const std::string& data_dir);

  // embryo -> prepare: makes the directory, locks it exclusively, moves it on. The lock lives in
  // the result.
  struct Created {
    Pod pod;
    Lock lock;
  };
  Result<Created> Create(const std::string& uuid);
  // Moves a pod whose lock the caller holds. kNotFound where somebody else was quicker.
  Status Move(Pod& pod, Stage to);

  Result<Pod> Get(const std::string& uuid);
  // Unique prefix in any case over run, exited-garbage, prepare, prepared. Errors as the
  // original's: no matches found for "x"; ambiguous uuid, N matches; UUID cannot be empty
  Result<std::string> ResolveUuid(std::string_view prefix);
  // Calls `visit` for each pod in the given stages; entries that are no pods are reported to
  // `problem`.
  Status ForEach(const std::vector<Stage>& stages, const std::function<Status(Pod&)>& visit,
                 const std::function<void(const std::string&)>& problem);
  // An exclusive lock on the pod's directory, or nothing where somebody holds one.
  Result<std::optional<Lock>> TryLock(const Pod& pod);

  // Removes the pod's directory where it is now, with all that is in it.
  Status Forget(const Pod& pod);

  const std::string& data_dir() const { return data_dir_; }

 private:
  Result<Fd*> StageFd(Stage stage);
  Pod MakePod(Stage stage, const std::string& uuid, Fd dir) const;
  std::string data_dir_;
  Fd dir_;
  Fd stages_[6];
};

}  // namespace rkt::pod
