// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /enter: one more program in a running app, as confined as the app itself: its namespaces, control groups, limits,
// capabilities, seccomp filter, user, environment and working directory. Nothing of the pod is loaded or executed
// before all of that is in force; this program is static and comes from stage1's tree, not from the pod. What it reads
// of the pod: the supervisor's note of the app, and for --user and --group the image's passwd and group, inside its
// root.

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "base/cgroup/layout.h"
#include "base/file.h"
#include "base/log.h"
#include "pod/paths.h"
#include "stage1/common/environment.h"
#include "stage1/common/program_lookup.h"
#include "stage1/common/seccomp.h"
#include "stage1/native/commands.h"
#include "stage1/native/plan.h"
#include "stage1/native/running_app.h"
#include "stage1/native/runtime_config.h"
#include "stage1/native/session.h"

namespace rkt::native {

namespace {

constexpr int kUnknownApp = 6;
constexpr int kCannotExecute = 1;

// The last number of the line "NSpid:" of a process: its id in its own pid namespace. 0 where it cannot be read.
int InnerPid(int pid) {
  auto status = ReadFile(StrCat("/proc/", pid, "/status"), 1 << 16);
  if (!status) return 0;
  size_t at = status->find("\nNSpid:");
  if (at == std::string::npos) return 0;
  size_t end = status->find('\n', at + 1);
  std::string_view line = std::string_view(*status).substr(at, end - at);
  size_t last = line.find_last_of("\t ");
  return static_cast<int>(ParseInt(line.substr(last + 1)).value_or(0));
}

Result<Fd> PidFd(int pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return SysErr("process ", pid);
  return fd;
}

struct AppProcess {
  int pid = 0;                // as the host counts
  Fd pidfd;
  stage1::Identity identity;  // as the app was started
};

// The app's main process: the child of the pod's pid 1 that has the number which the supervisor has written down.
// kNotFound where the app has ended.
Result<AppProcess> FindAppProcess(int pod_pid, int pod_root, const std::string& app) {
  std::string name = RunningAppFile(app);
  Fd file = TRY(OpenInRoot(pod_root, name, O_RDONLY | O_NONBLOCK));
  RunningApp running = TRY_CTX(ParseRunning(TRY(ReadFd(file.get(), 1 << 20))), name);
  std::string children = TRY(ReadFile(StrCat("/proc/", pod_pid, "/task/", pod_pid, "/children"), 1 << 20));
  for (const std::string& word : Split(children, ' ')) {
    auto number = ParseInt(word);
    if (!number || InnerPid(static_cast<int>(*number)) != running.pid) continue;
    AppProcess process;
    process.pid = static_cast<int>(*number);
    process.pidfd = TRY(PidFd(process.pid));
    // The number may have become somebody else's before the descriptor was there.
    if (InnerPid(process.pid) != running.pid) break;
    process.identity = std::move(running.identity);
    return process;
  }
  return Err(Code::kNotFound, "its process has ended");
}

// `tasks` (v1) or `cgroup.procs` (v2) of the groups that the app is in and that belong to the pod.
Result<std::vector<Fd>> OpenGroups(int pod_dir, int app_pid) {
  std::vector<Fd> fds;
  auto subcgroup = ReadFileAt(pod_dir, pod::kSubcgroupFile, 4096);
  if (!subcgroup) return fds;
  cgroup::Layout layout = TRY(cgroup::Discover(true));
  std::string text = TRY(ReadFile(StrCat("/proc/", app_pid, "/cgroup"), 1 << 16));
  for (const std::string& line : Split(text, '\n')) {
    size_t first = line.find(':');
    size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path.find(*subcgroup) == std::string::npos) continue;
    if (controllers.empty()) {
      if (!layout.v2) continue;
      fds.push_back(TRY(Open(StrCat(layout.v2->mount_point, path, "/cgroup.procs"), O_WRONLY)));
    } else if (const cgroup::Hierarchy* hierarchy = layout.Find(Split(controllers, ',')[0])) {
      fds.push_back(TRY(Open(StrCat(hierarchy->mount_point, path, "/tasks"), O_WRONLY)));
    }
  }
  return fds;
}

// The app's limits, by number, from /proc/PID/limits: a title, then a line each in the order of the numbers, whose
// fields stand in columns. (prlimit(2) would want CAP_SYS_RESOURCE of us.)
Result<std::array<rlimit, RLIM_NLIMITS>> ReadLimits(int pid) {
  constexpr size_t kNameWidth = 26;
  std::string path = StrCat("/proc/", pid, "/limits");
  std::vector<std::string> lines = Split(TRY(ReadFile(path, 1 << 16)), '\n');
  std::array<rlimit, RLIM_NLIMITS> limits;
  auto number = [](std::string_view& rest) -> std::optional<rlim_t> {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    if (word == "unlimited") return RLIM_INFINITY;
    return ParseUint(word);
  };
  for (size_t resource = 0; resource < limits.size(); ++resource) {
    std::string_view rest = resource + 1 < lines.size() ? lines[resource + 1] : std::string_view();
    rest.remove_prefix(std::min(kNameWidth, rest.size()));
    auto soft = number(rest);
    auto hard = number(rest);
    if (!soft || !hard) return Err(Code::kCorrupt, path, ": line ", resource + 2, " has no limits");
    limits[resource] = {*soft, *hard};
  }
  return limits;
}

// The label that the app's program runs with, for this one: where it has another than ours.
void PlanLabel(AppPlan& app, int pid) {
  constexpr char kApparmorFile[] = "attr/apparmor/current";
  for (const char* name : {kApparmorFile, "attr/current"}) {
    // EINVAL: no kind of labels is on.
    auto label = ReadFile(StrCat("/proc/", pid, "/", name), 1 << 16);
    if (!label) continue;
    auto own = ReadFile(StrCat("/proc/self/", name), 1 << 16);
    if (own && *own == *label) return;
    label->resize(std::min(label->find_first_of(std::string("\0\n", 2)), label->size()));
    // AppArmor says how it holds: "PROFILE (enforce)".
    size_t mode = label->rfind(" (");
    bool apparmor = name == kApparmorFile || mode != std::string::npos;
    if (mode != std::string::npos) label->resize(mode);
    if (label->empty() || *label == "unconfined") return;
    app.label_file = Exists(kApparmorLabelFile) && apparmor ? kApparmorLabelFile : kSelinuxLabelFile;
    app.label = apparmor ? StrCat("exec ", *label) : *label;
    return;
  }
}

// Those of the namespaces of an app's process that are entered last. One's own user namespace cannot be joined again.
Result<int> LateNamespaces(int pid) {
  int late = CLONE_NEWCGROUP;
  struct stat own = TRY(StatAt(AT_FDCWD, "/proc/self/ns/user", true));
  struct stat apps = TRY(StatAt(AT_FDCWD, StrCat("/proc/", pid, "/ns/user"), true));
  if (own.st_ino != apps.st_ino || own.st_dev != apps.st_dev) late |= CLONE_NEWUSER;
  return late;
}

// The ids of the host that the pod's users are; nothing for a pod without users of its own.
Result<std::optional<IdRange>> ReadUsers(int pod_dir) {
  auto text = ReadFileAt(pod_dir, pod::kPrivateUsersFile, 64);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return std::optional<IdRange>();
    return std::move(text).error();
  }
  return std::optional<IdRange>(TRY_CTX(ParseIdRange(Trim(*text)), pod::kPrivateUsersFile));
}

Result<appc::App> ReadSection(int pod_dir, const appc::RuntimeApp& runtime) {
  if (runtime.app) return *runtime.app;
  std::string text = TRY(ReadFileAt(pod_dir, pod::AppImageManifest(runtime.name)));
  appc::ImageManifest image = TRY_CTX(appc::ParseImageManifest(text), "image manifest");
  return image.app ? *std::move(image.app) : appc::App{};
}

// Beside the app's own variables that of the caller's terminal.
void SetTerm(std::vector<std::string>& environment) {
  std::erase_if(environment, [](const std::string& entry) { return entry.starts_with("TERM="); });
  const char* term = ::getenv("TERM");
  environment.push_back(StrCat("TERM=", term != nullptr && *term != '\0' ? term : "vt100"));
}

// The confinement of the app, loosened as the pod's flags and this command's say.
Result<AppPlan> PlanEntered(int pod_dir, const EnterOptions& options, const appc::App& section) {
  RunOptions loosened = TRY(ReadRuntimeConfig(pod_dir));
  loosened.disable_capabilities |= options.privileged;
  loosened.disable_seccomp |= options.privileged;
  AppPlan app;
  app.name = options.app;
  TRY(PlanConfinement(app, pod_dir, section, loosened));
  // Without a policy there still is a filter that keeps device nodes from being made.
  if (options.privileged) app.seccomp = {};
  app.main.exec = options.argv;
  SetTerm(app.environment);
  return app;
}

// Who runs it, and whether that may gain privileges. `root` is the app's.
Status PlanIdentity(AppPlan& app, const EnterOptions& options, const appc::App& section, int root,
                    stage1::Identity apps_own, const std::optional<IdRange>& users) {
  const std::string user = options.user.empty() && options.privileged ? "root" : options.user;
  if (user.empty() && options.group.empty()) {
    app.main.identity = std::move(apps_own);
  } else {
    app.main.identity = TRY(stage1::ResolveOther(root, user, options.group, apps_own, users));
  }
  app.main.no_new_privileges =
      !options.privileged &&
      (appc::NoNewPrivileges(section.isolators) ||
       stage1::SeccompNeedsNoNewPrivileges(!app.seccomp.empty(), app.main.identity.uid));
  return {};
}

int Explain(const AppPlan& app, const AppFailure& failure, int root) {
  if (failure.step == AppStep::kExec) {
    Notice("enter", StrCat("Error: ", stage1::ExplainExecFailure(root, app.main.program, failure.err)));
  } else {
    PrintError("enter", ErrnoError(failure.err, AppStepName(failure.step)));
  }
  return kCannotExecute;
}

}  // namespace

Result<int> EnterCommand(const std::vector<std::string>& arguments) {
  EnterOptions options = TRY(ParseEnterOptions(arguments));
  Fd pod_dir = TRY(Open(".", O_RDONLY | O_DIRECTORY));
  std::string text = TRY(ReadFileAt(pod_dir.get(), pod::kManifestFile));
  appc::PodManifest manifest = TRY_CTX(appc::ParsePodManifest(text), "pod manifest");
  const appc::RuntimeApp* runtime = manifest.FindApp(options.app);
  if (runtime == nullptr) {
    PrintError("enter", Err(Code::kNotFound, "no app ", Quote(options.app), " in the pod"));
    return kUnknownApp;
  }
  appc::App section = TRY(ReadSection(pod_dir.get(), *runtime));
  AppPlan app = TRY(PlanEntered(pod_dir.get(), options, section));

  Fd pod_process = TRY(PidFd(options.pid));
  Fd pod_root = TRY(Open(StrCat("/proc/", options.pid, "/root"), O_PATH | O_DIRECTORY));
  AppProcess process = TRY_CTX(FindAppProcess(options.pid, pod_root.get(), options.app), "app ", Quote(options.app),
                               " is not running");
  std::vector<Fd> groups = TRY(OpenGroups(pod_dir.get(), process.pid));
  auto limits = TRY(ReadLimits(process.pid));
  if (!options.privileged) PlanLabel(app, process.pid);
  Fd proc = TRY(Open("/proc", O_PATH | O_DIRECTORY));
  JoinPlan join;
  join.app_process = process.pidfd.get();
  join.namespaces = TRY(LateNamespaces(process.pid));
  join.proc = proc.get();
  join.limits = limits.data();
  auto users = TRY(ReadUsers(pod_dir.get()));
  Session session;
  if (Session::WantsTerminal()) TRY_CTX(session.OpenTerminal(pod_root.get(), process.pid), "making a terminal");

  // Which namespaces the pod has of its own does not matter: joining one's own again is nothing. From here on no path
  // is the host's any more.
  if (::setns(pod_process.get(), CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) != 0 ||
      ::setns(process.pidfd.get(), CLONE_NEWNS) != 0) {
    return SysErr("joining the namespaces of the pod");
  }
  // That of the namespace, not of the process: an app may have changed its root.
  Fd root = TRY(Open("/", O_PATH | O_DIRECTORY));
  TRY(PlanIdentity(app, options, section, root.get(), std::move(process.identity), users));
  auto program = stage1::FindProgram(root.get(), options.argv[0], app.working_directory,
                                     stage1::EnvironmentValue(app.environment, "PATH"));
  if (!program) {
    PrintError("enter", program.error());
    return kCannotExecute;
  }
  app.main.program = *program;

  ChildStorage storage;
  AppChildPlan child = MakeChildPlan(app, app.main, storage);
  std::vector<int> tasks;
  for (const Fd& fd : groups) tasks.push_back(fd.get());
  child.cgroup_tasks = tasks.data();
  child.cgroup_count = tasks.size();
  TRY(session.Connect(child));
  AppFailure failure;
  pid_t pid = StartEntered(child, join, &failure);
  if (pid < 0) return SysErr("clone");
  int status = session.Attend(pid);
  return failure.step == AppStep::kNone ? status : Explain(app, failure, root.get());
}

}  // namespace rkt::native
