// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/groups.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"

namespace rkt::cgroup {

namespace {

constexpr int kMaxDepth = 128;

Status WriteControl(const std::string& path, const std::string& text) {
  Result<Fd> file = Open(path, O_WRONLY);
  if (!file) return ErrnoError(file.error().err(), StrCat("write ", Quote(text), " to ", path));
  ssize_t written = ::write(file->get(), text.data(), text.size());
  if (written < 0) return SysErr("write ", Quote(text), " to ", path);
  return {};
}

// One step of the kind kWrite.
Status Write(const Step& step, std::vector<Missing>* missing) {
  Status written = WriteControl(step.path, step.text);
  auto no_file = [](const Status& status) { return !status && status.error().err() == ENOENT; };
  if (no_file(written) && !step.otherwise.empty()) {
    written = WriteControl(step.otherwise, step.otherwise_text);
  }
  if (written || step.optional) return {};
  if (no_file(written) && !step.isolator.empty()) {
    missing->push_back({step.app, step.isolator});
    return {};
  }
  return written;
}

// Moves all processes of one v2 group into another. Those that start meanwhile are found by another
// look; a kernel thread or a process that is not to be seen from here keeps the group from being
// emptied, which whoever needs it empty will be told by the kernel.
Status MoveAll(const std::string& from, const std::string& to) {
  std::string target = StrCat(to, "/cgroup.procs");
  for (int look = 0; look < 20; ++look) {
    std::string pids = TRY(ReadFile(StrCat(from, "/cgroup.procs")));
    bool moved = false;
    for (const std::string& pid : Split(pids, '\n')) {
      if (pid.empty() || pid == "0") continue;
      Status written = WriteControl(target, pid);
      if (!written && written.error().err() != ESRCH) return written;
      moved = true;
    }
    if (!moved) break;
  }
  return {};
}

int64_t NowMs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

// Removes the groups beneath `group` and, unless `keep`, itself. Control files go with their
// directory.
Status RemoveGroup(int dir, const std::string& name, bool keep, int depth) {
  Result<Fd> group = OpenAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!group) {
    if (group.error().err() == ENOENT || group.error().err() == ENODEV) return {};
    return std::move(group).error();
  }
  if (depth > kMaxDepth) return Err(Code::kInvalid, "groups are nested too deeply");
  Status result;
  for (const DirEntry& entry : TRY(ListDirFd(group->get()))) {
    if (entry.type != DT_DIR) continue;
    Status removed = RemoveGroup(group->get(), entry.name, false, depth + 1);
    if (!removed) result = std::move(removed);
  }
  if (!result || keep) return result;
  if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return SysErr("remove group ", name);
  }
  return {};
}

std::vector<pid_t> ReadPids(int group) {
  std::vector<pid_t> pids;
  Result<std::string> text = ReadFileAt(group, "cgroup.procs");
  if (!text) return pids;
  for (const std::string& line : Split(*text, '\n')) {
    auto pid = ParseInt(line);
    // 0: a process that our pid namespace does not show; the pod's own init takes it along.
    if (pid && *pid > 0) pids.push_back(static_cast<pid_t>(*pid));
  }
  return pids;
}

// Kills the processes of a v1 group and of those beneath it.
void KillMembers(int dir, const std::string& name, int depth) {
  Result<Fd> group = OpenAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!group || depth > kMaxDepth) return;
  // A pid could have gone to somebody else since we read it: hold the process first, then see that
  // it is in here.
  std::vector<std::pair<pid_t, Fd>> held;
  for (pid_t pid : ReadPids(group->get())) {
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) held.emplace_back(pid, Fd(fd));
  }
  if (!held.empty()) {
    std::vector<pid_t> now = ReadPids(group->get());
    for (const auto& [pid, fd] : held) {
      if (std::find(now.begin(), now.end(), pid) != now.end()) {
        ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
      }
    }
  }
  Result<std::vector<DirEntry>> entries = ListDirFd(group->get());
  if (!entries) return;
  for (const DirEntry& entry : *entries) {
    if (entry.type == DT_DIR) KillMembers(group->get(), entry.name, depth + 1);
  }
}

// Removes a group of the pod's own with everything in it.
Status RemoveOwned(const std::string& path, int64_t deadline) {
  for (long pause_us = 200;; pause_us = std::min(pause_us * 2, 20000L)) {
    Status removed = RemoveGroup(AT_FDCWD, path, false, 0);
    if (removed) return removed;
    if (removed.error().err() != EBUSY || NowMs() >= deadline) {
      return std::move(removed).error().Wrap(StrCat("removing control group ", path));
    }
    if (!WriteControl(StrCat(path, "/cgroup.kill"), "1")) KillMembers(AT_FDCWD, path, 0);
    timespec pause = {0, pause_us * 1000};
    ::nanosleep(&pause, nullptr);
  }
}

// Whether `path` is the group or beneath it.
bool IsWithin(std::string_view path, std::string_view group) {
  return path.starts_with(group) && (path.size() == group.size() || path[group.size()] == '/');
}

// Whether this process is in the group in some hierarchy.
Result<bool> ContainsSelf(std::string_view subcgroup) {
  std::string text = TRY(ReadFile("/proc/self/cgroup"));
  for (const std::string& line : Split(text, '\n')) {
    size_t slash = line.find(":/");
    if (slash == std::string::npos) continue;
    if (IsWithin(std::string_view(line).substr(slash + 2), subcgroup)) return true;
  }
  return false;
}

Status CheckSubcgroup(std::string_view subcgroup) {
  for (const std::string& name : Split(subcgroup, '/')) {
    if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string::npos) {
      return Err(Code::kInvalid, "invalid control group path ", Quote(subcgroup));
    }
  }
  return {};
}

Result<PodGroups::App> EnterableApp(const Plan::App& app) {
  PodGroups::App entry;
  if (!app.v2_group.empty()) entry.v2 = TRY(Open(app.v2_group, O_PATH | O_DIRECTORY));
  for (const std::string& group : app.v1_groups) {
    entry.v1_tasks.push_back(TRY(Open(StrCat(group, "/tasks"), O_WRONLY)));
  }
  return entry;
}

Result<PodGroups> Enterable(Plan plan) {
  PodGroups groups;
  if (!plan.supervisor_group.empty()) {
    groups.supervisor = TRY(Open(plan.supervisor_group, O_PATH | O_DIRECTORY));
  }
  for (const Plan::App& app : plan.apps) groups.apps.push_back(TRY(EnterableApp(app)));
  groups.subcgroup = std::move(plan.subcgroup);
  groups.missing = std::move(plan.missing);
  return groups;
}

// Where the hierarchies are mounted.
Result<std::vector<std::string>> Tops() {
  std::vector<std::string> tops;
  if (Exists(StrCat(kRoot, "/cgroup.procs"))) {
    tops.emplace_back(kRoot);
    return tops;
  }
  Result<std::vector<DirEntry>> entries = ListDirAt(AT_FDCWD, kRoot);
  if (!entries) {
    if (entries.error().err() == ENOENT) return tops;
    return std::move(entries).error();
  }
  for (const DirEntry& entry : *entries) {
    if (entry.type == DT_DIR) tops.push_back(StrCat(kRoot, "/", entry.name));
  }
  return tops;
}

Status CheckMissing(const std::vector<Missing>& all, bool without) {
  for (const Missing& missing : all) {
    std::string whose =
        missing.app.empty() ? std::string("the pod") : StrCat("app ", Quote(missing.app));
    if (missing.isolator == kDevicePolicy) {
      return Err(Code::kNotFound, kDevicePolicy, " of ", whose,
                 " cannot be set: neither the devices controller nor the unified hierarchy is mounted");
    }
    if (without) continue;
    return Err(Code::kUnsupported, missing.isolator, " of ", whose,
               " cannot be set: support is disabled in the kernel");
  }
  return {};
}

}  // namespace

Status Execute(const std::vector<Step>& steps, std::vector<Missing>* missing) {
  for (const Step& step : steps) {
    switch (step.kind) {
      case Step::Kind::kMakeDir:
        if (::mkdir(step.path.c_str(), 0755) != 0 && errno != EEXIST) {
          return SysErr("make control group ", step.path);
        }
        break;
      case Step::Kind::kWrite:
        TRY(Write(step, missing));
        break;
      case Step::Kind::kMoveAll:
        TRY(MoveAll(step.text, step.path));
        break;
      case Step::Kind::kDevices:
        TRY(AttachDevicePolicy(step.path, step.devices));
        break;
    }
  }
  return {};
}

Result<Plan> PlanFor(const PodRequest& request) {
  Layout layout = TRY(Discover(request.has_limits()));
  Plan plan = MakePlan(layout, request);
  if (!plan.subcgroup.ends_with(".service/payload")) return plan;
  // Pods of one service that start at once: who makes the group has it.
  if (::mkdir(StrCat(layout.v2->mount_point, "/", plan.subcgroup).c_str(), 0755) == 0) return plan;
  if (errno != EEXIST) return SysErr("make control group ", plan.subcgroup);
  PodRequest another = request;
  another.unit_taken = true;
  return MakePlan(layout, another);
}

Result<PodGroups> Make(Plan plan, std::string_view uuid, bool without) {
  std::string subcgroup = plan.subcgroup;
  // What the machine as a whole cannot do is said before anything is made.
  TRY(CheckMissing(plan.missing, without));
  Status executed = Execute(plan.steps, &plan.missing);
  if (executed) executed = CheckMissing(plan.missing, without);
  Result<PodGroups> groups =
      executed ? Enterable(std::move(plan)) : Result<PodGroups>(std::move(executed).error());
  if (!groups) {
    // The failure that matters is the first one.
    Status removed = Remove(subcgroup, uuid);
    (void)removed;
  }
  return groups;
}

Result<PodGroups::App> AddApp(std::string_view subcgroup, const PodRequest& request, bool without,
                              std::vector<Missing>* missing) {
  if (subcgroup.empty()) return PodGroups::App();
  TRY(CheckSubcgroup(subcgroup));
  Plan plan = MakeAppPlan(TRY(Discover(true)), subcgroup, request);
  TRY(CheckMissing(plan.missing, without));
  TRY(Execute(plan.steps, &plan.missing));
  TRY(CheckMissing(plan.missing, without));
  *missing = plan.missing;
  return EnterableApp(plan.apps[0]);
}

Status RemoveApp(std::string_view subcgroup, std::string_view app, int timeout_ms) {
  if (subcgroup.empty()) return {};
  TRY(CheckSubcgroup(subcgroup));
  Status result;
  int64_t deadline = NowMs() + timeout_ms;
  for (const std::string& top : TRY(Tops())) {
    std::string path = StrCat(top, "/", subcgroup, "/system.slice/", app, ".service");
    Status removed = RemoveOwned(path, deadline);
    if (!removed && result) result = std::move(removed);
  }
  return result;
}

Result<PodGroups> SetUp(const PodRequest& request) {
  return Make(TRY(PlanFor(request)), request.uuid);
}

Status Remove(std::string_view subcgroup, std::string_view uuid, int timeout_ms) {
  if (subcgroup.starts_with('/')) subcgroup.remove_prefix(1);
  if (subcgroup.empty()) return {};
  TRY(CheckSubcgroup(subcgroup));
  std::string_view last = subcgroup.substr(subcgroup.rfind('/') + 1);
  bool owned = last == ScopeName(uuid);
  // A unit started again runs another pod in the same groups: only what is empty goes, and nothing
  // is killed.
  bool unit = last.ends_with(".service");
  bool payload = subcgroup.ends_with(".service/payload");
  if (!owned && !unit && !payload) {
    return Err(Code::kInvalid, "control group ", Quote(subcgroup), " is not one of pod ", uuid);
  }
  if (owned && TRY(ContainsSelf(subcgroup))) return {};

  Status result;
  int64_t deadline = NowMs() + timeout_ms;
  for (const std::string& top : TRY(Tops())) {
    std::string path = StrCat(top, "/", subcgroup);
    Status removed = owned     ? RemoveOwned(path, deadline)
                     : payload ? RemoveGroup(AT_FDCWD, path, false, 0)
                               : RemoveGroup(AT_FDCWD, StrCat(path, "/system.slice"), false, 0);
    if (!removed && !owned && removed.error().err() == EBUSY) continue;
    if (!removed && result) result = std::move(removed);
  }
  return result;
}

}  // namespace rkt::cgroup
