// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/app_root.h"

#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "pod/private_users.h"
#include "stage0/overlay.h"

namespace rkt::stage0 {

namespace {

Result<Fd> PidFd(int pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return SysErr("process ", pid);
  return fd;
}

bool IsAlive(const Fd& process) {
  struct pollfd ended = {process.get(), POLLIN, 0};
  return ::poll(&ended, 1, 0) == 0;
}

// A copy, in the pod's directory. What is mounted in there hides what the app left.
Result<Fd> OpenCopiedRoot(const pod::Pod& pod, const std::string& app) {
  std::vector<std::string> mounts = TRY(MountsBelow(pod.path()));
  if (!mounts.empty()) return Err(Code::kBusy, "something is still mounted in the pod: ", mounts[0]);
  Fd stage1 = TRY(OpenAt(pod.fd(), pod::kStage1Rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return OpenInRoot(stage1.get(), pod::AppRootfs(app), O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
}

Result<Fd> OpenOverlayRoot(const store::Store& store, const pod::Pod& pod, const std::string& app, bool writable) {
  std::string tree = TRY(pod.ReadFile(pod::AppTreeFile(app), 4096));
  if (tree.find_first_of("/,:") != std::string::npos) {
    return Err(Code::kCorrupt, "the tree store ID of app ", app, " is damaged");
  }
  Fd mount = TRY_CTX(OpenAppOverlay(store, pod, tree, app, writable), "mounting the overlay of app ", app);
  return OpenAt(mount.get(), ".", O_RDONLY | O_DIRECTORY);
}

}  // namespace

Result<std::string> FindApp(const pod::Pod& pod, const std::string& app) {
  std::vector<std::string> names;
  for (pod::AppSummary& entry : TRY(pod.ReadSummary()).apps) names.push_back(std::move(entry.name));
  if (app.empty()) {
    if (names.size() == 1) return names[0];
    if (names.empty()) return Err(Code::kInvalid, "pod contains zero apps");
    return Err(Code::kInvalid, "pod contains multiple apps: ", Join(names, ", "));
  }
  if (std::find(names.begin(), names.end(), app) == names.end()) {
    return Err(Code::kNotFound, "no app ", Quote(app), " in pod ", Quote(pod.uuid()));
  }
  return app;
}

Result<AppRoot> OpenRunningRoot(pod::Pod& pod, const std::string& app) {
  auto gone = [&] { return Err(Code::kNotFound, "pod ", Quote(pod.uuid()), " has ended"); };
  int pid = TRY(pod.WaitContainerPid());
  Fd process = TRY(PidFd(pid));
  // The lock lives as long as the pod: held after the process was opened, that is the pod's and no successor of the
  // same number.
  TRY(pod.Refresh());
  if (pod.state() != pod::State::kRunning) return gone();
  AppRoot root;
  if (auto users = TRY(pod::ReadPrivateUsers(pod))) root.users = users;
  Fd pod_root = TRY(Open(StrCat("/proc/", pid, "/root"), O_PATH | O_DIRECTORY));
  auto rootfs = OpenInRoot(pod_root.get(), pod::AppRootfs(app), O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
  if (!rootfs) {
    // A stage1 whose first process is the app, in the app's root.
    if (rootfs.error().code() != Code::kNotFound) return std::move(rootfs).error();
    root.directory = TRY(OpenAt(pod_root.get(), ".", O_RDONLY | O_DIRECTORY));
    if (!IsAlive(process)) return gone();
    return root;
  }
  struct stat wanted;
  if (::fstat(rootfs->get(), &wanted) != 0) return SysErr("stat");
  std::string children = TRY(ReadFile(StrCat("/proc/", pid, "/task/", pid, "/children"), 1 << 20));
  for (const std::string& word : Split(children, ' ')) {
    auto child = ParseInt(word);
    if (!child) continue;
    auto opened = PidFd(static_cast<int>(*child));
    auto its_root = Open(StrCat("/proc/", *child, "/root"), O_PATH | O_DIRECTORY);
    struct stat st;
    // Both are the same directory, and the process is still the one that it was when the pod had it.
    if (!opened || !its_root || ::fstat(its_root->get(), &st) != 0) continue;
    if (st.st_dev != wanted.st_dev || st.st_ino != wanted.st_ino || !IsAlive(*opened)) continue;
    root.directory = TRY(OpenAt(its_root->get(), ".", O_RDONLY | O_DIRECTORY));
    return root;
  }
  root.directory = TRY(OpenAt(rootfs->get(), ".", O_RDONLY | O_DIRECTORY));
  if (!IsAlive(process)) return gone();
  return root;
}

Result<AppRoot> OpenExitedRoot(const store::Store& store, const pod::Pod& pod, const std::string& app, bool writable) {
  AppRoot root;
  if (pod.UsesOverlay()) {
    root.directory = TRY(OpenOverlayRoot(store, pod, app, writable));
    return root;
  }
  root.directory = TRY(OpenCopiedRoot(pod, app));
  if (ExistsAt(pod.fd(), pod::kPrivateUsersShifted)) root.users = TRY(pod::ReadPrivateUsers(pod));
  return root;
}

}  // namespace rkt::stage0
