// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/fly/mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <set>

#include "base/file.h"
#include "base/mount.h"

namespace rkt::fly {
namespace {

struct Wanted {
  const appc::Volume* volume;
  std::string path;
  bool read_only;
};

// "/a//b/" as "/a/b".
std::string Clean(const std::string& path) {
  std::string clean;
  for (const std::string& piece : Split(path, '/')) {
    if (!piece.empty() && piece != ".") clean += StrCat("/", piece);
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace

Result<std::vector<MountStep>> PlanMounts(const appc::PodManifest& pod, const appc::RuntimeApp& app,
                                          const appc::App& section) {
  std::vector<Wanted> wanted;
  std::set<std::string> paths;
  auto read_only_point = [&](const std::string& path) {
    for (const appc::MountPoint& point : section.mount_points) {
      if (Clean(point.path) == path) return point.read_only;
    }
    return false;
  };
  for (const appc::Mount& mount : app.mounts) {
    const appc::Volume* volume =
        mount.app_volume ? &*mount.app_volume : pod.FindVolume(mount.volume);
    if (!volume)
      return Err(Code::kInvalid, "mount ", Quote(mount.path),
                 " names no volume: ", Quote(mount.volume));
    std::string path = Clean(mount.path);
    if (!paths.insert(path).second) continue;  // the first of a path wins
    wanted.push_back({volume, path, volume->read_only.value_or(read_only_point(path))});
  }
  for (const appc::MountPoint& point : section.mount_points) {
    std::string path = Clean(point.path);
    if (!paths.insert(path).second) continue;
    const appc::Volume* volume = pod.FindVolume(point.name);
    if (!volume) {
      return Err(Code::kInvalid, "no volume for mount point ", Quote(point.name), " (", point.path,
                 "): fly makes none");
    }
    wanted.push_back({volume, path, volume->read_only.value_or(point.read_only)});
  }

  std::vector<MountStep> steps;
  for (const char* path : {"/dev", "/proc", "/sys"}) {
    steps.push_back({MountStep::Kind::kBind, path, path, /*recursive=*/true, false});
  }
  steps.push_back({MountStep::Kind::kTmpfs, "tmpfs", "/tmp", false, false});
  std::set<std::string> volumes;
  for (const Wanted& mount : wanted) {
    const appc::Volume& volume = *mount.volume;
    if (volume.kind != appc::Volume::Kind::kHost) {
      return Err(Code::kUnsupported, "volume ", Quote(volume.name), ": fly has no empty volumes");
    }
    if (!volumes.insert(volume.name).second) {
      return Err(Code::kInvalid, "duplicate mount given: ", Quote(volume.name));
    }
    steps.push_back({MountStep::Kind::kBind, volume.source, mount.path,
                     volume.recursive.value_or(false), mount.read_only});
  }
  return steps;
}

Result<Fd> OpenTarget(int root, const std::string& path, bool directory) {
  auto target = OpenInRoot(root, path, O_PATH | (directory ? O_DIRECTORY : 0));
  if (target || target.error().err() != ENOENT) return target;
  // Each step is resolved in the root anew, so links in the way cannot lead out of it.
  std::string parent = "/";
  std::vector<std::string> pieces = Split(path, '/');
  std::erase(pieces, "");
  for (size_t i = 0; i < pieces.size(); ++i) {
    Fd above = TRY(OpenInRoot(root, parent, O_PATH | O_DIRECTORY));
    bool last = i + 1 == pieces.size();
    if (last && !directory) {
      auto made = OpenAt(above.get(), pieces[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
      if (!made && made.error().err() != EEXIST) return std::move(made).error();
    } else {
      TRY(MakeDirAt(above.get(), pieces[i], 0755));
    }
    parent += StrCat(parent == "/" ? "" : "/", pieces[i]);
  }
  return OpenInRoot(root, path, O_PATH | (directory ? O_DIRECTORY : 0));
}

Status MakeMounts(int root, const std::vector<MountStep>& steps) {
  for (const MountStep& step : steps) {
    auto make = [&]() -> Status {
      Fd mount;
      bool directory = true;
      if (step.kind == MountStep::Kind::kTmpfs) {
        mount = TRY(NewMount("tmpfs", {{"mode", "1777"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
      } else {
        mount = TRY(CloneMount(AT_FDCWD, step.source, step.recursive));
        struct stat st;
        if (::fstat(mount.get(), &st) != 0) return SysErr("stat ", step.source);
        directory = S_ISDIR(st.st_mode);
        if (step.read_only) {
          TRY(SetMountAttributes(mount.get(), "", MOUNT_ATTR_RDONLY, 0, step.recursive));
        }
      }
      Fd target = TRY(OpenTarget(root, step.target, directory));
      return AttachMount(mount.get(), target.get());
    };
    TRY_CTX(make(), "mounting ", step.source, " on ", step.target);
  }
  return {};
}

}  // namespace rkt::fly
