// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The groups of a pod, as values: which directories are made, what is written into them, who enters
// which (runtime.md of the reference, section 12). Making the plan touches nothing.
//
//   v2   SUBCGROUP/                        the pod; without limits everything is in here
//        SUBCGROUP/init.scope              with limits: the supervisor
//        SUBCGROUP/system.slice/APP.service   with limits: one per app
//   v1   HIERARCHY/SUBCGROUP/system.slice/APP.service   only for controllers in which a limit is
//   set, only those apps
//
// SUBCGROUP is OWN/machine-rkt\x2dUUID.scope, or the host unit that rkt was started in: SLICE/UNIT,
// v2 SLICE/UNIT/payload.

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
  bool empty() const { return !memory_bytes && !cpu_milli && !cpu_shares && !pids; }
};

struct AppRequest {
  std::string name;
  Limits limits;
  std::vector<DeviceRule> devices;  // not empty: these and the pseudo devices, no others
};
struct PodRequest {
  std::string uuid;
  bool machine = false;  // it becomes a machine of systemd's: outside of a service it is in a scope of its own
  std::vector<AppRequest> apps;
  bool has_limits() const;
};

struct Step {
  enum class Kind {
    kMakeDir,   // an existing one is fine
    kWrite,     // text to an existing file
    kMoveSelf,  // this process enters the group `path`
    kDevices,   // `devices` is the policy of the v2 group `path`
  };
  Kind kind;
  std::string path;
  std::string text;
  std::vector<DeviceRule> devices = {};
  bool operator==(const Step&) const = default;
};

// A limit that cannot be set, for the warning of the caller.
struct MissingController {
  std::string app;
  std::string resource;  // "memory", "cpu", "cpu-shares", "pids"; "devices"
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
  std::vector<MissingController> missing;
};

// "machine-rkt\x2dUUID-with-dashes-escaped.scope", as systemd names the scope of the machine
// rkt-UUID.
std::string ScopeName(std::string_view uuid);
Plan MakePlan(const Layout& layout, const PodRequest& request);

}  // namespace rkt::cgroup
