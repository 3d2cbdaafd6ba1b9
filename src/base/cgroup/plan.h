// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The groups of a pod, as values: which directories are made, what is written into them, who enters
// which (runtime.md of the reference, section 12). Making the plan touches nothing.
//
//   v2   SUBCGROUP/                        the pod; without limits everything is in here
//        SUBCGROUP/init.scope              with limits: the supervisor
//        SUBCGROUP/system.slice            with limits: all apps; limits of the pod bound them here
//        SUBCGROUP/system.slice/APP.service   with limits: one per app
//   v1   HIERARCHY/SUBCGROUP/system.slice/APP.service   only for controllers in which a limit is
//   set: for the apps that have one, for all where the pod has one
//
// Weights of the pod, which count against other pods, are those of SUBCGROUP itself.
//
// SUBCGROUP is OWN/machine-rkt\x2dUUID.scope, or the host unit that rkt was started in: SLICE/UNIT,
// v2 SLICE/UNIT/payload, or SLICE/UNIT/machine-rkt\x2dUUID.scope where another pod has that.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cgroup/devices.h"
#include "base/cgroup/layout.h"

namespace rkt::cgroup {

struct Limits {
  std::optional<uint64_t> memory_bytes;
  std::optional<uint64_t> cpu_milli;   // thousandths of a core
  std::optional<uint64_t> cpu_shares;  // 2 to 262144
  std::optional<uint64_t> pids;
  std::optional<uint64_t> block_bandwidth;  // bytes a second, for each block device and direction
  std::optional<uint64_t> block_iops;       // operations a second, the same
  std::optional<uint64_t> block_weight;     // 10 to 1000
  bool empty() const { return *this == Limits{}; }
  bool operator==(const Limits&) const = default;
};

struct AppRequest {
  std::string name;
  Limits limits;
  std::vector<DeviceRule> devices = {};  // not empty: these and the pseudo devices, no others
};
struct PodRequest {
  std::string uuid;
  std::vector<AppRequest> apps;
  Limits limits = {};  // of all apps together
  std::vector<std::string> block_devices =
      {};  // "254:0": those that limits of block devices are for
  // All apps may open these and the pseudo devices, no others.
  bool confine_devices = false;
  std::vector<DeviceRule> devices = {};
  // v2: as many tasks at most where nothing else is said and the controller is handed down to us;
  // 0: none.
  uint64_t default_pids = 0;
  // The group that a pod in a service has is another pod's of the same service already.
  bool unit_taken = false;
  bool machine = false;  // it becomes a machine of systemd's: outside of a service it is in a scope of its own
  // Apps will come while the pod runs: it has its subcgroup and the groups above theirs at once.
  bool grows = false;
  bool has_limits() const;
};

struct Step {
  enum class Kind {
    kMakeDir,        // an existing one is fine
    kWrite,          // text to an existing file
    kMoveAll,        // the processes of the group `text`, ours among them, enter the group `path`
    kDevices,  // `devices` is the policy of the v2 group `path`
  };
  Kind kind;
  std::string path;
  std::string text = {};
  // kWrite: the file that other kernels have in its place, and what it takes.
  std::string otherwise = {};
  std::string otherwise_text = {};
  // kWrite: whose limit it is, of which app; where no file is there for it, the limit cannot be
  // set.
  std::string isolator = {};
  std::string app = {};
  std::vector<DeviceRule> devices = {};
  bool optional = false;  // kWrite: fine where the file does not exist or takes nothing
  bool operator==(const Step&) const = default;
};

// Missing::isolator where it is no isolator's.
inline constexpr char kDevicePolicy[] = "the policy for devices";

// A limit that cannot be set.
struct Missing {
  std::string app;       // empty: the pod
  std::string isolator;  // "resource/memory"
};

struct Plan {
  // What goes into POD/subcgroup: beneath the root of the hierarchies, without slash in front.
  // Empty: no groups.
  std::string subcgroup;
  std::vector<Step> steps;
  std::string supervisor_group;  // the v2 group of pid 1, empty: none
  struct App {
    std::string v2_group;  // empty: that of the supervisor, or none
    std::vector<std::string> v1_groups;
  };
  std::vector<App> apps;  // as in the request
  // The subcgroup is that of a scope of systemd's, which shall hand it to us (Delegate=) before the steps are carried
  // out. Who keeps it alive until then is moved to the supervisor's group.
  bool scope = false;
  std::vector<Missing> missing;
};

// "machine-rkt\x2dUUID-with-dashes-escaped.scope", as systemd names the scope of the machine
// rkt-UUID.
std::string ScopeName(std::string_view uuid);
Plan MakePlan(const Layout& layout, const PodRequest& request);
// One app more, the only one of the request, in a pod that grows and whose subcgroup this is.
Plan MakeAppPlan(const Layout& layout, std::string_view subcgroup, const PodRequest& request);

}  // namespace rkt::cgroup
