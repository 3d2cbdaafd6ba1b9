// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/running_pod.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage0/entry_point.h"
#include "stage0/overlay.h"

namespace rkt::stage0 {
namespace {

constexpr char kCrossingPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool LooksLikeStage1(int dir) {
  return ExistsAt(dir, pod::kStatusDir) && ExistsAt(dir, pod::kStage2Dir);
}

bool IsOurRoot(int dir) {
  struct stat ours, theirs;
  return ::stat("/", &ours) == 0 && ::fstat(dir, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
         ours.st_dev == theirs.st_dev;
}

// Stage1's root as a process of the pod sees it: its own root directory, or POD/stage1/rootfs of
// its mount namespace.
Result<Fd> FindStage1Root(int process, const std::string& pod_path) {
  Fd root = TRY(OpenAt(process, "root", O_PATH | O_DIRECTORY));
  if (!IsOurRoot(root.get()) && LooksLikeStage1(root.get())) return root;
  auto below = OpenAt(root.get(), StrCat(pod_path.substr(1), "/", pod::kStage1Rootfs),
                      O_PATH | O_DIRECTORY);
  if (below && LooksLikeStage1(below->get())) return below;
  return Err(Code::kInvalid, "the pod's process does not see stage1's root");
}

}  // namespace

Result<RunningPod> RunningPod::Open(const std::string& data_dir, pod::Pod& pod) {
  RunningPod running(data_dir, pod);
  running.contract_ = TRY(ReadContract(pod));
  running.pid_ =
      TRY_CTX(pod.WaitContainerPid(), "finding the process of pod ", Quote(pod.uuid()));
  Fd process = TRY(rkt::Open(StrCat("/proc/", running.pid_), O_RDONLY | O_DIRECTORY));
  running.pod_namespace_ = TRY(OpenAt(process.get(), "ns/mnt", O_RDONLY));
  running.pod_root_ = TRY(FindStage1Root(process.get(), pod.path()));
  // Running still, so that what was opened is the pod's and not of a successor with its number.
  TRY(pod.Refresh());
  if (pod.state() != pod::State::kRunning) {
    return Err(Code::kInvalid, "pod ", Quote(pod.uuid()), " is not running");
  }

  if (::fchdir(pod.fd()) != 0) return SysErr("entering ", pod.path());
  TRY(EnterPrivateMounts());
  Fd copy;
  TRY(running.Visit([&]() -> Status {
    copy = TRY(CloneMount(running.pod_root_.get(), "", /*recursive=*/true));
    return {};
  }));
  TRY_CTX(AttachMountAt(copy.get(), AT_FDCWD, pod::kStage1Rootfs), "showing stage1's root");
  running.root_ = TRY(OpenAt(AT_FDCWD, pod::kStage1Rootfs, O_RDONLY | O_DIRECTORY));
  return running;
}

Status RunningPod::Visit(const std::function<Status()>& work) const {
  Fd self = TRY(rkt::Open("/proc/self/ns/mnt", O_RDONLY));
  Fd root = TRY(rkt::Open("/", O_PATH | O_DIRECTORY));
  Fd here = TRY(rkt::Open(".", O_PATH | O_DIRECTORY));
  if (::setns(pod_namespace_.get(), CLONE_NEWNS) != 0) {
    return SysErr("joining the pod's mount namespace");
  }
  Status done = work();
  if (::setns(self.get(), CLONE_NEWNS) != 0 || ::fchdir(root.get()) != 0 || ::chroot(".") != 0 ||
      ::fchdir(here.get()) != 0) {
    return SysErr("leaving the pod's mount namespace");
  }
  return done;
}

Status RunningPod::BringMount(const std::string& path) {
  Fd copy = TRY(CloneMount(AT_FDCWD, StrCat(pod::kStage1Rootfs, "/", path), /*recursive=*/true));
  return Visit([&] { return AttachMountAt(copy.get(), pod_root_.get(), path); });
}

Status RunningPod::TakeMount(const std::string& path) {
  auto detach = [&](int root) -> Status {
    if (::fchdir(root) != 0) return SysErr("entering stage1's root");
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT) {
      return SysErr("unmounting ", path);
    }
    return {};
  };
  TRY(Visit([&] { return detach(pod_root_.get()); }));
  Fd here = TRY(rkt::Open(".", O_PATH | O_DIRECTORY));
  Status detached = detach(root_.get());
  if (::fchdir(here.get()) != 0) return SysErr("entering ", pod_->path());
  return detached;
}

Result<RunningPod::Command> RunningPod::CommandFor(
    const std::string& name, const std::vector<std::string>& arguments) const {
  if (contract_.EntryPoint(name).empty()) {
    return Err(Code::kUnsupported, "stage1 does not support ",
               name == "attach" ? "attaching to apps" : "mutable pods");
  }
  Command command;
  command.program = TRY(EntryPointPath(data_dir_, *pod_, contract_, name));
  command.argv = {command.program};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  std::string enter = TRY(EntryPointPath(data_dir_, *pod_, contract_, "enter"));
  command.env = {StrCat("PATH=", kCrossingPath), StrCat("RKT_STAGE1_ENTERCMD=", enter),
                 StrCat("RKT_STAGE1_ENTERPID=", pid_)};
  return command;
}

Result<ExitStatus> RunningPod::Call(const std::string& name,
                                    const std::vector<std::string>& arguments, int lock_fd) const {
  Command command = TRY(CommandFor(name, arguments));
  SpawnOptions spawn;
  spawn.program = std::move(command.program);
  spawn.argv = std::move(command.argv);
  spawn.env = std::move(command.env);
  spawn.directory = pod::kStage1Rootfs;
  if (lock_fd >= 0) spawn.fds = {{lock_fd, lock_fd}};
  return RunProgram(spawn);
}

Status RunningPod::Become(const std::string& name,
                          const std::vector<std::string>& arguments) const {
  Command command = TRY(CommandFor(name, arguments));
  auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (std::string& text : texts) list.push_back(text.data());
    list.push_back(nullptr);
    return list;
  };
  if (::chdir(pod::kStage1Rootfs) != 0) return SysErr("entering stage1's root");
  ::execve(command.program.c_str(), pointers(command.argv).data(), pointers(command.env).data());
  return SysErr("executing stage1's ", command.program);
}

}  // namespace rkt::stage0
