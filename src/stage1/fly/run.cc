// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/fly/run.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage1/common/environment.h"
#include "stage1/common/identity_child.h"
#include "stage1/common/metadata.h"
#include "stage1/common/program_lookup.h"
#include "stage1/fly/app.h"
#include "stage1/fly/mounts.h"

namespace rkt::fly {
namespace {

constexpr char kFallbackHosts[] = "127.0.0.1 localhost localdomain\n";

// Replaces a file of the app, whatever the image has in its place.
Status PlaceFile(int root, const std::string& path, const std::string& text) {
  size_t slash = path.rfind('/');
  Fd dir = TRY(OpenTarget(root, path.substr(0, slash), /*directory=*/true));
  std::string name = path.substr(slash + 1);
  TRY(UnlinkAt(dir.get(), name));
  return WriteFileAt(dir.get(), name, text, 0644);
}

Status PlaceNameFiles(int root, const RunArguments& arguments, std::vector<MountStep>* mounts) {
  if (arguments.resolv_mode == "host") {
    mounts->push_back(
        {MountStep::Kind::kBind, "/etc/resolv.conf", "/etc/resolv.conf", false, true});
  } else if (arguments.resolv_mode == "stage0") {
    std::string text = TRY(ReadFile(StrCat(pod::kStage1Rootfs, "/", pod::kResolvConf), 1 << 20));
    TRY(PlaceFile(root, "/etc/resolv.conf", text));
  }
  if (arguments.hosts_mode == "host") {
    mounts->push_back({MountStep::Kind::kBind, "/etc/hosts", "/etc/hosts", false, true});
  } else if (arguments.hosts_mode == "stage0") {
    std::string text = TRY(ReadFile(StrCat(pod::kStage1Rootfs, "/", pod::kHosts), 1 << 20));
    TRY(PlaceFile(root, "/etc/hosts", text));
  } else if (!OpenInRoot(root, "/etc/hosts", O_PATH | O_NOFOLLOW)) {
    TRY(PlaceFile(root, "/etc/hosts", kFallbackHosts));
  }
  return {};
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Everything but the standard streams and the descriptor that carries the pod's lock: as long as
// the app lives it is how the pod is known to run.
Status CloseAllBut(int keep) {
  if (keep < 3) {
    if (::close_range(3, ~0u, 0) != 0) return SysErr("closing descriptors");
    return {};
  }
  if (::fcntl(keep, F_SETFD, 0) != 0) return SysErr("keeping the pod's lock");
  if (keep > 3 && ::close_range(3, static_cast<unsigned>(keep) - 1, 0) != 0)
    return SysErr("closing descriptors");
  if (::close_range(static_cast<unsigned>(keep) + 1, ~0u, 0) != 0)
    return SysErr("closing descriptors");
  return {};
}

int LockFd() {
  const char* text = ::getenv("RKT_LOCK_FD");
  if (!text) return -1;
  int fd = static_cast<int>(ParseInt(text).value_or(-1));
  return fd >= 3 && ::fcntl(fd, F_GETFD) >= 0 ? fd : -1;
}

Status BecomeUser(const stage1::Identity& identity) {
  stage1::IdentityStep failed = stage1::IdentityStep::kNone;
  int err = stage1::ApplyIdentity(identity.uid, identity.gid, identity.groups.data(),
                                  identity.groups.size(), &failed);
  if (err != 0) return ErrnoError(err, stage1::IdentityStepText(failed));
  return {};
}

Status EnterRoot(int root) {
  if (::fchdir(root) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0)
    return SysErr("entering the app's root");
  return {};
}

Status EnterPrivateMounts() {
  // Our stage0 has done it already and says so for this very process.
  const char* done = ::getenv("RKT_PRIVATE_MOUNTS");
  if (done && ParseInt(done) == ::getpid()) return {};
  if (::unshare(CLONE_NEWNS) != 0) return SysErr("making a mount namespace");
  return SetPropagation("/", MS_SLAVE, /*recursive=*/true);
}

}  // namespace

Status Run(const RunArguments& arguments) {
  for (const std::string& name : arguments.ignored) {
    std::string text = StrCat("Warning: -", name, " not supported; ignoring\n");
    TRY(WriteAll(STDOUT_FILENO, text));
  }
  FlyApp fly = TRY(ReadApp());
  const std::string& name = fly.app()->name;
  std::vector<MountStep> mounts = TRY(PlanMounts(fly.pod, *fly.app(), fly.section));
  stage1::EnvironmentRequest request;
  for (const appc::EnvironmentVariable& variable : fly.section.environment) {
    request.app.emplace_back(variable.name, variable.value);
  }
  if (!arguments.metadata_token.empty()) {
    request.metadata_url =
        TRY(stage1::AnnouncePod(AT_FDCWD, arguments.uuid, arguments.metadata_token, {}, "127.0.0.1"));
  }
  std::vector<std::string> environment = TRY(stage1::AppEnvironment(request));
  if (fly.section.exec.empty()) return Err(Code::kInvalid, "app ", name, " has nothing to execute");

  TRY(EnterPrivateMounts());
  std::string rootfs = StrCat(pod::kStage1Rootfs, "/", pod::AppRootfs(name));
  Fd root = TRY(Open(rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  TRY(PlaceNameFiles(root.get(), arguments, &mounts));
  TRY(MakeMounts(root.get(), mounts));

  stage1::Identity identity = TRY(AppIdentity(root.get(), fly));
  const std::string& directory = fly.section.working_directory;
  std::string program =
      TRY(stage1::FindProgram(root.get(), fly.section.exec[0], directory.empty() ? "/" : directory,
                              stage1::EnvironmentValue(environment, "PATH")));
  std::string env_dir = StrCat(pod::kStage1Rootfs, "/", pod::kEnvDir);
  TRY(MakeDirs(env_dir, 0755));
  TRY(WriteFileAt(AT_FDCWD, StrCat(env_dir, "/", name), stage1::EnvironmentFileText(environment),
                  0644, true));
  // Mounts and processes go by themselves: the gc entry point need not be run.
  TRY(WriteFileAt(AT_FDCWD, pod::kNothingToCollect, "", 0640, true));
  TRY(WriteFileAt(AT_FDCWD, pod::kPgidFile, StrCat(::getpgrp(), "\n"), 0644, true));
  // Last: from here on others may enter and stop.
  TRY(WriteFileAtomicAt(AT_FDCWD, pod::kPidFile, StrCat(::getpid(), "\n"), 0644));

  Fd inside = TRY(OpenInRoot(root.get(), "/", O_PATH | O_DIRECTORY));
  TRY(EnterRoot(inside.get()));
  if (!directory.empty() && ::chdir(directory.c_str()) != 0)
    return SysErr("working directory ", directory);
  TRY(CloseAllBut(LockFd()));
  (void)root.Release();
  (void)inside.Release();
  TRY(BecomeUser(identity));
  std::vector<std::string> argv = fly.section.exec;
  ::execve(program.c_str(), Pointers(argv).data(), Pointers(environment).data());
  return SysErr("executing ", program);
}

Status Enter(const EnterArguments& arguments) {
  FlyApp fly = TRY(ReadApp());
  if (fly.app()->name != arguments.app)
    return Err(Code::kNotFound, "the pod has no app ", Quote(arguments.app));
  std::string proc = StrCat("/proc/", arguments.pid);
  std::string env_file = StrCat(TRY(Stage1Dir()), "/", pod::AppEnvFile(arguments.app));
  std::vector<std::string> environment =
      stage1::ParseEnvironmentFile(TRY_CTX(ReadFile(env_file), "reading the app's environment"));
  Fd root = TRY_CTX(Open(StrCat(proc, "/root"), O_PATH | O_DIRECTORY), "the pod's root");
  Fd mounts = TRY(Open(StrCat(proc, "/ns/mnt"), O_RDONLY));
  if (::setns(mounts.get(), CLONE_NEWNS) != 0) return SysErr("entering the pod's mounts");
  stage1::Identity identity = TRY(AppIdentity(root.get(), fly));
  const std::string user = arguments.user.empty() && arguments.privileged ? "root" : arguments.user;
  if (!user.empty() || !arguments.group.empty()) {
    identity = TRY(stage1::ResolveOther(root.get(), user, arguments.group, identity));
  }
  TRY(EnterRoot(root.get()));
  TRY(CloseAllBut(-1));
  (void)root.Release();
  (void)mounts.Release();
  TRY(BecomeUser(identity));
  std::vector<std::string> argv = arguments.command;
  ::execve(argv[0].c_str(), Pointers(argv).data(), Pointers(environment).data());
  return SysErr("executing ", argv[0]);
}

Status Stop(const StopArguments& arguments) {
  int signal = arguments.force ? SIGKILL : SIGTERM;
  auto number = [](const char* file) -> Result<int> {
    std::string text = TRY(ReadFile(file, 64));
    auto value = ParseInt(Trim(text));
    // 0 and -1 mean many processes to kill(2), and 1 is the host's.
    if (!value || *value <= 1 || *value > INT32_MAX)
      return Err(Code::kCorrupt, file, " holds no process id");
    return static_cast<int>(*value);
  };
  int pid = TRY(number(pod::kPidFile));
  if (::kill(pid, signal) == 0) return {};
  if (errno != ESRCH) return SysErr("signalling process ", pid);
  int group = TRY(number(pod::kPgidFile));
  if (::kill(-group, signal) != 0) return SysErr("signalling process group ", group);
  return {};
}

}  // namespace rkt::fly
