// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/overlay.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <optional>
#include <set>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"

namespace rkt::stage0 {
namespace {

constexpr long kAufsMagic = 0x61756673;
constexpr long kZfsMagic = 0x2fc12fc1;

// All paths of a mount are relative to the pod's directory and made of names that hold neither ','
// nor ':', so that no path of the data directory has to be escaped in overlay's options.
constexpr char kCasFromPod[] = "../../../cas/";

struct OverlayPaths {
  std::string upper;
  std::string work;
};
OverlayPaths PathsOf(const std::string& tree, const std::string& app) {
  OverlayPaths paths{pod::OverlayUpper(tree), pod::OverlayWork(tree)};
  if (!app.empty()) {
    paths.upper += StrCat("/", app);
    paths.work += StrCat("/", app);
  }
  return paths;
}

Status MakeDir(int dir, const std::string& path, mode_t mode) {
  if (::mkdirat(dir, path.c_str(), mode) != 0 && errno != EEXIST) return SysErr("mkdir ", path);
  return {};
}

// A root of an app or of stage1 (upper directory or copy), with mode and owner of the tree's own.
Status MakeRoot(int dir, const store::Store& store, const std::string& tree,
                const std::string& path) {
  struct stat st;
  std::string root = store.TreeRootfsPath(tree);
  if (::stat(root.c_str(), &st) != 0) return SysErr("stat ", root);
  mode_t mode = st.st_mode & 07777;
  TRY(MakeDir(dir, path, mode));
  if ((st.st_uid != 0 || st.st_gid != 0) &&
      ::fchownat(dir, path.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("chown ", path);
  }
  if (::fchmodat(dir, path.c_str(), mode, 0) != 0) return SysErr("chmod ", path);
  return {};
}

// overlay/TREE, readable by the group that the data directory was given to: it reads exit statuses
// there.
Status MakeTreeDir(int pod, const std::string& tree, gid_t group) {
  std::string path = pod::OverlayTreeDir(tree);
  TRY(MakeDir(pod, path, 0750));
  if (group != 0 && ::fchownat(pod, path.c_str(), 0, group, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("chown ", path);
  }
  TRY(MakeDir(pod, pod::OverlayUpper(tree), 0755));
  return MakeDir(pod, pod::OverlayWork(tree), 0755);
}

Result<Fd> NewOverlay(const std::vector<std::string>& lowers, const OverlayPaths& paths, const std::string& label) {
  MountParameters parameters;
  // Several are added one by one (Linux 6.7), since an option given here takes 255 bytes.
  const char* option = lowers.size() == 1 ? "lowerdir" : "lowerdir+";
  for (const std::string& lower : lowers)
    parameters.emplace_back(option, StrCat(kCasFromPod, lower));
  parameters.emplace_back("upperdir", paths.upper);
  parameters.emplace_back("workdir", paths.work);
  if (!label.empty()) parameters.emplace_back("context", label);
  // In memory there is nothing to write.
  struct statfs fs;
  if (::statfs(".", &fs) == 0 && fs.f_type == TMPFS_MAGIC) return NewMount("overlay", parameters, 0);
  // Without it the unmounting at the pod's end writes the whole file system beneath to disk and
  // waits (Linux 5.10).
  parameters.emplace_back("volatile", "");
  auto mount = NewMount("overlay", parameters, 0);
  if (mount) return mount;
  parameters.pop_back();
  return NewMount("overlay", parameters, 0);
}

Status MountOverlay(const store::Store& store, const std::string& tree, const std::string& app,
                    const std::string& target, const std::string& label) {
  OverlayPaths paths = PathsOf(tree, app);
  std::vector<std::string> lowers = TRY(store.TreeLowers(tree));
  auto mount = NewOverlay(lowers, paths, label);
  if (mount) return AttachMountAt(mount->get(), AT_FDCWD, target);
  Status status = lowers.size() == 1
                      ? std::move(mount).error()
                      : MountOverlayInOneOption(lowers, paths.upper, paths.work, target, label);
  if (!status) return std::move(status).error().Wrap(StrCat("mounting the overlay on ", target));
  return {};
}

// The etc of an app that has no mtab, with the link to the mounts of whoever looks. Made in the
// upper directory by hand: through the mounted overlay it would be a copy of the directory first.
Status MakeMtab(int dir, const store::Store& store, const std::string& tree,
                const std::string& upper) {
  auto etc = TRY(store.FindInTree(tree, "etc"));
  if (!etc.exists || !S_ISDIR(etc.st.st_mode) || TRY(store.FindInTree(tree, "etc/mtab")).exists)
    return {};
  const struct stat& st = etc.st;
  std::string path = StrCat(upper, "/etc");
  TRY(MakeDir(dir, path, st.st_mode & 07777));
  if ((st.st_uid != 0 || st.st_gid != 0) &&
      ::fchownat(dir, path.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("chown ", path);
  }
  if (::fchmodat(dir, path.c_str(), st.st_mode & 07777, 0) != 0) return SysErr("chmod ", path);
  if (::symlinkat("../proc/self/mounts", dir, StrCat(path, "/mtab").c_str()) != 0 &&
      errno != EEXIST) {
    return SysErr("symlink ", path, "/mtab");
  }
  return {};
}

// Upper and work directory of an app.
Status MakeAppDirs(int dir, gid_t group, const store::Store& store, const Preparation::App& app) {
  TRY(MakeTreeDir(dir, app.tree_id, group));
  OverlayPaths paths = PathsOf(app.tree_id, app.name);
  TRY(MakeRoot(dir, store, app.tree_id, paths.upper));
  TRY(MakeDir(dir, paths.work, 0755));
  return MakeMtab(dir, store, app.tree_id, paths.upper);
}

// Whether directory entries tell their type, without which overlays do not work.
bool TellsTypes(const std::string& dir) {
  auto fd = Open(dir, O_RDONLY | O_DIRECTORY);
  if (!fd) return false;
  auto entries = ListDirFd(fd->get());
  if (!entries) return false;
  for (const DirEntry& entry : *entries) {
    if (entry.type == DT_UNKNOWN) return false;
  }
  return true;
}

}  // namespace

std::string OverlayObstacle(const std::string& data_dir) {
  // Where the module is not loaded yet, asking for the file system loads it.
  if (!Exists("/sys/module/overlay")) {
    Fd context(static_cast<int>(::syscall(SYS_fsopen, "overlay", 1 /* FSOPEN_CLOEXEC */)));
    if (!context) return "overlay is not supported by the kernel";
  }
  struct statfs fs;
  if (::statfs(data_dir.c_str(), &fs) != 0)
    return StrCat("statfs ", data_dir, ": ", ErrnoText(errno));
  if (fs.f_type == kAufsMagic) return "aufs does not work beneath overlay";
  if (fs.f_type == kZfsMagic) return "zfs does not work beneath overlay";
  if (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == TMPFS_MAGIC || fs.f_type == BTRFS_SUPER_MAGIC)
    return "";
  if (!TellsTypes(data_dir))
    return "the file system of the data directory does not tell the type of entries";
  return "";
}

Status MakeAppOverlayDirs(const pod::Pod& pod, const store::Store& store,
                          const Preparation::App& app) {
  struct stat st;
  if (::fstat(pod.fd(), &st) != 0) return SysErr("stat ", pod.path());
  TRY(MakeAppDirs(pod.fd(), st.st_gid, store, app));
  return WriteFileAt(pod.fd(), pod::AppTreeFile(app.name), app.tree_id, 0640);
}

Status MakeOverlayDirs(const pod::Pod& pod, const store::Store& store,
                       const std::string& stage1_tree, const std::vector<Preparation::App>& apps) {
  int dir = pod.fd();
  struct stat st;
  if (::fstat(dir, &st) != 0) return SysErr("stat ", pod.path());
  TRY(MakeDir(dir, pod::kOverlayDir, 0750));
  // A data directory with the set-group-ID bit hands it down; inside of pods it has no business.
  if ((st.st_mode & S_ISGID) && ::fchmodat(dir, pod::kOverlayDir, 0750, 0) != 0) {
    return SysErr("chmod ", pod::kOverlayDir);
  }
  TRY(MakeTreeDir(dir, stage1_tree, st.st_gid));
  OverlayPaths stage1 = PathsOf(stage1_tree, "");
  TRY(MakeRoot(dir, store, stage1_tree, stage1.upper));
  // What stage0 and stage1 write in stage1's root goes to directories of the upper layer, so that
  // the overlay has nothing to copy up.
  for (const char* path : {"etc", "opt", pod::kStage2Dir, "rkt", pod::kEnvDir, pod::kStatusDir}) {
    TRY(MakeDir(dir, StrCat(stage1.upper, "/", path), 0755));
  }
  for (const Preparation::App& app : apps) {
    TRY(MakeAppDirs(dir, st.st_gid, store, app));
    std::string stage2 = StrCat(stage1.upper, "/", pod::AppDir(app.name));
    TRY(MakeDir(dir, stage2, 0755));
    TRY(MakeDir(dir, StrCat(stage2, "/rootfs"), 0755));
    if (::linkat(dir, pod::AppImageManifest(app.name).c_str(), dir,
                 StrCat(stage2, "/manifest").c_str(), 0) != 0) {
      return SysErr("link ", stage2, "/manifest");
    }
    TRY(WriteFileAt(dir, pod::AppTreeFile(app.name), app.tree_id, 0640));
  }
  return WriteFileAt(dir, pod::kOverlayMarker, "", 0640);
}

Status CopyTrees(const pod::Pod& pod, const store::Store& store, const std::string& stage1_tree,
                 const std::vector<Preparation::App>& apps) {
  auto copy = [&](const std::string& tree, const std::string& path) -> Status {
    TRY(MakeRoot(pod.fd(), store, tree, path));
    return store.CopyTree(tree, StrCat(pod.path(), "/", path));
  };
  TRY_CTX(copy(stage1_tree, pod::kStage1Rootfs), "copying the stage1 image");
  for (const char* path : {"opt", pod::kStage2Dir, "rkt", pod::kEnvDir, pod::kStatusDir}) {
    TRY(MakeDir(pod.fd(), StrCat(pod::kStage1Rootfs, "/", path), 0755));
  }
  for (const Preparation::App& app : apps) {
    std::string stage2 = StrCat(pod::kStage1Rootfs, "/", pod::AppDir(app.name));
    TRY(MakeDir(pod.fd(), stage2, 0755));
    TRY_CTX(copy(app.tree_id, StrCat(stage2, "/rootfs")), "copying the image of app ", app.name);
    TRY(MakeMtab(pod.fd(), store, app.tree_id, StrCat(stage2, "/rootfs")));
    std::string manifest = TRY(pod.ReadFile(pod::AppImageManifest(app.name)));
    TRY(WriteFileAt(pod.fd(), StrCat(stage2, "/manifest"), manifest, 0640));
  }
  return {};
}

Status EnterPrivateMounts() {
  if (::unshare(CLONE_NEWNS) != 0) return SysErr("making a mount namespace");
  return SetPropagation("/", MS_SLAVE, /*recursive=*/true);
}

Status MountOverlayInOneOption(const std::vector<std::string>& lowers, const std::string& upper,
                               const std::string& work, const std::string& target,
                               const std::string& label) {
  std::vector<Fd> directories;
  std::string options = "lowerdir=";
  for (const std::string& lower : lowers) {
    directories.push_back(TRY(Open(StrCat(kCasFromPod, lower), O_PATH | O_DIRECTORY)));
    options +=
        StrCat(directories.size() == 1 ? "" : ":", "/proc/self/fd/", directories.back().get());
  }
  options += StrCat(",upperdir=", upper, ",workdir=", work);
  if (!label.empty()) options += StrCat(",context=\"", label, "\"");
  if (options.size() + sizeof ",volatile" > 4096) {
    return Err(Code::kUnsupported, "this kernel takes fewer layers than the ", lowers.size(),
               " of the image");
  }
  if (::mount("overlay", target.c_str(), "overlay", 0, StrCat(options, ",volatile").c_str()) == 0)
    return {};
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0)
    return SysErr("mount overlay");
  return {};
}

Status MountStage1Overlay(const store::Store& store, const std::string& stage1_tree, const std::string& label) {
  return MountOverlay(store, stage1_tree, "", pod::kStage1Rootfs, label);
}

Status MountStage1Directory(const std::string& stage1_tree, std::span<const char* const> directories,
                            const std::optional<PrivateUsers>& users) {
  Fd upper = TRY(Open(pod::OverlayUpper(stage1_tree), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  for (const char* path : directories) TRY(MakeDir(upper.get(), path, 0755));
  Fd mount = TRY(CloneMount(upper.get(), "", /*recursive=*/false));
  if (users) TRY(MapMount(mount.get(), users->user_namespace.get(), /*recursive=*/false));
  return AttachMountAt(mount.get(), AT_FDCWD, pod::kStage1Rootfs);
}

Result<FileOwner> MapLayers(const store::Store& store, const std::vector<std::string>& trees,
                            const PrivateUsers& users) {
  std::set<std::string> directories;
  for (const std::string& tree : trees) {
    directories.insert(pod::OverlayTreeDir(tree));
    for (const std::string& lower : TRY(store.TreeLowers(tree))) {
      directories.insert(StrCat(kCasFromPod, lower));
    }
  }
  for (const std::string& directory : directories) {
    TRY(MapDirectory(AT_FDCWD, directory, users.user_namespace.get()));
  }
  return FileOwner::Become(users.range.shift, users.range.shift);
}

Status MountAppOverlays(const store::Store& store, const std::vector<Preparation::App>& apps, const std::string& label) {
  for (const Preparation::App& app : apps) {
    TRY_CTX(
        MountAppOverlay(store, app, StrCat(pod::kStage1Rootfs, "/", pod::AppRootfs(app.name)), label),
        "app ", app.name);
  }
  return {};
}

Status MountAppOverlay(const store::Store& store, const Preparation::App& app,
                       const std::string& target, const std::string& label) {
  return MountOverlay(store, app.tree_id, app.name, target, label);
}

Status CopyAppTree(const pod::Pod& pod, const store::Store& store, const Preparation::App& app,
                   const std::string& path) {
  TRY(MakeRoot(pod.fd(), store, app.tree_id, path));
  TRY(store.CopyTree(app.tree_id, StrCat("/proc/self/fd/", pod.fd(), "/", path)));
  return MakeMtab(pod.fd(), store, app.tree_id, path);
}

Result<Fd> OpenAppOverlay(const store::Store& store, const pod::Pod& pod, const std::string& tree,
                           const std::string& app, bool writable) {
  if (::fchdir(pod.fd()) != 0) return SysErr("entering ", pod.path());
  OverlayPaths paths = PathsOf(tree, app);
  std::vector<std::string> lowers = TRY(store.TreeLowers(tree));
  // What is opened there by mistake must not do anything.
  constexpr unsigned kAttributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  if (writable) {
    // What says that the pod may have ended without having written everything, and keeps others away.
    TRY(RemoveTreeAt(pod.fd(), StrCat(paths.work, "/work/incompat/volatile")));
    MountParameters parameters;
    const char* option = lowers.size() == 1 ? "lowerdir" : "lowerdir+";
    for (const std::string& lower : lowers) parameters.emplace_back(option, StrCat(kCasFromPod, lower));
    parameters.emplace_back("upperdir", paths.upper);
    parameters.emplace_back("workdir", paths.work);
    return NewMount("overlay", parameters, kAttributes);
  }
  // Without an upper directory nothing is written, not even beside it.
  MountParameters parameters = {{"lowerdir+", paths.upper}};
  std::string list = paths.upper;
  for (const std::string& lower : lowers) {
    parameters.emplace_back("lowerdir+", StrCat(kCasFromPod, lower));
    list += StrCat(":", kCasFromPod, lower);
  }
  auto mount = NewMount("overlay", parameters, kAttributes);
  if (mount) return mount;
  // Kernels before 6.7 take them as one option only.
  auto listed = NewMount("overlay", {{"lowerdir", list}}, kAttributes);
  return listed ? std::move(listed) : std::move(mount);
}

void UnmountOverlays(const pod::Pod& pod) {
  (void)DetachMount(StrCat(pod.path(), "/", pod::kStage1Rootfs));
}

}  // namespace rkt::stage0
