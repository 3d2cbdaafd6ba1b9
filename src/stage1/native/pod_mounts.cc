// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/pod_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "base/mount.h"
#include "base/user_namespace.h"
#include "pod/paths.h"

namespace rkt::native {

namespace {

// Whether a file system refused to be mapped, as such ones do that do not know how, or whose mount is mapped already.
bool IsNotMappable(const Error& error) {
  return error.err() == EINVAL || error.err() == EPERM || error.err() == ENOSYS;
}

// A mount below another one, which nobody but us has.
Status MapBelow(int mount, const std::string& path, int user_namespace) {
  Fd below = TRY(OpenInRoot(mount, path, O_PATH));
  return MapMount(below.get(), user_namespace, false);
}

Result<Fd> MakeDevMount(const RunOptions& options) {
  uint32_t owner = options.private_users->shift;
  Fd dev = TRY(NewMount("tmpfs",
                        Labelled({{"source", "tmpfs"},
                                  {"mode", "0755"},
                                  {"nr_inodes", kMostSharedFiles},
                                  {"uid", StrCat(owner)},
                                  {"gid", StrCat(owner)}},
                                 options),
                        MOUNT_ATTR_NOSUID));
  TRY(MakeDeviceNodes(dev.get(), options.tun_device, owner));
  return dev;
}

}  // namespace

MountParameters Labelled(MountParameters parameters, const RunOptions& options) {
  if (!options.selinux_mount_context.empty()) parameters.emplace_back("context", options.selinux_mount_context);
  return parameters;
}

Result<Fd> MapVolume(const VolumePlan& volume, int user_namespace, const IdRange& users) {
  // The path is the host's and the administrator's: links in it are followed.
  Fd source = TRY(Open(volume.source, O_PATH));
  Fd mount = TRY(CloneMount(source.get(), "", volume.recursive));
  Status mapped = MapMount(mount.get(), user_namespace, volume.recursive);
  if (mapped) return mount;
  if (!IsNotMappable(mapped.error())) return std::move(mapped).error();
  if (volume.empty) {
    // It is ours to give away; what was copied from the image is.
    if (!volume.image_path.empty()) return mount;
    if (::fchownat(AT_FDCWD, volume.source.c_str(), users.Outside(volume.uid), users.Outside(volume.gid), AT_SYMLINK_NOFOLLOW) != 0 ||
        ::fchmodat(AT_FDCWD, volume.source.c_str(), volume.mode, 0) != 0) {
      return SysErr("chown ", volume.source);
    }
    return mount;
  }
  // One of the mounts in it will not: each for itself, then.
  auto not_mapped = [](const std::string& path) {
    Notice("stage1", StrCat("warning: the ids of ", Quote(path), " cannot be mapped: its files belong to nobody in the pod"));
  };
  Status top = volume.recursive ? MapMount(mount.get(), user_namespace, false) : std::move(mapped);
  if (!top) {
    if (!IsNotMappable(top.error())) return std::move(top).error();
    not_mapped(volume.source);
  }
  if (!volume.recursive || !volume.directory) return mount;
  char* real = ::realpath(volume.source.c_str(), nullptr);
  size_t prefix = real != nullptr ? strlen(real) : volume.source.size();
  ::free(real);
  for (const std::string& path : TRY(MountsBelow(volume.source))) {
    Status below = MapBelow(mount.get(), path.substr(prefix), user_namespace);
    if (!below) not_mapped(path);
  }
  return mount;
}

Status MakeDeviceNodes(int dev, bool tun, uint32_t owner) {
  mode_t mask = ::umask(0);
  auto make = [&](const DeviceNode& node) -> Status {
    if (::mknodat(dev, node.name, S_IFCHR | 0666, ::makedev(node.major, node.minor)) != 0) {
      return SysErr("mknod /dev/", node.name);
    }
    if (owner != 0 && ::fchownat(dev, node.name, owner, owner, AT_SYMLINK_NOFOLLOW) != 0) {
      return SysErr("chown /dev/", node.name);
    }
    return {};
  };
  auto make_all = [&]() -> Status {
    for (const DeviceNode& node : kDeviceNodes) TRY(make(node));
    if (!tun) return {};
    TRY(MakeDirAt(dev, "net", 0755));
    if (owner != 0 && ::fchownat(dev, "net", owner, owner, AT_SYMLINK_NOFOLLOW) != 0) return SysErr("chown /dev/net");
    return make({"net/tun", 10, 200});
  };
  Status made = make_all();
  ::umask(mask);
  return made;
}

Result<Fd> OpenForPod(int directory, const IdRange& users) {
  Fd user_namespace = TRY(MakeUserNamespace(users));
  Fd mount = TRY(CloneMount(directory, "", false));
  Status mapped = MapMount(mount.get(), user_namespace.get(), false);
  if (!mapped) {
    if (!IsNotMappable(mapped.error())) return std::move(mapped).error();
    if (::fchown(directory, users.shift, static_cast<gid_t>(-1)) != 0) return SysErr("chown");
  }
  return OpenAt(mount.get(), ".", O_RDONLY | O_DIRECTORY);
}

Result<PodMounts> MakePodMounts(const PodPlan& plan, const RunOptions& options) {
  PodMounts mounts;
  Fd users;
  if (!plan.volumes.empty()) users = TRY(MakeUserNamespace(*options.private_users));
  for (const VolumePlan& volume : plan.volumes) {
    mounts.volumes.push_back(TRY_CTX(MapVolume(volume, users.get(), *options.private_users),
                                     "mounting the volume from ", Quote(volume.source)));
  }
  if (options.resolv_mode == "host") mounts.resolv_conf = TRY(CloneMount(AT_FDCWD, "/etc/resolv.conf", false));
  if (options.hosts_mode == "host") mounts.hosts = TRY(CloneMount(AT_FDCWD, "/etc/hosts", false));
  if (plan.host_network) mounts.sys = TRY(CloneMount(AT_FDCWD, "/sys", true));
  mounts.dev = TRY_CTX(MakeDevMount(options), "making /dev of the pod");
  // Stage0 has made it so that it belongs to the pod's users.
  mounts.root = TRY(CloneMount(AT_FDCWD, pod::kStage1Rootfs, true));
  return mounts;
}

void BindHostSys(PodPlan& plan) {
  for (AppPlan& app : plan.apps) {
    for (MountStep& step : app.mounts) {
      if (step.kind != MountStep::Kind::kFilesystem || std::string_view(step.source) != "sysfs") continue;
      step.kind = MountStep::Kind::kBind;
      step.source = "sys";
      step.recursive = true;
    }
  }
}

}  // namespace rkt::native
