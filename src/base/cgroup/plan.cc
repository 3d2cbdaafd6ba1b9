// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/plan.h"

#include <algorithm>

#include "base/strings.h"

namespace rkt::cgroup {

namespace {

constexpr uint64_t kCpuPeriod = 100000;  // microseconds, the kernel's default
constexpr uint64_t kMinQuota = 1000;     // what the kernel takes at least

// One limit: the controller, and what is written where.
struct Setting {
  const char* resource;
  const char* controller;
  std::optional<uint64_t> Limits::*limit;
  const char* v1_file;
  const char* v2_file;
};
constexpr Setting kSettings[] = {
    {"memory", "memory", &Limits::memory_bytes, "memory.limit_in_bytes", "memory.max"},
    {"cpu", "cpu", &Limits::cpu_milli, "cpu.cfs_quota_us", "cpu.max"},
    {"cpu-shares", "cpu", &Limits::cpu_shares, "cpu.shares", "cpu.weight"},
    {"pids", "pids", &Limits::pids, "pids.max", "pids.max"},
};

std::string Text(const Setting& setting, uint64_t value, bool v2) {
  if (setting.limit == &Limits::cpu_milli) {
    uint64_t quota = std::max(value * (kCpuPeriod / 1000), kMinQuota);
    return v2 ? StrCat(quota, " ", kCpuPeriod) : StrCat(quota);
  }
  if (setting.limit == &Limits::cpu_shares && v2) {
    // 2 to 262144 onto 1 to 10000, as everybody maps them.
    uint64_t shares = std::clamp<uint64_t>(value, 2, 262144);
    return StrCat(1 + (shares - 2) * 9999 / 262142);
  }
  return StrCat(value);
}

class Planner {
 public:
  Planner(const Layout& layout, const PodRequest& request) : layout_(layout), request_(request) {}

  Plan Make() {
    plan_.apps.resize(request_.apps.size());
    std::vector<std::string> v2_controllers = Sort();
    PlaceDevices();
    bool v2 = layout_.unified || !v2_controllers.empty() || (limits_devices_ && v1_devices_ == nullptr);
    bool v1 = v1_devices_ != nullptr ||
              std::any_of(settings_.begin(), settings_.end(),
                          [&](const Placed& placed) { return placed.hierarchy != V2(); });
    if (v2 || v1) plan_.subcgroup = Subcgroup(v2, !v2_controllers.empty());
    if (v2) PlanV2(v2_controllers);
    if (v1) PlanV1();
    return std::move(plan_);
  }

 private:
  struct Placed {
    size_t app;
    const Setting* setting;
    const Hierarchy* hierarchy;
  };

  const Hierarchy* V2() const { return layout_.v2 ? &*layout_.v2 : nullptr; }

  // Finds the hierarchy of every limit. Returns the controllers that v2 is needed for.
  std::vector<std::string> Sort() {
    std::vector<std::string> v2_controllers;
    for (size_t app = 0; app < request_.apps.size(); ++app) {
      for (const Setting& setting : kSettings) {
        if (!(request_.apps[app].limits.*setting.limit)) continue;
        const Hierarchy* hierarchy = layout_.Find(setting.controller);
        if (hierarchy == nullptr) {
          plan_.missing.push_back({request_.apps[app].name, setting.resource});
          continue;
        }
        settings_.push_back({app, &setting, hierarchy});
        if (hierarchy == V2() && std::find(v2_controllers.begin(), v2_controllers.end(),
                                           setting.controller) == v2_controllers.end()) {
          v2_controllers.emplace_back(setting.controller);
        }
      }
    }
    return v2_controllers;
  }

  // v2 has no controller for devices but takes programs, at any group.
  void PlaceDevices() {
    for (const AppRequest& app : request_.apps) {
      if (app.devices.empty()) continue;
      const Hierarchy* hierarchy = layout_.Find("devices");
      if (hierarchy == nullptr) hierarchy = V2();
      if (hierarchy == nullptr) {
        plan_.missing.push_back({app.name, "devices"});
        continue;
      }
      limits_devices_ = true;
      if (hierarchy != V2()) v1_devices_ = hierarchy;
    }
  }

  std::string Subcgroup(bool v2, bool v2_limits) {
    const Hierarchy* home = V2();
    if (!v2) {
      home = layout_.Find("name=systemd");
      if (home == nullptr) home = layout_.Find("cpu");
    }
    std::string own = home != nullptr ? home->own_path : "/";
    own.erase(0, own.find_first_not_of('/'));  // "/" becomes ""
    if (own.ends_with(".service")) {
      in_unit_ = true;
      return v2 ? StrCat(own, "/payload") : own;
    }
    std::string scope = ScopeName(request_.uuid);
    // v2 hands controllers down only from groups without processes, and we are a process in ours.
    // At the root that does not hold; elsewhere the pod goes to where registered machines are.
    if ((v2_limits || (request_.machine && v2)) && !own.empty()) return StrCat("machine.slice/", scope);
    return own.empty() ? scope : StrCat(own, "/", scope);
  }

  void Add(Step::Kind kind, std::string path, std::string text = {}) {
    Step step = {kind, std::move(path), std::move(text), {}};
    if (kind == Step::Kind::kMakeDir &&
        std::find(plan_.steps.begin(), plan_.steps.end(), step) != plan_.steps.end()) {
      return;
    }
    plan_.steps.push_back(std::move(step));
  }

  // Makes `beneath`, each directory of it, and calls `at_parent` before each one.
  template <typename Visit>
  void MakeDirs(const std::string& top, std::string_view beneath, Visit at_parent) {
    std::string path = top;
    for (const std::string& name : Split(beneath, '/')) {
      at_parent(path);
      path += '/';
      path += name;
      Add(Step::Kind::kMakeDir, path);
    }
  }

  void PlanV2(const std::vector<std::string>& controllers) {
    const std::string& top = layout_.v2->mount_point;
    std::string pod = StrCat(top, "/", plan_.subcgroup);
    if (controllers.empty()) {
      MakeDirs(top, plan_.subcgroup, [](const std::string&) {});
      if (limits_devices_ && v1_devices_ == nullptr) {
        for (size_t app = 0; app < request_.apps.size(); ++app) {
          if (request_.apps[app].devices.empty()) continue;
          std::string beneath = StrCat(plan_.subcgroup, "/system.slice/", request_.apps[app].name, ".service");
          MakeDirs(top, beneath, [](const std::string&) {});
          plan_.apps[app].v2_group = StrCat(top, "/", beneath);
          AddDevices(app, plan_.apps[app].v2_group);
        }
      }
      plan_.supervisor_group = std::move(pod);
      return;
    }
    std::string enable = StrCat("+", Join(controllers, " +"));
    std::string unit = in_unit_ ? pod.substr(0, pod.rfind('/')) : std::string();
    auto hand_down = [&](const std::string& group) {
      if (group == unit) {
        // Ours is the only process of the unit; it has to leave the unit's own group.
        Add(Step::Kind::kMakeDir, StrCat(group, "/supervisor"));
        Add(Step::Kind::kMoveSelf, StrCat(group, "/supervisor"));
      }
      Add(Step::Kind::kWrite, StrCat(group, "/cgroup.subtree_control"), enable);
    };
    MakeDirs(top, plan_.subcgroup, hand_down);
    hand_down(pod);
    plan_.supervisor_group = StrCat(pod, "/init.scope");
    Add(Step::Kind::kMakeDir, plan_.supervisor_group);
    std::string slice = StrCat(pod, "/system.slice");
    Add(Step::Kind::kMakeDir, slice);
    hand_down(slice);
    for (size_t app = 0; app < request_.apps.size(); ++app) {
      std::string group = StrCat(slice, "/", request_.apps[app].name, ".service");
      Add(Step::Kind::kMakeDir, group);
      for (const Placed& placed : settings_) {
        if (placed.app == app && placed.hierarchy == V2()) AddSetting(placed, group, true);
      }
      if (v1_devices_ == nullptr) AddDevices(app, group);
      plan_.apps[app].v2_group = std::move(group);
    }
  }

  void AddDevices(size_t app, const std::string& group) {
    if (request_.apps[app].devices.empty()) return;
    Add(Step::Kind::kDevices, group);
    plan_.steps.back().devices = DevicePolicy(request_.apps[app].devices);
  }

  void PlanV1() {
    for (const Placed& placed : settings_) {
      if (placed.hierarchy == V2()) continue;
      Plan::App& app = plan_.apps[placed.app];
      std::string beneath =
          StrCat(plan_.subcgroup, "/system.slice/", request_.apps[placed.app].name, ".service");
      std::string group = StrCat(placed.hierarchy->mount_point, "/", beneath);
      if (std::find(app.v1_groups.begin(), app.v1_groups.end(), group) == app.v1_groups.end()) {
        MakeDirs(placed.hierarchy->mount_point, beneath, [](const std::string&) {});
        app.v1_groups.push_back(group);
      }
      AddSetting(placed, group, false);
    }
    for (size_t app = 0; v1_devices_ != nullptr && app < request_.apps.size(); ++app) {
      if (request_.apps[app].devices.empty()) continue;
      std::string beneath = StrCat(plan_.subcgroup, "/system.slice/", request_.apps[app].name, ".service");
      std::string group = StrCat(v1_devices_->mount_point, "/", beneath);
      MakeDirs(v1_devices_->mount_point, beneath, [](const std::string&) {});
      plan_.apps[app].v1_groups.push_back(group);
      Add(Step::Kind::kWrite, StrCat(group, "/devices.deny"), "a");
      for (const DeviceRule& rule : DevicePolicy(request_.apps[app].devices)) {
        Add(Step::Kind::kWrite, StrCat(group, "/devices.allow"), DeviceRuleText(rule));
      }
    }
  }

  void AddSetting(const Placed& placed, const std::string& group, bool v2) {
    const Setting& setting = *placed.setting;
    uint64_t value = *(request_.apps[placed.app].limits.*setting.limit);
    Add(Step::Kind::kWrite, StrCat(group, "/", v2 ? setting.v2_file : setting.v1_file),
        Text(setting, value, v2));
  }

  const Layout& layout_;
  const PodRequest& request_;
  Plan plan_;
  std::vector<Placed> settings_;
  bool limits_devices_ = false;
  const Hierarchy* v1_devices_ = nullptr;
  bool in_unit_ = false;
};

}  // namespace

bool PodRequest::has_limits() const {
  return std::any_of(apps.begin(), apps.end(),
                     [](const AppRequest& app) { return !app.limits.empty() || !app.devices.empty(); });
}

std::string ScopeName(std::string_view uuid) {
  return StrCat("machine-rkt\\x2d", ReplaceAll(uuid, "-", "\\x2d"), ".scope");
}

Plan MakePlan(const Layout& layout, const PodRequest& request) {
  return Planner(layout, request).Make();
}

}  // namespace rkt::cgroup
