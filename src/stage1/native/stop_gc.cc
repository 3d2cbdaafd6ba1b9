// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /stop and /gc: from outside, in the pod's directory.

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cgroup/groups.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "pod/paths.h"
#include "stage1/native/commands.h"
#include "stage1/native/options.h"
#include "stage1/native/pod_network.h"

namespace rkt::native {

namespace {

Result<Fd> OpenProcess(int pid) {
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return SysErr("process ", pid);
  return pidfd;
}

// The pod's pid 1, as the host counts.
Result<int> ReadPid(int pod_dir) {
  std::string text = TRY(ReadFileAt(pod_dir, pod::kPidFile, 64));
  auto pid = ParseInt(Trim(text));
  if (!pid || *pid <= 1) return Err(Code::kCorrupt, pod::kPidFile, ": ", Quote(text), " is no process id");
  return static_cast<int>(*pid);
}

// The fourth field of /proc/PID/stat, behind the name in brackets.
Result<int> ParentOf(int pid) {
  std::string stat = TRY(ReadFile(StrCat("/proc/", pid, "/stat"), 4096));
  size_t bracket = stat.rfind(')');
  auto fields = Split(std::string_view(stat).substr(bracket == std::string::npos ? 0 : bracket + 1), ' ');
  auto parent = fields.size() > 2 ? ParseInt(fields[2]) : std::nullopt;
  if (!parent || *parent <= 1) return Err(Code::kNotFound, "the process that runs the pod is gone");
  return static_cast<int>(*parent);
}

Status Send(const Fd& pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH) {
    return SysErr("signalling the pod");
  }
  return {};
}

// systemd ends a scope of its own when it sees the group empty, which it cannot once the group is gone: the pod would stay on
// machined's list. So the group of a pod that was killed a moment ago is left to it, for a short time. Only scopes that
// systemd has delegated are waited for.
void LetScopeEnd(const std::string& subcgroup) {
  std::string group = StrCat("/sys/fs/cgroup/", subcgroup);
  bool delegated = ::getxattr(group.c_str(), "trusted.delegate", nullptr, 0) > 0 ||
                   ::getxattr(group.c_str(), "user.delegate", nullptr, 0) > 0;
  if (!delegated || !subcgroup.ends_with(".scope")) return;
  constexpr int kPatienceUs = 3000000, kPauseUs = 2000;
  for (int waited = 0; waited < kPatienceUs && Exists(group); waited += kPauseUs) ::usleep(kPauseUs);
}

}  // namespace

Result<int> StopCommand(const std::vector<std::string>& arguments) {
  StopOptions options = TRY(ParseStopOptions(arguments));
  Fd pod_dir = TRY(Open(".", O_RDONLY | O_DIRECTORY));
  int pid = TRY(ReadPid(pod_dir.get()));
  Fd init = TRY(OpenProcess(pid));
  Fd outside = TRY(OpenProcess(TRY(ParentOf(pid))));
  // The lock lives as long as the pod: held after the processes were opened, they are the pod's and no successors of
  // the same number.
  Fd again = TRY(OpenAt(pod_dir.get(), ".", O_RDONLY | O_DIRECTORY));
  if (TRY(Lock::TryFd(std::move(again), Lock::Kind::kShared))) {
    return Err(Code::kNotFound, "the pod is not running");
  }
  if (!options.force) {
    TRY(Send(outside, SIGTERM));
    return 0;
  }
  // In this order: otherwise the process outside might hear of the pod's end first and exit with its status. The pod dies
  // with it in any case.
  TRY(Send(outside, SIGKILL));
  TRY(Send(init, SIGKILL));
  return 0;
}

Result<int> GcCommand(const std::vector<std::string>& arguments) {
  std::string uuid;
  std::string local_config = "/etc/rkt";
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--local-config" && i + 1 < arguments.size()) {
      local_config = arguments[++i];
    } else if (auto normalized = NormalizeUuid(arguments[i])) {
      uuid = *normalized;
    }
  }
  if (uuid.empty()) return Err(Code::kInvalid, "UUID is missing or malformed");
  char pod_path[PATH_MAX];
  if (::getcwd(pod_path, sizeof pod_path) == nullptr) return SysErr("getcwd");
  TRY(TearDownNetwork(uuid, pod_path, local_config, /*by_owner=*/false));
  auto subcgroup = ReadFileAt(AT_FDCWD, pod::kSubcgroupFile, 4096);
  if (!subcgroup) return subcgroup.error().code() == Code::kNotFound ? Result<int>(0) : subcgroup.error();
  LetScopeEnd(*subcgroup);
  TRY(cgroup::Remove(*subcgroup, uuid));
  TRY(UnlinkAt(AT_FDCWD, pod::kSubcgroupFile));
  return 0;
}

}  // namespace rkt::native
