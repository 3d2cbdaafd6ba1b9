// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/app_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <initializer_list>

#include "base/cgroup/groups_child.h"
#include "stage1/common/capabilities_child.h"
#include "stage1/common/identity_child.h"
#include "stage1/common/seccomp_child.h"
#include "stage1/native/clone_child.h"

namespace rkt::native {

namespace {

[[noreturn]] void Fail(AppFailure* failure, AppStep step, int err, int index = -1) {
  *failure = {step, err, index};
  ::_exit(203);
}

int OpenBeneath(int root, const char* path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  long fd;
  do {
    fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return static_cast<int>(fd);
}

// System targets are never reached through symlinks of the image.
constexpr uint64_t kStrict = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
// Targets of volumes are resolved as the app would, inside its root.
constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

// The directory that holds `path`, and its last element. Returns -1 with errno.
int OpenParent(int root, const char* path, uint64_t resolve, const char** name) {
  char parent[PATH_MAX];
  const char* slash = strrchr(path, '/');
  if (slash == nullptr || slash == path) {
    *name = slash == nullptr ? path : path + 1;
    return OpenBeneath(root, ".", O_PATH | O_DIRECTORY, resolve);
  }
  auto length = static_cast<size_t>(slash - path);
  if (length >= sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(parent, path, length);
  parent[length] = '\0';
  *name = slash + 1;
  return OpenBeneath(root, parent, O_PATH | O_DIRECTORY, resolve);
}

// Makes what is missing on the way to a volume's target: directories 0755, and at the end a directory or an empty
// file. 0 when all is there. 1 where a link leads to what is not there: `onward`, of PATH_MAX bytes, is then the path
// with the link's content in its place. -1 with errno.
int MakeMissing(int root, const char* path, bool directory, char* onward) {
  char prefix[PATH_MAX];
  size_t length = strlen(path);
  for (size_t end = 1; end <= length; ++end) {
    if (end != length && path[end] != '/') continue;
    if (path[end - 1] == '/') continue;
    memcpy(prefix, path, end);
    prefix[end] = '\0';
    int fd = OpenBeneath(root, prefix, O_PATH, kInside);
    if (fd >= 0) {
      ::close(fd);
      continue;
    }
    if (errno != ENOENT) return -1;
    const char* name;
    int parent = OpenParent(root, prefix, kInside, &name);
    if (parent < 0) return -1;
    bool file = end == length && !directory;
    int rc = file ? ::mknodat(parent, name, S_IFREG | 0644, 0) : ::mkdirat(parent, name, 0755);
    int err = errno;
    if (rc != 0 && err == EEXIST) {
      // A link of the image to something that is missing. Resolved as the app would, inside its root.
      char link[PATH_MAX];
      ssize_t size = ::readlinkat(parent, name, link, sizeof link);
      err = size < 0 ? EEXIST : ENAMETOOLONG;
      size_t kept = size > 0 && link[0] != '/' ? static_cast<size_t>(name - prefix) : 0;
      auto link_size = static_cast<size_t>(size > 0 ? size : 0);
      if (size > 0 && kept + link_size + (length - end) + 1 <= PATH_MAX) {
        memcpy(onward, prefix, kept);
        memcpy(onward + kept, link, link_size);
        memcpy(onward + kept + link_size, path + end, length - end + 1);
        ::close(parent);
        return 1;
      }
    }
    ::close(parent);
    errno = err;
    if (rc != 0) return -1;
  }
  return 0;
}

// The target of a volume, made where it is missing.
int MakeTarget(int root, const char* path, bool directory) {
  constexpr int kMaxLinks = 40;  // as many as the kernel follows
  char current[PATH_MAX], onward[PATH_MAX];
  if (strlen(path) >= sizeof current) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(current, path);
  for (int links = 0; links <= kMaxLinks; ++links) {
    int rc = MakeMissing(root, current, directory, onward);
    if (rc < 0) return -1;
    if (rc == 0) return OpenBeneath(root, current, O_PATH, kInside);
    strcpy(current, onward);
  }
  errno = ELOOP;
  return -1;
}

int SetAttributes(int mount, uint64_t attributes, bool recursive) {
  if (attributes == 0) return 0;
  struct mount_attr attr = {};
  attr.attr_set = attributes;
  return ::mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr);
}

int SetPropagation(int mount, uint64_t propagation) {
  struct mount_attr attr = {};
  attr.propagation = propagation;
  return ::mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr);
}

// `rc`, with its errno, when the descriptor is closed.
int CloseAnd(int fd, int rc) {
  int err = errno;
  ::close(fd);
  errno = err;
  return rc;
}

int MoveTo(int mount, int root, const char* target) {
  return CloseAnd(mount, ::move_mount(mount, "", root, target, MOVE_MOUNT_F_EMPTY_PATH));
}

int Attach(int mount, int target) {
  return ::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int NewFilesystem(const MountStep& step) {
  int context = ::fsopen(step.source, FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  for (const char* const* option = step.options; option != nullptr && *option != nullptr; option += 2) {
    if (::fsconfig(context, option[1] == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, option[0],
                   option[1], 0) != 0) {
      return -1;
    }
  }
  if (::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return -1;
  int mount = ::fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(step.attributes));
  ::close(context);
  return mount;
}

// Fills a new directory with what belongs into /dev. 0, or -1 with errno.
int FillDev(int dev, const MountStep& step, bool bind) {
  constexpr const char* kLinks[][2] = {{"pts/ptmx", "ptmx"},
                                       {"/proc/self/fd", "fd"},
                                       {"/proc/self/fd/0", "stdin"},
                                       {"/proc/self/fd/1", "stdout"},
                                       {"/proc/self/fd/2", "stderr"}};
  for (const DeviceNode& node : kDeviceNodes) {
    mode_t type = bind ? S_IFREG : S_IFCHR;
    if (::mknodat(dev, node.name, type | 0666, bind ? 0 : ::makedev(node.major, node.minor)) != 0) return -1;
  }
  for (const char* directory : {"net", "pts"}) {
    if (::mkdirat(dev, directory, 0755) != 0) return -1;
  }
  if (step.tun && ::mknodat(dev, "net/tun", (bind ? S_IFREG : S_IFCHR) | 0666, bind ? 0 : ::makedev(10, 200)) != 0) {
    return -1;
  }
  if (::mkdirat(dev, "shm", 01777) != 0) return -1;
  for (const auto& link : kLinks) {
    if (::symlinkat(link[0], dev, link[1]) != 0) return -1;
  }
  if (step.notify != nullptr && ::linkat(AT_FDCWD, step.notify, dev, "notify", 0) != 0) return -1;
  if (step.log != nullptr) return ::linkat(AT_FDCWD, step.log, dev, "log", 0);
  return ::symlinkat("/run/systemd/journal/dev-log", dev, "log");
}

// The app's /dev is a directory (step.source) of the pod's, mounted. The nodes work only here: everything else is
// nodev, and the filter lets no app make others; where an app has no such filter, this mount is nodev too and the
// nodes are bound from the pod's own /dev.
int MakeDev(int root, const MountStep& step) {
  bool bind = (step.attributes & MOUNT_ATTR_NODEV) != 0;
  // It exists where a pre-start handler of the app has run.
  if (::mkdirat(AT_FDCWD, step.source, 0755) == 0) {
    int dev = ::open(step.source, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dev < 0) return -1;
    ::umask(0);
    if (CloseAnd(dev, FillDev(dev, step, bind)) != 0) return -1;
    ::umask(022);
  } else if (errno != EEXIST) {
    return -1;
  }
  int mount = ::open_tree(AT_FDCWD, step.source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  if (mount < 0 || SetAttributes(mount, step.attributes, false) != 0 ||
      ::move_mount(mount, "", root, "dev", MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return -1;
  }
  if (!bind) return CloseAnd(mount, 0);
  auto bind_node = [&](const char* name) {
    char source[32] = "dev/";
    strcat(source, name);
    int node = ::open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return node >= 0 && SetAttributes(node, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false) == 0 &&
           MoveTo(node, mount, name) == 0;
  };
  for (const DeviceNode& node : kDeviceNodes) {
    if (!bind_node(node.name)) return -1;
  }
  return CloseAnd(mount, step.tun && !bind_node("net/tun") ? -1 : 0);
}

// A copy of what lies at step.source, with the step's attributes. What an optional target that is not there has left
// over serves the next step with the same source.
class BindSource {
 public:
  int Take(const MountStep& step) {
    if (spare_ >= 0 && spare_source_ == step.source) {
      int mount = spare_;
      spare_ = -1;
      return mount;
    }
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW |
                     (step.recursive ? unsigned{AT_RECURSIVE} : 0u);
    int mount = ::open_tree(AT_FDCWD, step.source, flags);
    if (mount >= 0 && SetAttributes(mount, step.attributes, step.recursive) != 0) return -1;
    return mount;
  }
  void PutBack(const MountStep& step, int mount) {
    spare_ = mount;
    spare_source_ = step.source;
  }

 private:
  int spare_ = -1;
  const char* spare_source_ = nullptr;
};

// Makes a directory, link or file unless there is one. `parent` is where `name` is looked up.
int MakeEntry(int parent, const char* name, const MountStep& step) {
  switch (step.kind) {
    case MountStep::Kind::kSymlink:
      return ::symlinkat(step.source, parent, name) != 0 && errno != EEXIST ? -1 : 0;
    case MountStep::Kind::kFile: {
      // A link of the image would lead the mount, or whoever reads, elsewhere: a file takes its place.
      struct stat st;
      if (::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) ::unlinkat(parent, name, 0);
      return ::mknodat(parent, name, S_IFREG | step.mode, 0) != 0 && errno != EEXIST ? -1 : 0;
    }
    default:
      break;
  }
  if (::mkdirat(parent, name, step.mode) == 0) {
    return (step.mode & ~0755u) != 0 ? ::fchmodat(parent, name, step.mode, 0) : 0;
  }
  struct stat st;
  if (errno != EEXIST || ::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  if (S_ISDIR(st.st_mode)) return 0;
  errno = ENOTDIR;
  return -1;
}

// Few descriptors are open at a time, as the limit may be low; those of a step that fails are left to _exit.
//
// Targets in /proc, /sys and /dev go by path below the root's descriptor: kDirectory has made sure that these three
// are directories and no links of the image, what lies in them is ours, and nobody else is in here yet. move_mount
// does not follow a link in the last place. Anything else is opened by openat2 first.
int RunMountStep(int root, const MountStep& step, BindSource* sources) {
  switch (step.kind) {
    case MountStep::Kind::kDirectory:
    case MountStep::Kind::kSymlink:
    case MountStep::Kind::kFile: {
      if (strchr(step.target, '/') == nullptr) return MakeEntry(root, step.target, step);
      const char* name;
      bool file = step.kind == MountStep::Kind::kFile;
      int parent = OpenParent(root, step.target, file ? kInside : kStrict, &name);
      return parent < 0 ? -1 : CloseAnd(parent, MakeEntry(parent, name, step));
    }
    case MountStep::Kind::kDev:
      return MakeDev(root, step);
    case MountStep::Kind::kFilesystem: {
      int mount = NewFilesystem(step);
      return mount < 0 ? -1 : MoveTo(mount, root, step.target);
    }
    case MountStep::Kind::kReadOnly: {
      int mount = ::open_tree(root, step.target,
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
      if (mount < 0 || SetAttributes(mount, MOUNT_ATTR_RDONLY, true) != 0) return -1;
      return MoveTo(mount, root, step.target);
    }
    case MountStep::Kind::kOwn: {
      int mount = ::open_tree(root, step.source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
      return mount < 0 ? -1 : MoveTo(mount, root, step.target);
    }
    case MountStep::Kind::kBind: {
      int mount = sources->Take(step);
      if (mount < 0) return -1;
      if (::move_mount(mount, "", root, step.target, MOVE_MOUNT_F_EMPTY_PATH) == 0) return CloseAnd(mount, 0);
      int err = errno;
      sources->PutBack(step, mount);
      errno = err;
      return -1;
    }
    case MountStep::Kind::kProvide:
    case MountStep::Kind::kVolume: {
      bool volume = step.kind == MountStep::Kind::kVolume;
      int target = OpenBeneath(root, step.target, O_PATH, kInside);
      if (target < 0 && volume && errno == ENOENT) target = MakeTarget(root, step.target, step.directory);
      if (target < 0) return -1;
      int mount = sources->Take(step);
      if (mount < 0) return -1;
      // What the host mounts below a volume later shows up in it; below one that is read-only it would be writable.
      bool sealed = volume && (step.attributes & MOUNT_ATTR_RDONLY) != 0;
      if (sealed && SetPropagation(mount, MS_PRIVATE) != 0) return -1;
      return CloseAnd(mount, CloseAnd(target, Attach(mount, target)));
    }
  }
  errno = EINVAL;
  return -1;
}

bool SkipsError(const MountStep& step, int err) {
  return step.optional && (err == ENOENT || err == ENOTDIR || err == ELOOP);
}

void EnterRoot(const AppChildPlan& plan, AppFailure* failure) {
  int root = ::open(plan.rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0) Fail(failure, AppStep::kRoot, errno);
  struct statx status;
  bool is_mount = ::statx(root, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
                  (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (!is_mount) {
    // A rendered copy (no overlay): pivot_root wants a mount point.
    int mount = ::open_tree(root, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount < 0 || Attach(mount, root) != 0) Fail(failure, AppStep::kRoot, errno);
    ::close(root);
    root = mount;
  }
  // Device nodes work only where this program puts them (/dev): an image's own are dead files.
  if (!plan.allow_devices && SetAttributes(root, MOUNT_ATTR_NODEV, false) != 0) Fail(failure, AppStep::kRoot, errno);
  BindSource sources;
  for (size_t i = 0; i < plan.mount_count; ++i) {
    if (plan.mounts[i].own_groups && !plan.own_cgroup_namespace) continue;
    if (RunMountStep(root, plan.mounts[i], &sources) != 0 && !SkipsError(plan.mounts[i], errno)) {
      Fail(failure, AppStep::kMount, errno, static_cast<int>(i));
    }
  }
  if (plan.readonly_rootfs && SetAttributes(root, MOUNT_ATTR_RDONLY, false) != 0) Fail(failure, AppStep::kRoot, errno);
  if (::fchdir(root) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    Fail(failure, AppStep::kPivot, errno);
  }
  ::close(root);
}

// The sockets become 3 and up. Returns the number behind the last.
unsigned ArrangeSockets(const AppChildPlan& plan, AppFailure* failure) {
  constexpr int kFirst = 3;
  int end = kFirst + static_cast<int>(plan.socket_count);
  // Out of the way first, as with the streams; what is closed afterwards begins behind them all.
  int high[kMaxSockets];
  for (size_t i = 0; i < plan.socket_count; ++i) {
    high[i] = ::fcntl(plan.sockets[i], F_DUPFD_CLOEXEC, end);
    if (high[i] < 0) Fail(failure, AppStep::kStreams, errno);
  }
  for (size_t i = 0; i < plan.socket_count; ++i) {
    if (::dup2(high[i], kFirst + static_cast<int>(i)) < 0) Fail(failure, AppStep::kStreams, errno);
  }
  char digits[12];
  int n = 0;
  for (auto pid = static_cast<unsigned>(::getpid()); pid > 0; pid /= 10) digits[n++] = static_cast<char>('0' + pid % 10);
  for (int i = 0; i < n; ++i) plan.listen_pid[i] = digits[n - 1 - i];
  plan.listen_pid[n] = '\0';
  return static_cast<unsigned>(end);
}

// The null device. An app may have put something else in its place (its /dev is its own, and a handler starts when the
// app has run), and nobody waits for the other end of a FIFO here. -1 with errno.
int OpenNull(int flags) {
  int fd = ::open("/dev/null", flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return -1;
  struct stat st;
  if (::fstat(fd, &st) != 0) return -1;
  if (!S_ISCHR(st.st_mode) || st.st_rdev != ::makedev(1, 3)) {
    errno = ENODEV;
    return -1;
  }
  return ::fcntl(fd, F_SETFL, 0) == 0 ? fd : -1;
}

// 0, 1 and 2 are the app's streams, behind them are its sockets, nothing else is open.
void ArrangeStreams(const AppChildPlan& plan, AppFailure* failure) {
  const int sources[3] = {plan.stdin_fd, plan.stdout_fd, plan.stderr_fd};
  int high[3];
  for (int i = 0; i < 3; ++i) {
    if (sources[i] < 0) {
      high[i] = OpenNull(i == 0 ? O_RDONLY : O_WRONLY);
      if (high[i] < 0) Fail(failure, AppStep::kStreams, errno);
      continue;
    }
    // Out of the way first: one stream's source may be the number of another.
    high[i] = sources[i] == i ? i : ::fcntl(sources[i], F_DUPFD_CLOEXEC, 3);
    if (high[i] < 0) Fail(failure, AppStep::kStreams, errno);
  }
  for (int i = 0; i < 3; ++i) {
    int rc = high[i] == i ? ::fcntl(i, F_SETFD, 0) : ::dup2(high[i], i);
    if (rc < 0) Fail(failure, AppStep::kStreams, errno);
  }
  unsigned end = plan.socket_count == 0 ? 3 : ArrangeSockets(plan, failure);
  if (::syscall(SYS_close_range, end, ~0u, 0) != 0) Fail(failure, AppStep::kStreams, errno);
  if (plan.controlling_terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) Fail(failure, AppStep::kStreams, errno);
}

// Where /proc is the app's own, a volume may lie over it: what is written to is looked at. `path` is relative to `proc`.
void WriteOomScore(int proc, const char* path, const AppChildPlan& plan, AppFailure* failure) {
  int file = OpenBeneath(proc, path, O_WRONLY | O_NOCTTY | O_NONBLOCK, RESOLVE_NO_MAGICLINKS);
  if (file < 0) Fail(failure, AppStep::kResources, errno);
  struct statfs fs;
  if (::fstatfs(file, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC) Fail(failure, AppStep::kResources, ENOTSUP);
  char text[16];
  int n = 0;
  int value = plan.oom_score_adj;
  if (value < 0) {
    text[n++] = '-';
    value = -value;
  }
  for (int divisor = 1000; divisor > 0; divisor /= 10) {
    if (value >= divisor || divisor == 1) text[n++] = static_cast<char>('0' + value / divisor % 10);
  }
  if (::write(file, text, static_cast<size_t>(n)) < 0) Fail(failure, AppStep::kResources, errno);
  ::close(file);
}

// The directory as the app would reach it, but through none of /proc's links, which lead out of the root: to what the
// pod's first process or a stream of the caller's has open.
void EnterWorkingDirectory(const AppChildPlan& plan, AppFailure* failure) {
  int fd = OpenBeneath(AT_FDCWD, plan.working_directory, O_PATH | O_DIRECTORY, RESOLVE_NO_MAGICLINKS);
  if (fd < 0 || ::fchdir(fd) != 0) Fail(failure, AppStep::kDirectory, errno);
  ::close(fd);
}

// Bounds are lowered, never raised: what rkt was started with is what this machine grants.
void SetRlimits(const AppChildPlan& plan, AppFailure* failure) {
  for (size_t i = 0; i < plan.rlimit_count; ++i) {
    auto resource = static_cast<__rlimit_resource>(plan.rlimits[i].resource);
    struct rlimit now, wanted = plan.rlimits[i].value;
    if (::getrlimit(resource, &now) != 0) Fail(failure, AppStep::kRlimit, errno, static_cast<int>(i));
    if (wanted.rlim_max == RLIM_INFINITY) wanted.rlim_max = now.rlim_max;
    if (wanted.rlim_cur == RLIM_INFINITY) wanted.rlim_cur = wanted.rlim_max;
    if (wanted.rlim_max > now.rlim_max) Fail(failure, AppStep::kRlimit, EPERM, static_cast<int>(i));
    if (::setrlimit(resource, &wanted) != 0) Fail(failure, AppStep::kRlimit, errno, static_cast<int>(i));
  }
}

// The label that the program will have. The file must be the kernel's: a root could show another one there.
void SetLabel(const AppChildPlan& plan, AppFailure* failure) {
  int file = ::open(plan.label_file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) Fail(failure, AppStep::kLabel, errno);
  struct statfs system;
  if (::fstatfs(file, &system) != 0) Fail(failure, AppStep::kLabel, errno);
  if (system.f_type != PROC_SUPER_MAGIC) Fail(failure, AppStep::kLabel, EXDEV);
  if (::write(file, plan.label, strlen(plan.label)) < 0) Fail(failure, AppStep::kLabel, errno);
  ::close(file);
}

[[noreturn]] void ConfineAndExec(const AppChildPlan& plan, AppFailure* failure) {
  if (plan.label != nullptr) SetLabel(plan, failure);
  stage1::CapabilityStep capability_step;
  if (int err = stage1::ApplyCapabilities(plan.capabilities, &capability_step)) Fail(failure, AppStep::kCapabilities, err);
  // For root the filter comes while CAP_SYS_ADMIN is still effective (it goes at execve with the bounding set), so
  // that set-uid programs keep working; for others after setuid, under no_new_privs.
  stage1::IdentityStep identity_step;
  if (int err =
          stage1::ApplyIdentity(plan.uid, plan.gid, plan.groups, plan.group_count, &identity_step)) {
    Fail(failure, AppStep::kUser, err);
  }
  if (plan.no_new_privileges) {
    if (int err = stage1::SetNoNewPrivileges()) Fail(failure, AppStep::kSeccomp, err);
  }
  ::umask(022);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (int err = stage1::InstallSeccomp(plan.seccomp, plan.seccomp_count)) Fail(failure, AppStep::kSeccomp, err);
  ::execve(plan.program, plan.argv, plan.envp);
  Fail(failure, AppStep::kExec, errno);
}

}  // namespace

const char* AppStepName(AppStep step) {
  switch (step) {
    case AppStep::kNone:
      return "nothing";
    case AppStep::kSession:
      return "starting a session";
    case AppStep::kJoin:
      return "joining the namespaces of the app";
    case AppStep::kRoot:
      return "opening the root file system";
    case AppStep::kMount:
      return "mounting";
    case AppStep::kPivot:
      return "entering the root file system";
    case AppStep::kStreams:
      return "connecting the standard streams";
    case AppStep::kDirectory:
      return "changing to the working directory";
    case AppStep::kResources:
      return "applying resource limits";
    case AppStep::kRlimit:
      return "setting the limit";
    case AppStep::kCapabilities:
      return "limiting capabilities";
    case AppStep::kLabel:
      return "setting the label";
    case AppStep::kUser:
      return "setting the user and groups";
    case AppStep::kSeccomp:
      return "installing the seccomp filter";
    case AppStep::kExec:
      return "executing";
  }
  return "?";
}

namespace {

struct Child {
  const AppChildPlan* plan;
  AppFailure* failure;
  const JoinPlan* join;  // of EnteredChild
};

[[noreturn]] void AppChild(void* argument) {
  auto [plan, failure, join] = *static_cast<Child*>(argument);
  if (::setsid() < 0) Fail(failure, AppStep::kSession, errno);
  if (int err = cgroup::EnterGroups(plan->cgroup_tasks, plan->cgroup_count)) {
    Fail(failure, AppStep::kResources, err);
  }
  if (plan->own_cgroup_namespace && ::unshare(CLONE_NEWCGROUP) != 0) Fail(failure, AppStep::kResources, errno);
  EnterRoot(*plan, failure);
  ArrangeStreams(*plan, failure);
  EnterWorkingDirectory(*plan, failure);
  if (plan->set_oom_score) WriteOomScore(AT_FDCWD, "/proc/self/oom_score_adj", *plan, failure);
  SetRlimits(*plan, failure);
  ConfineAndExec(*plan, failure);
}

// The app's limit, or as much of it as this process may have.
bool TakeLimit(int resource, rlimit limit) {
  auto number = static_cast<__rlimit_resource>(resource);
  if (::setrlimit(number, &limit) == 0) return true;
  rlimit own;
  if (errno != EPERM || ::getrlimit(number, &own) != 0) return false;
  limit.rlim_max = own.rlim_max;
  if (limit.rlim_cur > own.rlim_max) limit.rlim_cur = own.rlim_max;
  return ::setrlimit(number, &limit) == 0;
}

[[noreturn]] void EnteredChild(void* argument) {
  auto [plan, failure, join] = *static_cast<Child*>(argument);
  // Out of the caller's session: whichever terminal of the host is among the streams is not this session's, so that
  // nothing can be typed into it from here.
  if (::setsid() < 0) Fail(failure, AppStep::kSession, errno);
  if (int err = cgroup::EnterGroups(plan->cgroup_tasks, plan->cgroup_count)) {
    Fail(failure, AppStep::kResources, err);
  }
  if (plan->set_oom_score) WriteOomScore(join->proc, "self/oom_score_adj", *plan, failure);
  // A number of descriptors too small for what is done here is set when it is done.
  constexpr rlim_t kFewDescriptors = 64;
  const bool few = join->limits[RLIMIT_NOFILE].rlim_cur < kFewDescriptors;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    if (resource == RLIMIT_NOFILE && few) continue;
    if (!TakeLimit(resource, join->limits[resource])) Fail(failure, AppStep::kResources, errno);
  }
  if (::setns(join->app_process, join->namespaces) != 0) Fail(failure, AppStep::kJoin, errno);
  // The keys of the caller's login are nobody's business in here. (A kernel without keyrings has none.)
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  ArrangeStreams(*plan, failure);
  EnterWorkingDirectory(*plan, failure);
  if (few && !TakeLimit(RLIMIT_NOFILE, join->limits[RLIMIT_NOFILE])) Fail(failure, AppStep::kResources, errno);
  ConfineAndExec(*plan, failure);
}

// clone3 into a function on a stack of its own; the caller sleeps until execve or _exit (CLONE_VFORK).
pid_t CloneInto(void (*function)(void*), const AppChildPlan& plan, AppFailure* failure, const JoinPlan* join) {
  alignas(16) static char stack[256 << 10];
  Child child = {&plan, failure, join};
  struct clone_args args = {};
  // The supervisor's handlers are none of the app's; what was ignored has been reset long before (run.cc).
  args.flags = plan.clone_flags | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
  args.exit_signal = SIGCHLD;
  if (plan.cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(plan.cgroup_fd);
  }
  // Until it executes, the child has our memory but not all of our rights: an app with as many as the child has (and
  // CAP_SYS_ADMIN) must not get at the one by the other. It stays so: execve lets us go on a moment before it gives the
  // child a memory of its own.
  if (::prctl(PR_GET_DUMPABLE) == 1) ::prctl(PR_SET_DUMPABLE, 0);
  return CloneWithStack(args, stack, sizeof stack, function, &child);
}

}  // namespace

pid_t StartApp(const AppChildPlan& plan, AppFailure* failure) {
  return CloneInto(AppChild, plan, failure, nullptr);
}

pid_t StartEntered(const AppChildPlan& plan, const JoinPlan& join, AppFailure* failure) {
  return CloneInto(EnteredChild, plan, failure, &join);
}

}  // namespace rkt::native
