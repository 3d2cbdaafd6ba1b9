// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// From isolators to what the kernel is told: control groups, limits of processes, devices, kernel parameters and
// labels (docs/isolators.md).

#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "stage1/native/plan.h"

namespace rkt::native {

namespace {

constexpr uint64_t kSysAdmin = uint64_t{1} << CAP_SYS_ADMIN;

std::optional<uint64_t> Amount(const std::optional<int64_t>& value) {
  return value ? std::optional<uint64_t>(static_cast<uint64_t>(*value)) : std::nullopt;
}

// What a pod's isolators and an app's have in common.
cgroup::Limits GroupLimits(const appc::Isolators& isolators) {
  cgroup::Limits limits;
  limits.memory_bytes = Amount(appc::MemoryLimit(isolators));
  limits.cpu_milli = Amount(appc::CpuLimitMillis(isolators));
  limits.cpu_shares = Amount(appc::CpuShares(isolators));
  limits.block_bandwidth = Amount(appc::BlockBandwidth(isolators));
  limits.block_iops = Amount(appc::BlockIops(isolators));
  limits.block_weight = Amount(appc::BlockWeight(isolators));
  // None is what there is without a group, too.
  std::optional<int64_t> pids = appc::PidsLimit(isolators);
  if (pids && *pids > 0) limits.pids = Amount(pids);
  return limits;
}

void WarnOfUnknown(PodPlan& plan, const appc::Isolators& isolators, const std::string& whose, bool of_pod) {
  for (const appc::Isolator& isolator : isolators) {
    const std::string& name = isolator.name;
    if (!appc::IsKnownIsolator(name)) {
      plan.warnings.push_back(StrCat("warning: isolator ", Quote(name), whose, " is not known, skipping"));
    } else if (name == appc::kNetworkBandwidthIsolator) {
      plan.warnings.push_back(StrCat("warning: ", name, " isolator set", whose, " but not supported, skipping"));
    } else if (name == appc::kSysctlIsolator && !of_pod) {
      plan.warnings.push_back(StrCat("warning: ", name, " isolator set", whose, " but it is one for pods, skipping"));
    }
  }
}

// Tasks of the pod where nothing else bounds them. Who asks for more, or for no bound, gets that.
uint64_t TaskLimit(const appc::PodManifest& manifest, const std::vector<const appc::App*>& sections) {
  // A smaller number is for the control group, which does not count pid 1.
  std::optional<int64_t> pod = appc::PidsLimit(manifest.isolators);
  int64_t wanted = pod.value_or(0);
  if (pod && *pod == 0) return 0;
  for (const appc::App* section : sections) {
    std::optional<int64_t> limit = appc::PidsLimit(section->isolators);
    if (pod || !limit) continue;
    if (*limit == 0) return 0;
    wanted += *limit;
  }
  return static_cast<uint64_t>(std::max(wanted, appc::kDefaultPodTasks));
}

bool SelinuxIsOn() {
  struct statfs system;
  return ::statfs("/sys/fs/selinux", &system) == 0 && static_cast<uint32_t>(system.f_type) == SELINUX_MAGIC;
}

bool ApparmorIsOn() {
  auto enabled = ReadFile("/sys/module/apparmor/parameters/enabled", 16);
  return enabled && enabled->starts_with('Y');
}

}  // namespace

Status PlanLimits(AppPlan& app, const appc::Isolators& isolators) {
  app.oom_score_adj = appc::OomScoreAdj(isolators);
  app.limits = GroupLimits(isolators);
  for (const appc::Rlimit& limit : appc::Rlimits(isolators)) {
    AppRlimit& made = app.rlimits.emplace_back();
    made.resource = *appc::RlimitNumber(limit.name);
    app.rlimit_names.push_back(limit.name);
    made.value = {limit.soft.value_or(RLIM_INFINITY), limit.hard.value_or(RLIM_INFINITY)};
  }
  return {};
}

void PlanLabel(AppPlan& app, const appc::Isolators& own, const appc::Isolators& of_pod, const appc::Isolators& of_image,
               std::vector<std::string>* warnings) {
  auto skip = [&](const char* name, const char* why) {
    warnings->push_back(StrCat("warning: ", name, " isolator set for app ", Quote(app.name), " but ", why, ", skipping"));
  };
  // What an image asks for is no grant; a pod manifest that says something else is one.
  auto choose = [&](const char* name, auto read, bool on) -> std::optional<std::string> {
    std::optional<std::string> mine = read(own), pods = read(of_pod);
    if (!mine && !pods) return std::nullopt;
    if (!on) {
      skip(name, "support disabled in the kernel");
      return std::nullopt;
    }
    if (mine && mine == read(of_image)) {
      skip(name, "an image cannot choose its label");
      mine.reset();
    }
    return mine ? mine : pods;
  };
  if (auto context = choose(appc::kSelinuxIsolator, appc::SelinuxContext, SelinuxIsOn())) {
    app.label_file = kSelinuxLabelFile;
    app.label = *context;
  }
  if (auto profile = choose(appc::kApparmorIsolator, appc::ApparmorProfile, ApparmorIsOn())) {
    app.label_file = Exists(kApparmorLabelFile) ? kApparmorLabelFile : kSelinuxLabelFile;
    app.label = StrCat("exec ", *profile);
  }
}

bool NeedsDevicePolicy(const AppPlan& app, const RunOptions& options) {
  if (options.disable_paths) return false;
  // The default filter lets nobody mount. Under another one whoever may mount can show himself the host's
  // devices, and no mount flag of ours is in the way.
  bool default_filter = !app.seccomp.empty() && app.seccomp_own.empty();
  return (app.capabilities & kSysAdmin) != 0 && !default_filter;
}

Status PlanPodLimits(PodPlan& plan, const appc::PodManifest& manifest, const std::vector<const appc::App*>& sections) {
  plan.limits = GroupLimits(manifest.isolators);
  plan.sysctls = TRY(appc::Sysctls(manifest.isolators));
  for (const appc::Sysctl& sysctl : plan.sysctls) {
    if (sysctl.scope == appc::Sysctl::Scope::kIpc && !plan.private_ipc) {
      return Err(Code::kInvalid, appc::kSysctlIsolator, ": ", sysctl.name, " would be set for the host, whose IPC namespace the pod has");
    }
  }
  plan.task_limit = TaskLimit(manifest, sections);
  WarnOfUnknown(plan, manifest.isolators, " of the pod", true);
  for (size_t i = 0; i < sections.size(); ++i) {
    WarnOfUnknown(plan, sections[i]->isolators, StrCat(" of app ", Quote(plan.apps[i].name)), false);
  }
  return {};
}

void PlanDevices(PodPlan& plan, const RunOptions& options) {
  plan.confine_devices = std::any_of(plan.apps.begin(), plan.apps.end(),
                                     [&](const AppPlan& app) { return NeedsDevicePolicy(app, options); });
  if (!plan.confine_devices) return;
  for (const VolumePlan& volume : plan.volumes) {
    if (!volume.device) continue;
    plan.devices.push_back(
        {.block = volume.block, .major = major(volume.device_number), .minor = minor(volume.device_number)});
  }
}

cgroup::PodRequest GroupRequest(const PodPlan& plan) {
  cgroup::PodRequest request;
  request.uuid = plan.uuid;
  request.grows = plan.grows;
  request.limits = plan.limits;
  request.confine_devices = plan.confine_devices;
  request.devices = plan.devices;
  bool blocks = plan.limits.block_bandwidth || plan.limits.block_iops;
  for (const AppPlan& app : plan.apps) {
    request.apps.push_back({app.name, app.limits, app.devices});
    blocks = blocks || app.limits.block_bandwidth || app.limits.block_iops;
  }
  if (!blocks) return request;
  auto disks = ListDirAt(AT_FDCWD, "/sys/block");
  if (!disks) return request;
  for (const DirEntry& disk : *disks) {
    auto size = ReadFile(StrCat("/sys/block/", disk.name, "/size"), 64);
    auto number = ReadFile(StrCat("/sys/block/", disk.name, "/dev"), 64);
    // Slots of loop devices without a file have no size, and nobody reads from them.
    if (!size || !number || Trim(*size) == "0") continue;
    request.block_devices.emplace_back(Trim(*number));
  }
  return request;
}

}  // namespace rkt::native
