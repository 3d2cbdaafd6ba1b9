// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/plan.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "pod/paths.h"
#include "stage1/common/capabilities.h"
#include "stage1/common/environment.h"
#include "stage1/common/program_lookup.h"
#include "stage1/common/seccomp.h"

namespace rkt::native {

namespace {

// "/a//b/./c/" as "/a/b/c". ".." is an error of the manifest: a target is named, not walked to.
Result<std::string> CleanTarget(std::string_view path) {
  std::string clean;
  for (const std::string& element : Split(path, '/')) {
    if (element.empty() || element == ".") continue;
    if (element == "..") return Err(Code::kInvalid, "mount path ", Quote(path), " contains \"..\"");
    clean += '/';
    clean += element;
  }
  if (clean.empty()) return Err(Code::kInvalid, "mount path ", Quote(path), " is the root directory");
  return clean;
}

Status PlanSeccomp(AppPlan& app, const appc::App& section, const RunOptions& options) {
  auto isolators = appc::GetSeccomp(section.isolators);
  if (isolators.size() > 1) return Err(Code::kInvalid, "more than one seccomp isolator");
  stage1::SeccompPolicy policy;
  policy.device_policy = !options.disable_paths;
  if (options.disable_seccomp) {
    policy.mode = stage1::SeccompPolicy::Mode::kOff;
  } else if (!isolators.empty()) {
    policy.mode = isolators[0].retain ? stage1::SeccompPolicy::Mode::kRetain
                                      : stage1::SeccompPolicy::Mode::kRemove;
    policy.set = isolators[0].set;
    policy.errno_name = isolators[0].errno_name;
  } else if (policy.device_policy) {
    app.seccomp = stage1::DefaultSeccompFilter();
    return {};
  }
  app.seccomp_own = TRY(stage1::CompileSeccomp(policy));
  app.seccomp = app.seccomp_own;
  return {};
}

Status PlanCapabilities(AppPlan& app, const appc::App& section, const RunOptions& options) {
  if (options.disable_capabilities) {
    app.capabilities = stage1::kAllCapabilities;
    return {};
  }
  appc::Capabilities isolators = appc::GetCapabilities(section.isolators);
  auto mask = stage1::CapabilityMask({isolators.retain, isolators.remove});
  if (!mask) return Error(Code::kUnsupported, mask.error().Text());
  app.capabilities = *mask;
  return {};
}

bool LooksLikeAName(const std::string& text) {
  return !text.empty() && text != "root" && text[0] != '/' && !ParseInt(text);
}

// Whether the image was converted from docker, where a group that is named like the user and does not exist means
// the user's id.
bool IsFromDocker(int pod_dir, const std::string& app) {
  auto text = ReadFileAt(pod_dir, pod::AppImageManifest(app));
  if (!text) return false;
  auto image = appc::ParseImageManifest(*text);
  return image && appc::FindAnnotation(image->annotations, "appc.io/docker/repository") != nullptr;
}

Status PlanPrograms(AppPlan& app, const appc::App& section, int pod_dir, int root) {
  if (section.exec.empty()) return Err(Code::kInvalid, "no program to execute: exec is empty");
  stage1::IdentityRequest request;
  request.user = section.user;
  request.group = section.group;
  request.supplementary_gids.assign(section.supplementary_gids.begin(), section.supplementary_gids.end());
  request.docker_gid_fallback = section.user == section.group && LooksLikeAName(section.group) &&
                                IsFromDocker(pod_dir, app.name);
  app.main.identity = TRY(stage1::ResolveIdentity(root, request));
  std::string path(stage1::EnvironmentValue(app.environment, "PATH"));
  auto plan_program = [&](ProgramPlan& program, const std::vector<std::string>& exec) -> Status {
    program.exec = exec;
    program.program = TRY(stage1::FindProgram(root, exec[0], app.working_directory, path));
    program.no_new_privileges =
        appc::NoNewPrivileges(section.isolators) ||
        stage1::SeccompNeedsNoNewPrivileges(!app.seccomp.empty(), program.identity.uid);
    return {};
  };
  TRY(plan_program(app.main, section.exec));
  for (const appc::EventHandler& handler : section.event_handlers) {
    if (handler.exec.empty()) return Err(Code::kInvalid, "event handler ", handler.name, ": exec is empty");
    ProgramPlan program;
    program.identity.groups = {0};
    TRY_CTX(plan_program(program, handler.exec), "event handler ", handler.name);
    (handler.name == "pre-start" ? app.pre_start : app.post_stop).push_back(std::move(program));
  }
  return {};
}

// The volumes of the pod in the order of their first use, each attached once.
class VolumeTable {
 public:
  explicit VolumeTable(PodPlan& plan) : plan_(plan) {}

  // The index in PodPlan::volumes.
  Result<size_t> Use(const appc::Volume& volume) {
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == volume.name) return i;
    }
    VolumePlan entry;
    entry.empty = volume.kind == appc::Volume::Kind::kEmpty;
    entry.mount_path = StrCat("rkt/volumes/", plan_.volumes.size());
    if (entry.empty) {
      entry.source = pod::SharedVolume(volume.name);
      entry.mode = volume.ModeBits();
      entry.uid = volume.uid.value_or(0);
      entry.gid = volume.gid.value_or(0);
    } else {
      entry.source = volume.source;
      entry.recursive = volume.recursive.value_or(true);
      struct stat st = TRY_CTX(StatAt(AT_FDCWD, volume.source, true), "volume ", Quote(volume.name));
      entry.directory = S_ISDIR(st.st_mode);
      entry.device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
    }
    plan_.volumes.push_back(std::move(entry));
    names_.push_back(volume.name);
    return plan_.volumes.size() - 1;
  }

 private:
  PodPlan& plan_;
  std::vector<std::string> names_;
};

struct UserMount {
  std::string target;
  size_t volume;
  bool read_only;
};

Result<std::vector<UserMount>> PlanUserMounts(PodPlan& plan, VolumeTable& volumes,
                                              const appc::PodManifest& manifest,
                                              const appc::RuntimeApp& runtime, const appc::App& section) {
  std::vector<UserMount> mounts;
  auto mounted = [&](const std::string& target) {
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const UserMount& mount) { return mount.target == target; });
  };
  auto mount_point_read_only = [&](const std::string& target) {
    for (const appc::MountPoint& point : section.mount_points) {
      auto clean = CleanTarget(point.path);
      if (clean && *clean == target) return point.read_only;
    }
    return false;
  };
  for (const appc::Mount& mount : runtime.mounts) {
    std::string target = TRY(CleanTarget(mount.path));
    if (mounted(target)) continue;
    const appc::Volume* volume = mount.app_volume ? &*mount.app_volume : manifest.FindVolume(mount.volume);
    if (volume == nullptr) {
      return Err(Code::kInvalid, "mount ", Quote(target), ": volume ", Quote(mount.volume), " not found");
    }
    size_t index = TRY(volumes.Use(*volume));
    mounts.push_back({target, index, volume->read_only.value_or(mount_point_read_only(target))});
  }
  for (const appc::MountPoint& point : section.mount_points) {
    std::string target = TRY_CTX(CleanTarget(point.path), "mount point ", Quote(point.name));
    if (mounted(target)) continue;
    appc::Volume implicit;
    const appc::Volume* volume = manifest.FindVolume(point.name);
    if (volume == nullptr) {
      implicit.name = StrCat(runtime.name, "-", point.name);
      implicit.kind = appc::Volume::Kind::kEmpty;
      volume = &implicit;
      plan.warnings.push_back(StrCat("warning: no volume specified for mount point ", Quote(point.name),
                                     ", implicitly creating an \"empty\" volume. This volume will be removed "
                                     "when the pod is garbage-collected."));
    }
    size_t index = TRY(volumes.Use(*volume));
    mounts.push_back({target, index, volume->read_only.value_or(point.read_only)});
  }
  // Outer targets first, so that a mount on /a does not hide the one on /a/b.
  std::stable_sort(mounts.begin(), mounts.end(), [](const UserMount& a, const UserMount& b) {
    return std::count(a.target.begin(), a.target.end(), '/') <
           std::count(b.target.begin(), b.target.end(), '/');
  });
  return mounts;
}

void AddUserMounts(AppPlan& app, const PodPlan& plan, const std::vector<UserMount>& mounts) {
  for (const UserMount& mount : mounts) {
    const VolumePlan& volume = plan.volumes[mount.volume];
    MountStep step = {};
    step.kind = MountStep::Kind::kVolume;
    step.source = volume.mount_path.c_str();
    app.strings.push_back(mount.target.substr(1));
    step.target = app.strings.back().c_str();
    step.directory = volume.directory;
    step.recursive = volume.recursive;
    step.attributes = (mount.read_only ? MOUNT_ATTR_RDONLY : 0) |
                      (volume.device || app.allow_devices ? 0 : MOUNT_ATTR_NODEV);
    app.mounts.push_back(step);
  }
}

Result<AppPlan> PlanApp(PodPlan& plan, VolumeTable& volumes, int pod_dir, const appc::PodManifest& manifest,
                        const appc::RuntimeApp& runtime, const RunOptions& options) {
  AppPlan app;
  app.name = runtime.name;
  app.rootfs = pod::AppRootfs(runtime.name);
  app.readonly_rootfs = runtime.read_only_root_fs;
  std::optional<appc::ImageManifest> image;
  const appc::App* section = runtime.app ? &*runtime.app : nullptr;
  if (section == nullptr) {
    std::string path = pod::AppImageManifest(runtime.name);
    std::string text = TRY(ReadFileAt(pod_dir, path));
    image = TRY_CTX(appc::ParseImageManifest(text), "image manifest ", path);
    if (!image->app) return Err(Code::kInvalid, "neither the pod nor the image has an app section");
    section = &*image->app;
  }
  TRY(PlanConfinement(app, *section, options));
  Fd root = TRY(OpenAt(pod_dir, StrCat(pod::kStage1Rootfs, "/", app.rootfs), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  TRY(PlanPrograms(app, *section, pod_dir, root.get()));
  auto mounts = TRY(PlanUserMounts(plan, volumes, manifest, runtime, *section));
  bool has_sys_mount = std::any_of(mounts.begin(), mounts.end(), [](const UserMount& mount) {
    return mount.target == "/sys" || mount.target.starts_with("/sys/");
  });
  bool fallback_hosts = options.hosts_mode == "default" && !ExistsAt(root.get(), "etc/hosts");
  AddSystemMounts(app, options, has_sys_mount, fallback_hosts);
  app.system_mount_count = app.mounts.size();
  AddUserMounts(app, plan, mounts);
  return app;
}

}  // namespace

Status PlanConfinement(AppPlan& app, const appc::App& section, const RunOptions& options) {
  app.working_directory = section.working_directory.empty() ? "/" : section.working_directory;
  app.allow_devices = options.disable_paths;
  stage1::EnvironmentRequest environment;
  environment.app_name = app.name;
  for (const appc::EnvironmentVariable& variable : section.environment) {
    environment.app.emplace_back(variable.name, variable.value);
  }
  app.environment = TRY(stage1::AppEnvironment(environment));
  TRY(PlanCapabilities(app, section, options));
  TRY(PlanSeccomp(app, section, options));
  app.oom_score_adj = appc::OomScoreAdj(section.isolators);
  auto limit = [](const std::optional<int64_t>& value) {
    return value ? std::optional<uint64_t>(static_cast<uint64_t>(*value)) : std::nullopt;
  };
  app.limits.memory_bytes = limit(appc::MemoryLimit(section.isolators));
  app.limits.cpu_milli = limit(appc::CpuLimitMillis(section.isolators));
  app.limits.cpu_shares = limit(appc::CpuShares(section.isolators));
  return {};
}

Result<PodPlan> MakePodPlan(int pod_dir, const appc::PodManifest& manifest, const RunOptions& options) {
  PodPlan plan;
  plan.uuid = options.uuid;
  plan.hostname = options.hostname.empty() ? StrCat("rkt-", options.uuid) : options.hostname;
  plan.private_ipc = options.PrivateIpc();
  plan.interactive = options.interactive;
  if (manifest.apps.empty()) return Err(Code::kInvalid, "pod must contain at least one application");
  if (plan.interactive && manifest.apps.size() > 1) {
    return Err(Code::kInvalid, "interactive option only supports pods with one app");
  }
  VolumeTable volumes(plan);
  plan.apps.reserve(manifest.apps.size());
  for (const appc::RuntimeApp& runtime : manifest.apps) {
    plan.apps.push_back(
        TRY_CTX(PlanApp(plan, volumes, pod_dir, manifest, runtime, options), "app ", Quote(runtime.name)));
  }
  return plan;
}

AppChildPlan MakeChildPlan(const AppPlan& app, const ProgramPlan& program, ChildStorage& storage) {
  auto pointers = [](const std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (const std::string& s : strings) list.push_back(const_cast<char*>(s.c_str()));
    list.push_back(nullptr);
    return list;
  };
  storage.argv = pointers(program.exec);
  storage.envp = pointers(app.environment);
  AppChildPlan child;
  child.rootfs = app.rootfs.c_str();
  child.mounts = app.mounts.data();
  child.mount_count = app.mounts.size();
  child.readonly_rootfs = app.readonly_rootfs;
  child.allow_devices = app.allow_devices;
  child.set_oom_score = app.oom_score_adj.has_value();
  child.oom_score_adj = app.oom_score_adj.value_or(0);
  child.working_directory = app.working_directory.c_str();
  child.capabilities = app.capabilities;
  child.uid = program.identity.uid;
  child.gid = program.identity.gid;
  child.groups = program.identity.groups.data();
  child.group_count = program.identity.groups.size();
  child.no_new_privileges = program.no_new_privileges;
  child.seccomp = app.seccomp.data();
  child.seccomp_count = app.seccomp.size();
  child.program = program.program.c_str();
  child.argv = storage.argv.data();
  child.envp = storage.envp.data();
  return child;
}

}  // namespace rkt::native
