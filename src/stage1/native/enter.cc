// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /enter: one more program in a running app, as confined as the app itself: its namespaces, control groups,
// capabilities and seccomp filter. It runs as root, as enter always did. Nothing of the pod is loaded or executed
// before all of that is in force; this program is static and comes from stage1's tree, not from the pod.

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/cgroup/layout.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "pod/paths.h"
#include "stage1/common/environment.h"
#include "stage1/common/program_lookup.h"
#include "stage1/native/commands.h"
#include "stage1/native/plan.h"

namespace rkt::native {

namespace {

constexpr int kUnknownApp = 6;
constexpr int kCannotExecute = 1;

// What the pod was started with, as far as it loosens the confinement.
Result<RunOptions> ReadRuntimeConfig(int pod_dir) {
  RunOptions options;
  auto text = ReadFileAt(pod_dir, pod::kRuntimeConfigFile, 1 << 20);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return options;
    return std::move(text).error();
  }
  json::Value config = TRY_CTX(json::Parse(*text), pod::kRuntimeConfigFile);
  const json::Value* insecure = config.Find("InsecureOptions");
  auto flag = [&](const char* name) {
    const json::Value* value = insecure != nullptr ? insecure->Find(name) : nullptr;
    return value != nullptr && value->is_bool() && value->boolean();
  };
  options.disable_paths = flag("DisablePaths");
  options.disable_capabilities = flag("DisableCapabilities");
  options.disable_seccomp = flag("DisableSeccomp");
  return options;
}

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

// The app's main process as the host counts: the child of the pod's pid 1 that has the number which the supervisor
// has written down. kNotFound where the app has ended.
Result<int> FindAppProcess(int pod_pid, int pod_root, const std::string& app) {
  Fd file = TRY(OpenInRoot(pod_root, StrCat("dev/pid-", app), O_RDONLY | O_NONBLOCK));
  std::string text = TRY(ReadFd(file.get(), 64));
  int inner = static_cast<int>(ParseInt(Trim(text)).value_or(0));
  if (inner <= 1) return Err(Code::kCorrupt, "dev/pid-", app, ": ", Quote(text), " is no process id");
  std::string children = TRY(ReadFile(StrCat("/proc/", pod_pid, "/task/", pod_pid, "/children"), 1 << 20));
  for (const std::string& word : Split(children, ' ')) {
    auto pid = ParseInt(word);
    if (pid && InnerPid(static_cast<int>(*pid)) == inner) return static_cast<int>(*pid);
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

Result<Fd> PidFd(int pid) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return SysErr("process ", pid);
  return fd;
}

int WaitFor(pid_t pid) {
  // The terminal's signals are for the program inside.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  int status;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 254;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
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
  appc::App section;
  if (runtime->app) {
    section = *runtime->app;
  } else {
    std::string image_text = TRY(ReadFileAt(pod_dir.get(), pod::AppImageManifest(options.app)));
    appc::ImageManifest image = TRY_CTX(appc::ParseImageManifest(image_text), "image manifest");
    if (image.app) section = *image.app;
  }
  AppPlan app;
  app.name = options.app;
  TRY(PlanConfinement(app, section, TRY(ReadRuntimeConfig(pod_dir.get()))));

  Fd pod_process = TRY(PidFd(options.pid));
  Fd pod_root = TRY(Open(StrCat("/proc/", options.pid, "/root"), O_PATH | O_DIRECTORY));
  int app_pid = TRY_CTX(FindAppProcess(options.pid, pod_root.get(), options.app), "app ", Quote(options.app),
                        " is not running");
  Fd app_process = TRY(PidFd(app_pid));
  Fd app_root = TRY(Open(StrCat("/proc/", app_pid, "/root"), O_PATH | O_DIRECTORY));
  std::vector<Fd> groups = TRY(OpenGroups(pod_dir.get(), app_pid));
  const char* term = ::getenv("TERM");
  app.environment.push_back(StrCat("TERM=", term != nullptr && *term != '\0' ? term : "vt100"));

  app.working_directory = "/";
  app.oom_score_adj.reset();
  app.main.exec = options.argv;
  app.main.identity.groups = {0};
  app.main.no_new_privileges = appc::NoNewPrivileges(section.isolators);
  auto program = stage1::FindProgram(app_root.get(), options.argv[0], "/",
                                     stage1::EnvironmentValue(app.environment, "PATH"));
  if (!program) {
    PrintError("enter", program.error());
    return kCannotExecute;
  }
  app.main.program = *program;

  ChildStorage storage;
  AppChildPlan child = MakeChildPlan(app, app.main, storage);
  child.stdin_fd = 0;
  child.stdout_fd = 1;
  child.stderr_fd = 2;
  std::vector<int> tasks;
  for (const Fd& fd : groups) tasks.push_back(fd.get());
  child.cgroup_tasks = tasks.data();
  child.cgroup_count = tasks.size();

  // Which namespaces the pod has of its own does not matter: joining one's own again is nothing.
  if (::setns(pod_process.get(), CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) != 0 ||
      ::setns(app_process.get(), CLONE_NEWNS) != 0) {
    return SysErr("joining the namespaces of the pod");
  }
  AppFailure failure;
  pid_t pid = StartEntered(child, &failure);
  if (pid < 0) return SysErr("clone");
  int status = WaitFor(pid);
  if (failure.step == AppStep::kNone) return status;
  if (failure.step == AppStep::kExec) {
    Notice("enter", StrCat("Error: ", stage1::ExplainExecFailure(app_root.get(), app.main.program, failure.err)));
  } else {
    PrintError("enter", ErrnoError(failure.err, AppStepName(failure.step)));
  }
  return kCannotExecute;
}

}  // namespace rkt::native
