// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Fly's mounts: the host's /dev, /proc and /sys, a /tmp, the volumes. Planned as values, then made
// by descriptor beneath the app's root in a mount namespace of our own.

#include <string>
#include <vector>

#include "appc/app.h"
#include "appc/pod_manifest.h"
#include "base/fd.h"
#include "base/result.h"

namespace rkt::fly {

struct MountStep {
  enum class Kind { kBind, kTmpfs };
  Kind kind = Kind::kBind;
  std::string source;  // of the host
  std::string target;  // in the app's root
  bool recursive = false;
  bool read_only = false;
  bool operator==(const MountStep&) const = default;
};

// Runtime mounts first, then the image's mount points, each filled by the volume of its name.
// kUnsupported: an empty volume. kInvalid: a mount point without a volume; duplicate mount given:
// "volume"
Result<std::vector<MountStep>> PlanMounts(const appc::PodManifest& pod, const appc::RuntimeApp& app,
                                          const appc::App& section);

// Makes them in order; missing targets are made. `root` is a descriptor of the app's root.
Status MakeMounts(int root, const std::vector<MountStep>& steps);

// Opens (O_PATH) a directory or a file beneath root, making it and the directories above it where
// they are missing.
Result<Fd> OpenTarget(int root, const std::string& path, bool directory);

}  // namespace rkt::fly
