// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Control groups: where the hierarchies of this machine are, v1, v2 or both, and where we stand in
// them. Reads no more than is asked for: on v1 a pod without limits costs one statfs.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::cgroup {

inline constexpr char kRoot[] = "/sys/fs/cgroup";

// One mounted hierarchy.
struct Hierarchy {
  std::vector<std::string>
      controllers;          // "memory", "cpu", "name=systemd"; for v2 those of cgroup.controllers
  std::string mount_point;  // "/sys/fs/cgroup/memory"
  std::string own_path;     // our group beneath the mount point: "/" or "/system.slice/x.service"
  bool Has(std::string_view controller) const;
};

struct Layout {
  bool unified = false;         // /sys/fs/cgroup itself is v2
  std::vector<Hierarchy> v1;    // empty unless asked for
  std::optional<Hierarchy> v2;  // of a hybrid machine: empty unless asked for
  // v2, and only where limits are asked for: our group (or the one above, where ours is its
  // `supervisor`) was handed to us by systemd; /sys/fs/cgroup is not the root of the hierarchy but
  // that of a cgroup namespace.
  bool delegated = false;
  bool namespaced = false;
  // The hierarchy, v1 or v2, that has the controller; null where none is mounted.
  const Hierarchy* Find(std::string_view controller) const;
};

// `with_limits`: the hierarchies of v1 are wanted too. On a unified machine v2 is always read.
Result<Layout> Discover(bool with_limits);
// The same from the texts of /proc/self/mountinfo, /proc/self/cgroup and v2's root
// cgroup.controllers.
Layout ParseLayout(std::string_view mountinfo, std::string_view self_cgroup,
                   std::string_view v2_controllers);

// A group's path without the last element `supervisor`, into which rkt moves the processes of a
// group that it needs for itself.
std::string_view WithoutSupervisor(std::string_view own_path);

}  // namespace rkt::cgroup
