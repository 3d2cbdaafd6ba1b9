// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/pod_init.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage1/common/name_files.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

Status BringLoopbackUp() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return SysErr("socket");
  struct ifreq request = {};
  memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return SysErr("bringing the loopback interface up");
  return {};
}

Status SetNames(const PodPlan& plan) {
  if (::sethostname(plan.hostname.data(), plan.hostname.size()) != 0) {
    return SysErr("setting the hostname to ", Quote(plan.hostname));
  }
  // What the caller's namespace and session have beside the name; kernels without keys have none to leave.
  (void)!::setdomainname("(none)", 6);
  (void)::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  if (!plan.host_network) TRY(BringLoopbackUp());
  return {};
}

// S1, as a mount point: stage0 has mounted an overlay there, or it is a directory with a copy.
Result<Fd> OpenStage1Root() {
  Fd root = TRY(Open(pod::kStage1Rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (TRY(IsMountRoot(root.get()))) return root;
  Fd mount = TRY(CloneMount(root.get(), "", true));
  TRY(AttachMount(mount.get(), root.get()));
  return mount;
}

Status AttachFile(int root, int mount, const char* target) {
  Fd file = TRY(OpenAt(root, target, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
  return AttachMountAt(mount, root, target);
}

// A file of the host shown, read-only, in the pod's root.
Status AttachHostFile(int root, const char* source, const char* target) {
  Fd host = TRY(Open(source, O_PATH));
  Fd mount = TRY(CloneMount(host.get(), "", false));
  return AttachFile(root, mount.get(), target);
}

// Whether an app's /dev has nodes bound from the pod's.
bool BindsDevices(const PodPlan& plan) {
  return std::any_of(plan.apps.begin(), plan.apps.end(), [](const AppPlan& app) {
    return std::any_of(app.mounts.begin(), app.mounts.end(), [](const MountStep& step) {
      return step.kind == MountStep::Kind::kDev && (step.attributes & MOUNT_ATTR_NODEV) != 0;
    });
  });
}

// What the pod's /dev has beside device nodes.
Status FillDev(int root, int dev, const PodPlan& plan, const RunOptions& options) {
  ::umask(0);
  if (::mknodat(dev, "hidden-file", S_IFREG, 0) != 0) return SysErr("creating /dev/hidden-file");
  TRY(MakeDirAt(dev, "hidden-directory", 0));
  TRY(MakeDirAt(dev, "pts", 0755));
  TRY(MakeDirAt(dev, "shm", 01777));
  ::umask(022);
  TRY(WriteFileAt(dev, "hostname", StrCat(plan.hostname, "\n"), 0644));
  if (options.hosts_mode == "default") {
    TRY(WriteFileAt(dev, "hosts", stage1::FallbackHostsText(plan.hostname), 0644));
  }
  TRY(AttachMountAt(dev, root, "dev"));
  Fd pts = TRY(NewMount("devpts",
                        Labelled({{"source", "devpts"}, {"newinstance", ""}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}},
                                 options),
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  return AttachMountAt(pts.get(), root, "dev/pts");
}

// The pod's own /dev, one tmpfs for all that the pod needs in memory: the apps' /dev directories and their shared
// memory, what hides paths from them, small files that they get to see elsewhere (a tmpfs takes them faster than the
// overlay of the pod's root), and beside it the pod's terminals.
Status MakeDev(int root, const PodPlan& plan, const RunOptions& options) {
  // Apps can fill it (/dev/shm); each file in it takes the kernel's memory, empty or not.
  Fd dev = TRY(NewMount("tmpfs",
                        Labelled({{"source", "tmpfs"}, {"mode", "0755"}, {"nr_inodes", kMostSharedFiles}}, options),
                        MOUNT_ATTR_NOSUID));
  if (plan.grows || BindsDevices(plan)) TRY(MakeDeviceNodes(dev.get(), options.tun_device, 0));
  return FillDev(root, dev.get(), plan, options);
}

}  // namespace

Status BuildPodRoot(const PodPlan& plan, const RunOptions& options) {
  TRY(SetNames(plan));
  // What is mounted from here on stays here.
  if (!plan.shares_mount_namespace) TRY(SetPropagation("/", MS_SLAVE, true));
  Fd root = TRY(OpenStage1Root());
  for (const VolumePlan& volume : plan.volumes) {
    auto mount = CloneVolume(volume);
    Status attached = mount ? AttachVolume(root.get(), volume, mount->get()) : std::move(mount).error();
    TRY_CTX(std::move(attached), "mounting the volume from ", Quote(volume.source));
  }
  if (options.resolv_mode == "host") {
    TRY(AttachHostFile(root.get(), "/etc/resolv.conf", pod::kResolvConf));
  }
  if (options.hosts_mode == "host") TRY(AttachHostFile(root.get(), "/etc/hosts", pod::kHosts));
  TRY_CTX(MakeDev(root.get(), plan, options), "making /dev of the pod");
  if (::fchdir(root.get()) != 0) return SysErr("entering the pod's root");
  return {};
}

Status BuildMappedPodRoot(const PodPlan& plan, const RunOptions& options, const PodMounts& mounts) {
  TRY(SetNames(plan));
  // A namespace of other users has got its mounts as slaves. POD cannot be walked through any more, but is still the
  // working directory: a place like any other.
  TRY(AttachMount(mounts.root.get(), AT_FDCWD));
  int root = mounts.root.get();
  if (::fchdir(root) != 0) return SysErr("entering the pod's root");
  for (size_t i = 0; i < plan.volumes.size(); ++i) {
    TRY(AttachVolume(root, plan.volumes[i], mounts.volumes[i].get()));
  }
  if (mounts.resolv_conf) TRY(AttachFile(root, mounts.resolv_conf.get(), pod::kResolvConf));
  if (mounts.hosts) TRY(AttachFile(root, mounts.hosts.get(), pod::kHosts));
  TRY_CTX(FillDev(root, mounts.dev.get(), plan, options), "making /dev of the pod");
  // Further ones can be mounted only as long as there is one that shows all.
  Fd proc = TRY(NewMount("proc", {{"source", "proc"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  TRY(MakeDirAt(root, "proc", 0755));
  TRY(AttachMountAt(proc.get(), root, "proc"));
  TRY(MakeDirAt(root, "sys", 0755));
  if (mounts.sys) return AttachMountAt(mounts.sys.get(), root, "sys");
  Fd sys = TRY(NewMount("sysfs", {{"source", "sysfs"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  return AttachMountAt(sys.get(), root, "sys");
}

Status BecomePodRoot(int word) {
  char byte;
  ssize_t n;
  do {
    n = ::read(word, &byte, 1);
  } while (n < 0 && errno == EINTR);
  if (n != 1) ::_exit(254);
  gid_t none = 0;
  if (::syscall(SYS_setgroups, 0, &none) != 0 || ::syscall(SYS_setresgid, 0, 0, 0) != 0 ||
      ::syscall(SYS_setresuid, 0, 0, 0) != 0) {
    return SysErr("becoming root of the pod's user namespace");
  }
  return {};
}

Status LeaveHost() {
  if (::syscall(SYS_pivot_root, ".", ".") != 0 || ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    return SysErr("leaving the host's file systems");
  }
  return {};
}

}  // namespace rkt::native
