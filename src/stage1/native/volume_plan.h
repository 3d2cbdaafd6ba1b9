// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which volume an app sees where: the mounts of the command line and the mount points of the image brought together
// (runtime.md of the reference, section 9).

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "stage1/common/program_lookup.h"
#include "stage1/native/plan.h"

namespace rkt::native {

// The volumes of a pod in the order of their first use, each attached once.
class VolumeTable {
 public:
  // They are mounted in `directory` of S1. `mounted`: they are already, and host paths cannot be seen from here.
  VolumeTable(PodPlan& plan, std::string directory, bool mounted)
      : plan_(plan), directory_(std::move(directory)), mounted_(mounted) {}

  // The volume's index in PodPlan::volumes. Mounts may carry volumes of their own: those of one name are the same
  // volume only where they are alike. kNotFound: the source of a host volume is not there. kInvalid: two empty ones of
  // one name, which are one directory, want different things.
  Result<size_t> Use(const appc::Volume& volume);

 private:
  PodPlan& plan_;
  std::string directory_;
  bool mounted_;
  std::vector<appc::Volume> seen_;
};

// One mount of an app: PodPlan::volumes[volume] at `target`, which is clean and absolute.
struct UserMount {
  std::string target;
  size_t volume;
  bool read_only;
};

// The mounts of an app in the order in which they have to be made, outer ones first. A mount point that nothing fills
// gets an empty volume of its own and a warning; where `from_docker` says that the image was made for docker, that
// volume begins with what the image has there. kInvalid: a mount without volume, or onto the root directory.
Result<std::vector<UserMount>> PlanUserMounts(PodPlan& plan, VolumeTable& volumes, const appc::PodManifest& manifest,
                                              const appc::RuntimeApp& runtime, const appc::App& section,
                                              const std::function<bool()>& from_docker);

// The same as steps of the app's start.
void AddUserMounts(AppPlan& app, const PodPlan& plan, const std::vector<UserMount>& mounts);

// The app's files as they will be: its root with the volumes over it, before they are mounted, for looking programs up.
// `root` and everything else must outlive it.
stage1::OpenFile PlannedFiles(int root, const PodPlan& plan, const std::vector<UserMount>& mounts);
// The same in the pod's root, where the volumes are: for telling why a program could not be executed.
stage1::OpenFile MountedFiles(int root, const AppPlan& app);

// A detached copy of what the volume shows. The working directory is POD, and the host's file systems are seen.
Result<Fd> CloneVolume(const VolumePlan& volume);
// Attaches it at its place below `root`, which is S1.
Status AttachVolume(int root, const VolumePlan& volume, int mount);

// Makes the directories of the empty volumes in the pod's directory, with what they begin with.
Status MakeEmptyVolumes(int pod_dir, const PodPlan& plan);

}  // namespace rkt::native
