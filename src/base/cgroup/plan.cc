// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/plan.h"

#include <algorithm>

#include "base/strings.h"

namespace rkt::cgroup {

namespace {

constexpr uint64_t kCpuPeriod = 100000;  // microseconds, the kernel's default
constexpr uint64_t kMinQuota = 1000;     // what the kernel takes at least
constexpr size_t kPod = SIZE_MAX;        // in the place of an app's index

// One limit: its isolator and the controllers that have it.
struct Setting {
  const char* isolator;
  const char* v1_controller;
  const char* v2_controller;
  std::optional<uint64_t> Limits::*limit;
  bool weight = false;
};
constexpr Setting kSettings[] = {
    {"resource/memory", "memory", "memory", &Limits::memory_bytes},
    {"resource/cpu", "cpu", "cpu", &Limits::cpu_milli},
    {"os/linux/cpu-shares", "cpu", "cpu", &Limits::cpu_shares, true},
    {"os/linux/pids-limit", "pids", "pids", &Limits::pids},
    {"resource/block-bandwidth", "blkio", "io", &Limits::block_bandwidth},
    {"resource/block-iops", "blkio", "io", &Limits::block_iops},
    {"os/linux/block-weight", "blkio", "io", &Limits::block_weight, true},
};

// What is written for a limit: file, text, and the same of other kernels.
struct Entry {
  std::string file, text;
  std::string otherwise = {}, otherwise_text = {};
  bool optional = false;
};

// Maps one range of weights onto another, as everybody does.
uint64_t Scale(uint64_t value, uint64_t least, uint64_t most, uint64_t to_least, uint64_t to_most) {
  value = std::clamp(value, least, most);
  return to_least + (value - least) * (to_most - to_least) / (most - least);
}

std::vector<Entry> Entries(const Setting& setting, uint64_t value, bool v2,
                           const std::vector<std::string>& devices) {
  std::vector<Entry> entries;
  auto limit = setting.limit;
  if (limit == &Limits::memory_bytes) {
    entries.push_back({v2 ? "memory.max" : "memory.limit_in_bytes", StrCat(value)});
    // What does not fit must not go on in the swap space, where its use is counted at all.
    entries.push_back({v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes",
                       v2 ? std::string("0") : StrCat(value),
                       {},
                       {},
                       true});
  } else if (limit == &Limits::cpu_milli) {
    uint64_t quota = std::max(value * (kCpuPeriod / 1000), kMinQuota);
    if (v2) entries.push_back({"cpu.max", StrCat(quota, " ", kCpuPeriod)});
    if (!v2) entries.push_back({"cpu.cfs_quota_us", StrCat(quota)});
  } else if (limit == &Limits::cpu_shares) {
    if (v2) entries.push_back({"cpu.weight", StrCat(Scale(value, 2, 262144, 1, 10000))});
    if (!v2) entries.push_back({"cpu.shares", StrCat(value)});
  } else if (limit == &Limits::pids) {
    entries.push_back({"pids.max", value == 0 ? std::string("max") : StrCat(value)});
  } else if (limit == &Limits::block_weight) {
    if (v2) {
      entries.push_back(
          {"io.weight", StrCat(Scale(value, 10, 1000, 1, 10000)), "io.bfq.weight", StrCat(value)});
    } else {
      entries.push_back({"blkio.bfq.weight", StrCat(value), "blkio.weight", StrCat(value)});
    }
  } else {
    bool bytes = limit == &Limits::block_bandwidth;
    std::string kind = bytes ? "bps" : "iops";
    for (const std::string& device : devices) {
      if (v2) {
        entries.push_back(
            {"io.max", StrCat(device, " r", kind, "=", value, " w", kind, "=", value)});
        continue;
      }
      for (const char* way : {"read", "write"}) {
        entries.push_back(
            {StrCat("blkio.throttle.", way, "_", kind, "_device"), StrCat(device, " ", value)});
      }
    }
  }
  return entries;
}

class Planner {
 public:
  Planner(const Layout& layout, const PodRequest& request) : layout_(layout), request_(request) {}

  Plan Make() {
    plan_.apps.resize(request_.apps.size());
    Sort();
    bool v2_limits = !v2_controllers_.empty();
    bool v2 = layout_.unified || v2_limits || v2_devices_;
    if (v2 || !v1_.empty() || (request_.grows && !layout_.v1.empty())) plan_.subcgroup = Subcgroup(v2, v2_limits);
    if (v2) PlanV2();
    for (const Hierarchy* hierarchy : v1_) PlanV1(*hierarchy);
    return std::move(plan_);
  }

  // The one app of the request, in a pod that has its groups already.
  Plan MakeApp(std::string_view subcgroup) {
    plan_.apps.resize(1);
    plan_.subcgroup = subcgroup;
    Sort();
    const AppRequest& app = request_.apps[0];
    std::vector<DeviceRule> devices = app.devices.empty() ? request_.devices : app.devices;
    std::string beneath = StrCat(subcgroup, "/system.slice/", app.name, ".service");
    auto make_group = [&](const Hierarchy& hierarchy, bool has_devices) {
      MakeDirs(hierarchy.mount_point, beneath, [](const std::string&) {});
      std::string group = StrCat(hierarchy.mount_point, "/", beneath);
      if (has_devices) AllowDevices(group, devices);
      AddSettings(0, &hierarchy, group, group);
      return group;
    };
    // Without controllers pid 1 is in the pod's group itself, and so are the apps.
    bool handed_down = std::any_of(std::begin(kSettings), std::end(kSettings), [&](const Setting& setting) {
      return V2() && V2()->Has(setting.v2_controller);
    });
    if (handed_down || v2_devices_) plan_.apps[0].v2_group = make_group(*V2(), v2_devices_);
    for (const Hierarchy* hierarchy : v1_) {
      plan_.apps[0].v1_groups.push_back(make_group(*hierarchy, hierarchy == v1_devices_));
    }
    return std::move(plan_);
  }

 private:
  struct Placed {
    size_t app;
    const Setting* setting;
    const Hierarchy* hierarchy;
  };

  const Hierarchy* V2() const { return layout_.v2 ? &*layout_.v2 : nullptr; }
  const Hierarchy* V1(std::string_view controller) const {
    for (const Hierarchy& hierarchy : layout_.v1) {
      if (hierarchy.Has(controller)) return &hierarchy;
    }
    return nullptr;
  }
  const Limits& LimitsOf(size_t app) const {
    return app == kPod ? request_.limits : request_.apps[app].limits;
  }
  std::string NameOf(size_t app) const {
    return app == kPod ? std::string() : request_.apps[app].name;
  }

  void UseV1(const Hierarchy* hierarchy) {
    if (std::find(v1_.begin(), v1_.end(), hierarchy) == v1_.end()) v1_.push_back(hierarchy);
  }

  // Finds the hierarchy of every limit.
  void Sort() {
    SortDevices();
    if (!request_.limits.empty()) SortLimits(kPod);
    for (size_t app = 0; app < request_.apps.size(); ++app) SortLimits(app);
    if (!request_.grows || !V2()) return;
    // Whatever an app that comes later may need is handed down.
    for (const Setting& setting : kSettings) {
      if (V1(setting.v1_controller) || !V2()->Has(setting.v2_controller)) continue;
      if (std::find(v2_controllers_.begin(), v2_controllers_.end(), setting.v2_controller) == v2_controllers_.end()) {
        v2_controllers_.emplace_back(setting.v2_controller);
      }
    }
  }

  // v2 has no controller for devices but takes programs, at any group.
  void SortDevices() {
    const AppRequest* first = nullptr;
    for (const AppRequest& app : request_.apps) {
      if (!first && !app.devices.empty()) first = &app;
    }
    if (!request_.confine_devices && !first) return;
    if ((v1_devices_ = V1("devices"))) {
      UseV1(v1_devices_);
    } else if (V2()) {
      v2_devices_ = true;
    } else {
      plan_.missing.push_back({request_.confine_devices ? std::string() : first->name, kDevicePolicy});
    }
  }

  void SortLimits(size_t app) {
    for (const Setting& setting : kSettings) {
      if (!(LimitsOf(app).*setting.limit)) continue;
      const Hierarchy* hierarchy = V1(setting.v1_controller);
      if (hierarchy) {
        UseV1(hierarchy);
      } else if (V2() && V2()->Has(setting.v2_controller)) {
        hierarchy = V2();
        if (std::find(v2_controllers_.begin(), v2_controllers_.end(), setting.v2_controller) ==
            v2_controllers_.end()) {
          v2_controllers_.emplace_back(setting.v2_controller);
        }
      } else {
        plan_.missing.push_back({NameOf(app), setting.isolator});
        continue;
      }
      settings_.push_back({app, &setting, hierarchy});
    }
  }

  std::string Subcgroup(bool v2, bool v2_limits) {
    const Hierarchy* home = V2();
    if (!v2) {
      home = V1("name=systemd");
      if (home == nullptr) home = V1("cpu");
    }
    std::string own = home != nullptr ? home->own_path : "/";
    own.erase(0, own.find_first_not_of('/'));  // "/" becomes ""
    std::string unit(v2 ? WithoutSupervisor(own) : own);
    std::string scope = ScopeName(request_.uuid);
    if (unit.ends_with(".service")) {
      in_unit_ = true;
      if (v2 && request_.unit_taken) return StrCat(unit, "/", scope);
      return v2 ? StrCat(unit, "/payload") : unit;
    }
    if (v2_limits && layout_.delegated && !unit.empty()) {
      in_unit_ = true;
      return StrCat(unit, "/", scope);
    }
    // v2 hands controllers down only from groups without processes, and we are a process in ours.
    // At the root of all that does not hold; in a namespace's root we make room; elsewhere the pod
    // goes to where registered machines are.
    if (v2_limits && layout_.namespaced && (own.empty() || own == "supervisor")) {
      in_unit_ = true;
      return scope;
    }
    if ((v2_limits || (request_.machine && v2)) && !own.empty()) {
      plan_.scope = v2_limits && request_.machine;
      return StrCat("machine.slice/", scope);
    }
    return own.empty() ? scope : StrCat(own, "/", scope);
  }

  void Add(Step step) {
    if (step.kind == Step::Kind::kMakeDir &&
        std::find(plan_.steps.begin(), plan_.steps.end(), step) != plan_.steps.end()) {
      return;
    }
    plan_.steps.push_back(std::move(step));
  }
  void MakeDir(std::string path) { Add({Step::Kind::kMakeDir, std::move(path)}); }

  // Makes `beneath`, each directory of it, and calls `at_parent` before each one.
  template <typename Visit>
  void MakeDirs(const std::string& top, std::string_view beneath, Visit at_parent) {
    std::string path = top;
    for (const std::string& name : Split(beneath, '/')) {
      at_parent(path);
      path += '/';
      path += name;
      MakeDir(path);
    }
  }

  void PlanV2() {
    const std::string& top = layout_.v2->mount_point;
    std::string pod = StrCat(top, "/", plan_.subcgroup);
    std::string slice = StrCat(pod, "/system.slice");
    if (v2_controllers_.empty()) {
      MakeDirs(top, plan_.subcgroup, [](const std::string&) {});
      BoundTasks(pod);
      if (v2_devices_) PlanV2Devices(slice);
      plan_.supervisor_group = std::move(pod);
      return;
    }
    std::string enable = StrCat("+", Join(v2_controllers_, " +"));
    std::string unit = in_unit_ ? pod.substr(0, pod.rfind('/')) : std::string();
    bool above_unit = in_unit_;
    auto hand_down = [&](const std::string& group) {
      if (group == unit) {
        above_unit = false;
        // Whoever else runs in the unit has to leave its own group as we do.
        MakeDir(StrCat(group, "/supervisor"));
        Add({Step::Kind::kMoveAll, StrCat(group, "/supervisor"), group});
      }
      Step write = {Step::Kind::kWrite, StrCat(group, "/cgroup.subtree_control"), enable};
      // Outside of what is ours everything has been handed down, or ours says what is missing.
      write.optional = above_unit;
      Add(std::move(write));
    };
    MakeDirs(top, plan_.subcgroup, hand_down);
    plan_.supervisor_group = StrCat(pod, "/init.scope");
    if (plan_.scope) {
      MakeDir(plan_.supervisor_group);
      Add({Step::Kind::kMoveAll, plan_.supervisor_group, pod});
    }
    hand_down(pod);
    BoundTasks(pod);
    MakeDir(plan_.supervisor_group);
    MakeDir(slice);
    hand_down(slice);
    if (v2_devices_ && request_.confine_devices) AllowDevices(slice, request_.devices);
    AddSettings(kPod, V2(), pod, slice);
    for (size_t app = 0; app < request_.apps.size(); ++app) {
      std::string group = StrCat(slice, "/", request_.apps[app].name, ".service");
      MakeDir(group);
      if (v2_devices_ && !request_.apps[app].devices.empty()) AllowDevices(group, request_.apps[app].devices);
      AddSettings(app, V2(), group, group);
      plan_.apps[app].v2_group = std::move(group);
    }
  }

  // Without limits only those apps have a group of their own that may not open every device.
  void PlanV2Devices(const std::string& slice) {
    MakeDir(slice);
    if (request_.confine_devices) AllowDevices(slice, request_.devices);
    for (size_t app = 0; app < request_.apps.size(); ++app) {
      const AppRequest& request = request_.apps[app];
      if (!request_.confine_devices && request.devices.empty()) continue;
      std::string group = StrCat(slice, "/", request.name, ".service");
      MakeDir(group);
      if (!request.devices.empty()) AllowDevices(group, request.devices);
      plan_.apps[app].v2_group = std::move(group);
    }
  }

  // The bound on all tasks of the pod that holds where nobody has asked for one.
  void BoundTasks(const std::string& pod) {
    if (request_.default_pids == 0) return;
    Step write = {Step::Kind::kWrite, StrCat(pod, "/pids.max"), StrCat(request_.default_pids)};
    write.optional = true;
    Add(std::move(write));
  }

  void PlanV1(const Hierarchy& hierarchy) {
    auto is_here = [&](size_t app) {
      return std::any_of(settings_.begin(), settings_.end(), [&](const Placed& placed) {
        return placed.app == app && placed.hierarchy == &hierarchy;
      });
    };
    std::string pod = StrCat(hierarchy.mount_point, "/", plan_.subcgroup);
    std::string slice = StrCat(pod, "/system.slice");
    MakeDirs(hierarchy.mount_point, plan_.subcgroup, [](const std::string&) {});
    MakeDir(slice);
    AddSettings(kPod, &hierarchy, pod, slice);
    bool everybody = is_here(kPod);
    const bool devices = &hierarchy == v1_devices_;
    if (devices && request_.confine_devices) {
      everybody = true;
      AllowDevices(slice, request_.devices);
    }
    for (size_t app = 0; app < request_.apps.size(); ++app) {
      bool own_devices = devices && !request_.apps[app].devices.empty();
      if (!everybody && !own_devices && !is_here(app)) continue;
      std::string group = StrCat(slice, "/", request_.apps[app].name, ".service");
      MakeDir(group);
      if (own_devices) AllowDevices(group, request_.apps[app].devices);
      AddSettings(app, &hierarchy, group, group);
      plan_.apps[app].v1_groups.push_back(std::move(group));
    }
  }

  // No devices but these and the pseudo devices.
  void AllowDevices(const std::string& group, const std::vector<DeviceRule>& devices) {
    std::vector<DeviceRule> rules = DevicePolicy(devices);
    if (v2_devices_) {
      Step step = {Step::Kind::kDevices, group};
      step.devices = std::move(rules);
      return Add(std::move(step));
    }
    Add({Step::Kind::kWrite, StrCat(group, "/devices.deny"), "a"});
    for (const DeviceRule& rule : rules) {
      Add({Step::Kind::kWrite, StrCat(group, "/devices.allow"), DeviceRuleText(rule)});
    }
  }

  // The limits of an app or the pod in one hierarchy: weights to one group, bounds to the other.
  void AddSettings(size_t app, const Hierarchy* hierarchy, const std::string& weights,
                   const std::string& bounds) {
    for (const Placed& placed : settings_) {
      if (placed.app != app || placed.hierarchy != hierarchy) continue;
      const Setting& setting = *placed.setting;
      const std::string& group = setting.weight ? weights : bounds;
      uint64_t value = *(LimitsOf(app).*setting.limit);
      for (Entry& entry : Entries(setting, value, hierarchy == V2(), request_.block_devices)) {
        Step step = {Step::Kind::kWrite, StrCat(group, "/", entry.file), std::move(entry.text)};
        if (!entry.otherwise.empty()) step.otherwise = StrCat(group, "/", entry.otherwise);
        step.otherwise_text = std::move(entry.otherwise_text);
        step.isolator = setting.isolator;
        step.app = NameOf(app);
        step.optional = entry.optional;
        Add(std::move(step));
      }
    }
  }

  const Layout& layout_;
  const PodRequest& request_;
  Plan plan_;
  std::vector<Placed> settings_;
  std::vector<const Hierarchy*> v1_;  // those that are needed, in order
  std::vector<std::string> v2_controllers_;
  const Hierarchy* v1_devices_ = nullptr;
  bool v2_devices_ = false;
  bool in_unit_ = false;
};

}  // namespace

bool PodRequest::has_limits() const {
  return grows || !limits.empty() || confine_devices ||
         std::any_of(apps.begin(), apps.end(), [](const AppRequest& app) {
           return !app.limits.empty() || !app.devices.empty();
         });
}

std::string ScopeName(std::string_view uuid) {
  return StrCat("machine-rkt\\x2d", ReplaceAll(uuid, "-", "\\x2d"), ".scope");
}

Plan MakePlan(const Layout& layout, const PodRequest& request) {
  return Planner(layout, request).Make();
}

Plan MakeAppPlan(const Layout& layout, std::string_view subcgroup, const PodRequest& request) {
  return Planner(layout, request).MakeApp(subcgroup);
}

}  // namespace rkt::cgroup
