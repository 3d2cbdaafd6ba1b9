// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/app_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup/groups_child.h"
#include "stage1/common/capabilities_child.h"
#include "stage1/common/identity_child.h"
#include "stage1/common/seccomp_child.h"

namespace rkt::native {

namespace {

constexpr int kFailureFd = 3;

[[noreturn]] void Fail(int fd, AppStep step, int err, int index = -1) {
  AppFailure failure = {step, err, index};
  // Below PIPE_BUF: whole or not at all. Without it the parent sees only the exit status.
  if (::write(fd, &failure, sizeof failure) < 0) ::_exit(254);
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
  char parent[4096];
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

// Makes what is missing of a volume's target: directories 0755, and at the end a directory or an empty file.
int MakeTarget(int root, const char* path, bool directory) {
  char prefix[4096];
  size_t length = strlen(path);
  if (length >= sizeof prefix) {
    errno = ENAMETOOLONG;
    return -1;
  }
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
    int rc;
    if (end == length && !directory) {
      rc = ::mknodat(parent, name, S_IFREG | 0644, 0);
    } else {
      rc = ::mkdirat(parent, name, 0755);
    }
    int err = errno;
    ::close(parent);
    errno = err;
    if (rc != 0) return -1;
  }
  return OpenBeneath(root, path, O_PATH, kInside);
}

int SetAttributes(int mount, uint64_t attributes, bool recursive) {
  if (attributes == 0) return 0;
  struct mount_attr attr = {};
  attr.attr_set = attributes;
  return ::mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr);
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

int BindSource(const MountStep& step) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (step.recursive ? unsigned{AT_RECURSIVE} : 0u);
  return ::open_tree(AT_FDCWD, step.source, flags | AT_SYMLINK_NOFOLLOW);
}

// 0, or -1 with errno.
int RunMountStep(int root, const MountStep& step) {
  const char* name;
  switch (step.kind) {
    case MountStep::Kind::kDirectory: {
      int parent = OpenParent(root, step.target, kStrict, &name);
      if (parent < 0) return -1;
      int rc = ::mkdirat(parent, name, step.mode);
      if (rc == 0 && (step.mode & ~0755u) != 0) rc = ::fchmodat(parent, name, step.mode, 0);
      if (rc != 0 && errno == EEXIST) {
        struct stat st;
        rc = ::fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW);
        if (rc == 0 && !S_ISDIR(st.st_mode)) {
          errno = ENOTDIR;
          rc = -1;
        }
      }
      int err = errno;
      ::close(parent);
      errno = err;
      return rc;
    }
    case MountStep::Kind::kSymlink:
    case MountStep::Kind::kFile: {
      int parent = OpenParent(root, step.target, kStrict, &name);
      if (parent < 0) return -1;
      int rc = step.kind == MountStep::Kind::kSymlink ? ::symlinkat(step.source, parent, name)
                                                      : ::mknodat(parent, name, S_IFREG | step.mode, 0);
      int err = errno;
      ::close(parent);
      errno = err;
      return rc != 0 && errno != EEXIST ? -1 : 0;
    }
    default:
      break;
  }
  int target = -1;
  if (step.kind == MountStep::Kind::kVolume) {
    target = OpenBeneath(root, step.target, O_PATH, kInside);
    if (target < 0 && errno == ENOENT) target = MakeTarget(root, step.target, step.directory);
  } else {
    target = OpenBeneath(root, step.target, O_PATH, kStrict);
  }
  if (target < 0) return -1;
  int mount = -1;
  switch (step.kind) {
    case MountStep::Kind::kFilesystem:
      mount = NewFilesystem(step);
      if (mount < 0) return -1;
      break;
    case MountStep::Kind::kReadOnly:
      mount = ::open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
      if (mount < 0 || SetAttributes(mount, MOUNT_ATTR_RDONLY, true) != 0) return -1;
      break;
    default: {
      mount = BindSource(step);
      if (mount < 0 || SetAttributes(mount, step.attributes, step.recursive) != 0) return -1;
    }
  }
  if (Attach(mount, target) != 0) return -1;
  ::close(mount);
  ::close(target);
  return 0;
}

bool SkipsError(const MountStep& step, int err) {
  return step.optional && (err == ENOENT || err == ENOTDIR || err == ELOOP);
}

void EnterRoot(const AppChildPlan& plan, int fd) {
  int root = ::open(plan.rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0) Fail(fd, AppStep::kRoot, errno);
  struct statx status;
  bool is_mount = ::statx(root, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
                  (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (!is_mount) {
    // A rendered copy (no overlay): pivot_root wants a mount point.
    int mount = ::open_tree(root, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount < 0 || Attach(mount, root) != 0) Fail(fd, AppStep::kRoot, errno);
    ::close(root);
    root = mount;
  }
  // Device nodes work only where this program puts them (/dev): an image's own are dead files.
  if (!plan.allow_devices && SetAttributes(root, MOUNT_ATTR_NODEV, false) != 0) Fail(fd, AppStep::kRoot, errno);
  for (size_t i = 0; i < plan.mount_count; ++i) {
    if (RunMountStep(root, plan.mounts[i]) != 0 && !SkipsError(plan.mounts[i], errno)) {
      Fail(fd, AppStep::kMount, errno, static_cast<int>(i));
    }
  }
  if (plan.readonly_rootfs && SetAttributes(root, MOUNT_ATTR_RDONLY, false) != 0) Fail(fd, AppStep::kRoot, errno);
  if (::fchdir(root) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
    Fail(fd, AppStep::kPivot, errno);
  }
  ::close(root);
}

// 0, 1 and 2 are the app's streams, 3 the failure pipe, nothing else is open.
void ArrangeStreams(const AppChildPlan& plan, int* fd) {
  int high[4] = {plan.stdin_fd, plan.stdout_fd, plan.stderr_fd, *fd};
  for (int& each : high) {
    each = ::fcntl(each, F_DUPFD_CLOEXEC, 10);
    if (each < 0) Fail(*fd, AppStep::kStreams, errno);
  }
  *fd = high[3];
  for (int i = 0; i < 3; ++i) {
    if (::dup2(high[i], i) < 0) Fail(*fd, AppStep::kStreams, errno);
  }
  if (::dup3(high[3], kFailureFd, O_CLOEXEC) < 0) Fail(*fd, AppStep::kStreams, errno);
  *fd = kFailureFd;
  if (::syscall(SYS_close_range, kFailureFd + 1, ~0u, 0) != 0) Fail(*fd, AppStep::kStreams, errno);
  if (plan.controlling_terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) Fail(*fd, AppStep::kStreams, errno);
}

void WriteOomScore(const AppChildPlan& plan, int fd) {
  // /proc is the one mounted above, so it is procfs.
  int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) Fail(fd, AppStep::kResources, errno);
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
  if (::write(file, text, static_cast<size_t>(n)) < 0) Fail(fd, AppStep::kResources, errno);
  ::close(file);
}

[[noreturn]] void ConfineAndExec(const AppChildPlan& plan, int fd) {
  if (::chdir(plan.working_directory) != 0) Fail(fd, AppStep::kDirectory, errno);
  if (plan.set_oom_score) WriteOomScore(plan, fd);
  stage1::CapabilityStep capability_step;
  if (int err = stage1::ApplyCapabilities(plan.capabilities, &capability_step)) Fail(fd, AppStep::kCapabilities, err);
  // For root the filter comes while CAP_SYS_ADMIN is still effective (it goes at execve with the bounding set), so
  // that set-uid programs keep working; for others after setuid, under no_new_privs.
  stage1::IdentityStep identity_step;
  if (int err =
          stage1::ApplyIdentity(plan.uid, plan.gid, plan.groups, plan.group_count, &identity_step)) {
    Fail(fd, AppStep::kUser, err);
  }
  if (plan.no_new_privileges) {
    if (int err = stage1::SetNoNewPrivileges()) Fail(fd, AppStep::kSeccomp, err);
  }
  ::umask(022);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (int err = stage1::InstallSeccomp(plan.seccomp, plan.seccomp_count)) Fail(fd, AppStep::kSeccomp, err);
  ::execve(plan.program, plan.argv, plan.envp);
  Fail(fd, AppStep::kExec, errno);
}

}  // namespace

const char* AppStepName(AppStep step) {
  switch (step) {
    case AppStep::kNone:
      return "nothing";
    case AppStep::kSession:
      return "starting a session";
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
    case AppStep::kCapabilities:
      return "limiting capabilities";
    case AppStep::kUser:
      return "setting the user and groups";
    case AppStep::kSeccomp:
      return "installing the seccomp filter";
    case AppStep::kExec:
      return "executing";
  }
  return "?";
}

void AppChild(const AppChildPlan& plan) {
  int fd = plan.failure_fd;
  if (::setsid() < 0) Fail(fd, AppStep::kSession, errno);
  if (int err = cgroup::EnterGroups(plan.cgroup_tasks, plan.cgroup_count)) Fail(fd, AppStep::kResources, err);
  EnterRoot(plan, fd);
  ArrangeStreams(plan, &fd);
  ConfineAndExec(plan, fd);
}

void EnteredChild(const AppChildPlan& plan) {
  int fd = plan.failure_fd;
  if (int err = cgroup::EnterGroups(plan.cgroup_tasks, plan.cgroup_count)) Fail(fd, AppStep::kResources, err);
  ArrangeStreams(plan, &fd);
  ConfineAndExec(plan, fd);
}

}  // namespace rkt::native
