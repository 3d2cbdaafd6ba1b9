// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Making, entering and removing the groups of a pod. What a removal may kill is only what lives in
// groups named after the pod itself.

#include <string>
#include <string_view>
#include <vector>

#include "base/cgroup/plan.h"
#include "base/fd.h"
#include "base/result.h"

namespace rkt::cgroup {

// The made groups, ready for the clone. Every descriptor is close-on-exec.
struct PodGroups {
  std::string subcgroup;  // for POD/subcgroup, empty: there are no groups
  Fd supervisor;          // directory for clone3's CLONE_INTO_CGROUP, or none
  struct App {
    Fd v2;                     // directory for CLONE_INTO_CGROUP, or none: with the supervisor
    std::vector<Fd> v1_tasks;  // for EnterGroups, in the child
  };
  std::vector<App> apps;         // as in the request
  std::vector<Missing> missing;  // limits that do not hold, with `without` only
};

// The plan for this machine; nothing is made yet but, in a service, the one group that only one of its pods can have.
// Write its subcgroup to POD/subcgroup before Make:
// a pod that is killed in between is then collected whole.
Result<Plan> PlanFor(const PodRequest& request);
// Executes the plan and opens what will be entered. On an error nothing of the pod's groups stays.
// kUnsupported: the machine lacks what a limit needs, and not everybody is content `without`.
Result<PodGroups> Make(Plan plan, std::string_view uuid, bool without = false);
// Both, where nobody has to find the groups again.
Result<PodGroups> SetUp(const PodRequest& request);

// One app more, the only one of the request, in a running pod that grows. Its groups may be there already. An empty
// subcgroup: the pod has no groups, nor has the app. What the machine cannot set is an error as in Make, or goes to
// `missing` with `without`.
Result<PodGroups::App> AddApp(std::string_view subcgroup, const PodRequest& request, bool without,
                              std::vector<Missing>* missing);
// Removes that app's groups, killing what still runs in them.
Status RemoveApp(std::string_view subcgroup, std::string_view app, int timeout_ms = 2000);

// Carries the steps out in order. The error names the file: write "64000000" to /sys/...: ...
// A limit whose file does not exist goes to `missing`.
Status Execute(const std::vector<Step>& steps, std::vector<Missing>* missing);

// Removes the groups of a pod in all hierarchies, deepest first, killing what still runs in them
// and waiting until it is gone (at most `timeout_ms`). In a host unit, which may by now run another
// pod, only empty groups of pods go and nothing is killed. Groups that are not there are fine, so
// is an empty subcgroup, and the group that the caller itself is in is left. kInvalid: a path that
// climbs, or the group of something else.
Status Remove(std::string_view subcgroup, std::string_view uuid, int timeout_ms = 2000);

}  // namespace rkt::cgroup
