// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/volume_plan.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/copy_tree.h"
#include "base/file.h"
#include "base/mount.h"
#include "base/strings.h"
#include "base/user_namespace.h"
#include "pod/paths.h"

namespace rkt::native {

namespace {

// "/a//b/./c/" as "/a/b/c", "/a/../b" as "/b": two spellings of a path are one place.
Result<std::string> CleanTarget(std::string_view path) {
  std::vector<std::string> kept;
  for (const std::string& element : Split(path, '/')) {
    if (element.empty() || element == ".") continue;
    if (element != "..") {
      kept.push_back(element);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  if (kept.empty()) return Err(Code::kInvalid, "mount path ", Quote(path), " is the root directory");
  return StrCat("/", Join(kept, "/"));
}

// What the app may do with a device that is a volume of its own.
cgroup::DeviceRule RuleFor(const VolumePlan& volume, bool read_only) {
  cgroup::DeviceRule rule;
  rule.block = volume.block;
  rule.major = static_cast<int64_t>(major(volume.device_number));
  rule.minor = static_cast<int64_t>(minor(volume.device_number));
  rule.write = !read_only;
  return rule;
}

// The content of the image's directory, in the place of an empty one's.
Status CopyUp(int pod_dir, const VolumePlan& volume, int to) {
  Fd root = TRY(OpenAt(pod_dir, StrCat(pod::kStage1Rootfs, "/", volume.image_root), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  auto from = OpenInRoot(root.get(), volume.image_path, O_RDONLY | O_DIRECTORY);
  if (!from) return from.error().code() == Code::kNotFound ? Status() : std::move(from).error();
  return CopyDirectory(from->get(), to);
}

// The same for a pod with users of its own: the image shows them as owners, and on disk are the ids that they have inside.
Status CopyUpMapped(int pod_dir, const VolumePlan& volume, const IdRange& users, Fd to) {
  Fd user_namespace = TRY(MakeUserNamespace(users));
  Fd mount = TRY(CloneMount(to.get(), "", false));
  // Where that cannot be mapped, the ids of the host are those on disk.
  if (MapMount(mount.get(), user_namespace.get(), false)) to = TRY(OpenAt(mount.get(), ".", O_RDONLY | O_DIRECTORY));
  FileOwner owner = TRY(FileOwner::Become(users.shift, users.shift));
  return CopyUp(pod_dir, volume, to.get());
}

// What is left of a path behind a mount's target: empty where it is the target itself, nothing where it is not below.
std::optional<std::string_view> Below(std::string_view path, std::string_view target) {
  if (!path.starts_with(target)) return std::nullopt;
  path.remove_prefix(target.size());
  return path.empty() || path[0] == '/' ? std::optional(path) : std::nullopt;
}

Result<Fd> OpenInVolume(const std::string& source, std::string_view rest, int flags) {
  Fd volume = TRY(Open(source, O_PATH));
  // A volume that is a file is opened again by its path, which is the host's.
  if (rest.empty()) return Open(source, flags);
  return OpenInRoot(volume.get(), std::string(rest), flags);
}

}  // namespace

stage1::OpenFile PlannedFiles(int root, const PodPlan& plan, const std::vector<UserMount>& mounts) {
  return [=, &plan, &mounts](const std::string& path, int flags) -> Result<Fd> {
    // Outer mounts come first: the last one that has the path is the one to be seen.
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
      auto rest = Below(path, mount->target);
      if (!rest) continue;
      const VolumePlan& volume = plan.volumes[mount->volume];
      if (!volume.empty) return OpenInVolume(volume.source, *rest, flags);
      if (!volume.image_path.empty()) break;  // begins with what the image has there
      return Err(Code::kNotFound, path, " is in an empty volume");
    }
    return OpenInRoot(root, path, flags);
  };
}

stage1::OpenFile MountedFiles(int root, const AppPlan& app) {
  return [=, &app](const std::string& path, int flags) -> Result<Fd> {
    for (auto step = app.mounts.rbegin(); step != app.mounts.rend(); ++step) {
      if (step->kind != MountStep::Kind::kVolume) continue;
      if (auto rest = Below(path, StrCat("/", step->target))) return OpenInVolume(step->source, *rest, flags);
    }
    return OpenInRoot(root, path, flags);
  };
}

Result<size_t> VolumeTable::Use(const appc::Volume& volume) {
  for (size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i] == volume) return i;
    if (seen_[i].name == volume.name && seen_[i].kind == volume.kind && volume.kind == appc::Volume::Kind::kEmpty &&
        std::tuple(seen_[i].ModeBits(), seen_[i].uid, seen_[i].gid) != std::tuple(volume.ModeBits(), volume.uid, volume.gid)) {
      return Err(Code::kInvalid, "volume ", Quote(volume.name), ": two empty volumes of this name differ in mode, uid or gid");
    }
  }
  VolumePlan entry;
  entry.empty = volume.kind == appc::Volume::Kind::kEmpty;
  entry.mount_path = StrCat(directory_, "/", plan_.volumes.size());
  if (entry.empty) {
    entry.source = pod::SharedVolume(volume.name);
    entry.mode = volume.ModeBits();
    entry.uid = volume.uid.value_or(0);
    entry.gid = volume.gid.value_or(0);
  } else {
    entry.source = volume.source;
    entry.recursive = volume.recursive.value_or(true);
    struct stat st;
    if (::stat(mounted_ ? entry.mount_path.c_str() : entry.source.c_str(), &st) != 0) {
      return SysErr("volume ", Quote(volume.name), ": source ", volume.source);
    }
    entry.directory = S_ISDIR(st.st_mode);
    entry.block = S_ISBLK(st.st_mode);
    entry.device = S_ISCHR(st.st_mode) || entry.block;
    entry.device_number = st.st_rdev;
  }
  // From there it is looked into.
  if (mounted_) entry.source = entry.mount_path;
  plan_.volumes.push_back(std::move(entry));
  seen_.push_back(volume);
  return plan_.volumes.size() - 1;
}

Result<std::vector<UserMount>> PlanUserMounts(PodPlan& plan, VolumeTable& volumes, const appc::PodManifest& manifest,
                                              const appc::RuntimeApp& runtime, const appc::App& section,
                                              const std::function<bool()>& from_docker) {
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
    if (const appc::Volume* volume = manifest.FindVolume(point.name)) {
      size_t index = TRY(volumes.Use(*volume));
      mounts.push_back({target, index, volume->read_only.value_or(point.read_only)});
      continue;
    }
    appc::Volume implicit;
    implicit.name = StrCat(runtime.name, "-", point.name);
    implicit.kind = appc::Volume::Kind::kEmpty;
    plan.warnings.push_back(StrCat("warning: no volume specified for mount point ", Quote(point.name),
                                   ", implicitly creating an \"empty\" volume. This volume will be removed "
                                   "when the pod is garbage-collected."));
    size_t index = TRY(volumes.Use(implicit));
    if (from_docker()) {
      plan.volumes[index].image_root = pod::AppRootfs(runtime.name);
      plan.volumes[index].image_path = target;
    }
    mounts.push_back({target, index, point.read_only});
  }
  // Outer targets first, so that a mount on /a does not hide the one on /a/b.
  std::stable_sort(mounts.begin(), mounts.end(), [](const UserMount& a, const UserMount& b) {
    return std::count(a.target.begin(), a.target.end(), '/') <
           std::count(b.target.begin(), b.target.end(), '/');
  });
  return mounts;
}

void AddUserMounts(AppPlan& app, const PodPlan& plan, const std::vector<UserMount>& mounts) {
  bool limited = false;
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
    if (volume.device) {
      limited = limited || mount.read_only;
      app.devices.push_back(RuleFor(volume, mount.read_only));
    }
  }
  // A mount that is read-only does not keep anybody from writing to a device: for that it takes a control group.
  if (!limited || app.allow_devices) app.devices.clear();
}

Result<Fd> CloneVolume(const VolumePlan& volume) {
  // The path is the host's and the administrator's: links in it are followed.
  Fd source = TRY(Open(volume.source, O_PATH));
  return CloneMount(source.get(), "", volume.recursive);
}

Status AttachVolume(int root, const VolumePlan& volume, int mount) {
  if (volume.directory) {
    TRY(MakeDirAt(root, volume.mount_path, 0755));
  } else {
    Fd file = TRY(OpenAt(root, volume.mount_path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  }
  return AttachMountAt(mount, root, volume.mount_path);
}

namespace {

// What is made in the directory gets its label. File systems without labels have none to give.
Status LabelDirectory(int directory, const std::string& label) {
  if (label.empty()) return {};
  if (::fsetxattr(directory, "security.selinux", label.c_str(), label.size() + 1, 0) == 0) return {};
  return errno == ENOTSUP ? Status() : SysErr("label of SELinux");
}

}  // namespace

Status MakeEmptyVolumes(int pod_dir, const PodPlan& plan) {
  for (const VolumePlan& volume : plan.volumes) {
    if (!volume.empty) continue;
    TRY(MakeDirAt(pod_dir, pod::kSharedVolumesDir, 0750));
    TRY(MakeDirAt(pod_dir, volume.source, 0700));
    Fd dir = TRY(OpenAt(pod_dir, volume.source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (::fchown(dir.get(), volume.uid, volume.gid) != 0 || ::fchmod(dir.get(), volume.mode) != 0) {
      return SysErr("volume ", volume.source);
    }
    TRY_CTX(LabelDirectory(dir.get(), plan.file_label), "volume ", volume.source);
    if (!volume.image_path.empty()) {
      TRY_CTX(plan.private_users ? CopyUpMapped(pod_dir, volume, *plan.private_users, std::move(dir))
                                 : CopyUp(pod_dir, volume, dir.get()), "filling the volume for ", volume.image_path, " from the image");
    }
  }
  return {};
}

}  // namespace rkt::native
