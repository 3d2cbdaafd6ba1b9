// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /init: the process that `rkt run` became. It plans, makes the groups and files of the pod, clones pid 1 of the pod
// and waits; all that is between the user's shell and the pod: signals in, exit status out.

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <tuple>

#include "base/cgroup/groups.h"
#include "base/file.h"
#include "base/log.h"
#include "pod/paths.h"
#include "stage1/common/metadata.h"
#include "stage1/common/name_files.h"
#include "stage1/native/activation.h"
#include "stage1/native/commands.h"
#include "stage1/native/machine.h"
#include "stage1/native/memory.h"
#include "stage1/native/notify.h"
#include "stage1/native/options.h"
#include "stage1/native/parameters.h"
#include "stage1/native/plan.h"
#include "stage1/native/pod_mounts.h"
#include "stage1/native/pod_init.h"
#include "stage1/native/pod_network.h"
#include "stage1/native/signals.h"
#include "stage1/native/supervisor.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

// The longest wish of a pod's apps counts.
int StopTimeout(const PodPlan& plan) {
  int longest = -1;
  for (const AppPlan& app : plan.apps) longest = std::max(longest, app.stop_timeout_seconds);
  return longest < 0 ? kStopTimeoutSeconds : longest;
}

// What stage0 says beside the contract's arguments: RKT_PRIVATE_MOUNTS, that it has made a mount namespace for this
// process alone; RKT_SKIP_LIMITS, that limits which cannot be set are no reason not to run. It says so with the pid, so
// that the words mean nothing in anybody else's environment.
bool IsTold(const char* name) {
  const char* word = ::getenv(name);
  return word != nullptr && ParseInt(word) == ::getpid();
}

std::string Variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? value : "";
}

// Every app takes some open files of ours, and the caller's limit (LimitNOFILE of a unit) may be lower. Raised, it is so
// for us alone: the apps get the caller's again. kUnsupported where it cannot be.
Status RaiseOpenFiles(RunOptions& options, size_t apps) {
  constexpr rlim_t kOfPod = 24, kOfApp = 12, kRoom = 1024;
  rlim_t needed = kOfPod + kOfApp * apps;
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return SysErr("getrlimit");
  // Nobody knows how many apps will come.
  if (limit.rlim_cur >= (options.mutable_pod ? std::max(needed, kRoom) : needed)) return {};
  struct rlimit raised = {std::min(std::max(needed, kRoom), std::max(limit.rlim_max, needed)),
                          std::max(limit.rlim_max, needed)};
  if (raised.rlim_cur <= limit.rlim_cur) return {};
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) {
    return Err(Code::kInvalid, "a pod of ", apps, apps == 1 ? " app" : " apps", " needs ", needed,
               " open files, and the limit is ", limit.rlim_max, " (LimitNOFILE= of a unit, ulimit -n)");
  }
  options.open_files = limit;
  return {};
}

// What kind of terminal the caller has, as `enter` tells a command too.
std::string TerminalName() {
  const char* term = ::getenv("TERM");
  return term != nullptr && *term != '\0' ? term : "vt100";
}

Result<std::string> WorkingDirectory() {
  char path[PATH_MAX];
  if (::getcwd(path, sizeof path) == nullptr) return SysErr("getcwd");
  return std::string(path);
}

// The entries that --hosts-entry asks for come behind what every pod's file has.
Status CompleteHosts(int pod_dir, const PodPlan& plan, const RunOptions& options) {
  if (options.hosts_mode != "stage0") return {};
  std::string path = StrCat(pod::kStage1Rootfs, "/", pod::kHosts);
  std::string entries = TRY(ReadFileAt(pod_dir, path));
  return WriteFileAt(pod_dir, path, StrCat(stage1::FallbackHostsText(plan.hostname), entries), 0644, true);
}

Status OpenLogs(int pod_dir, const PodPlan& plan, SupervisorFiles& files) {
  LogSettings settings = TRY(ParseLogSettings(::getenv(kLogVariable)));
  TRY(MakeDirAt(pod_dir, pod::kLogsDir, 0750));
  LogTargets& targets = files.log_targets;
  targets.directory = TRY(OpenAt(pod_dir, pod::kLogsDir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  targets.limits = settings.limits;
  for (const AppPlan& app : plan.apps) {
    files.logs.push_back(TRY(OpenAt(targets.directory.get(), app.name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640)));
  }
  if (plan.private_users) targets.directory = TRY(OpenForPod(targets.directory.get(), *plan.private_users));
  // What goes over a terminal is between the two who sit at it.
  if (!settings.journal || plan.interactive) return {};
  targets.journal = Journal::Connect(kJournalSocket, plan.uuid);
  if (!targets.journal) return {};
  const char* stream = ::getenv("JOURNAL_STREAM");
  targets.stdout_is_journal = IsJournalStream(1, stream);
  targets.stderr_is_journal = IsJournalStream(2, stream);
  return {};
}

Result<cgroup::PodGroups> MakeGroups(int pod_dir, const PodPlan& plan, Machine& machine, bool skip_limits) {
  cgroup::PodRequest request = GroupRequest(plan);
  request.machine = machine.wanted();
  if (!HasOwnPidMax()) request.default_pids = plan.task_limit;
  cgroup::Plan groups_plan = TRY_CTX(cgroup::PlanFor(request), "control groups");
  if (!groups_plan.subcgroup.empty()) {
    // Written before they are made: whoever collects the pod must find them.
    TRY(WriteFileAt(pod_dir, pod::kSubcgroupFile, groups_plan.subcgroup, 0644, true));
  }
  // Without it the groups are the same, and the pod is none of machined's.
  if (groups_plan.scope) machine.OpenScope();
  auto groups = cgroup::Make(std::move(groups_plan), plan.uuid, skip_limits);
  if (!groups && groups.error().code() == Code::kUnsupported) {
    return Err(Code::kUnsupported, groups.error().Text(), " (--insecure-options=limits runs the pod without)");
  }
  if (!groups) return std::move(groups).error().Wrap("control groups");
  for (const cgroup::Missing& missing : groups->missing) {
    Notice("stage1",
           StrCat("warning: ", missing.isolator, " isolator set but support disabled in the kernel, skipping"));
  }
  return groups;
}

// The signals that end the pod: of those that come from a terminal only the ones that the caller had not ignored (nohup,
// a shell's job in the background).
sigset_t StoppingSignals() {
  sigset_t ignored = ResetIgnoredSignals();
  sigset_t stopping;
  sigemptyset(&stopping);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    if (signal == SIGTERM || sigismember(&ignored, signal) == 0) sigaddset(&stopping, signal);
  }
  return stopping;
}

// Overwrites what /proc/1/cmdline and /proc/1/environ show. Apps with CAP_SYS_ADMIN or CAP_PERFMON may read both
// (Linux 6.12), and the environment of rkt's caller is not theirs to know. The kernel lays the strings out as
// arguments, environment, name of the program.
void HideCaller(CommandLine command_line) {
  if (command_line.begin == nullptr) return;
  auto length = static_cast<size_t>(command_line.end - command_line.begin);
  memset(command_line.begin, 0, length);
  strncpy(command_line.begin, "rkt-pod", length);
  auto* after = reinterpret_cast<char*>(::getauxval(AT_EXECFN));
  if (after > command_line.end) memset(command_line.end, 0, static_cast<size_t>(after - command_line.end));
  ::clearenv();
}

// A process that is root of a pod only must not make others in a group of the host's: they enter by a file that was
// opened here.
Status EnterByFile(cgroup::PodGroups& groups) {
  for (cgroup::PodGroups::App& app : groups.apps) {
    if (!app.v2) continue;
    app.v1_tasks.push_back(TRY(OpenAt(app.v2.get(), "cgroup.procs", O_WRONLY)));
    app.v2.Close();
  }
  return {};
}

// Runs as pid 1 of the pod; never returns.
[[noreturn]] void PodMain(PodPlan& plan, const RunOptions& options, SupervisorFiles files, int stop_timeout,
                          CommandLine command_line, const std::string& pod_path) {
  Status built;
  if (plan.private_users) {
    if (auto file = Open("/proc/self/oom_score_adj", O_RDWR)) files.oom_score = *std::move(file);
    built = BecomePodRoot(files.users_word.get());
  }
  files.users_word.Close();
  // rkt's death is the pod's. (The signal is lost if rkt died before this line; then the pidfd tells.)
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "rkt-pod");
  HideCaller(command_line);
  if (built) {
    built = files.mounts != nullptr ? BuildMappedPodRoot(plan, options, *files.mounts) : BuildPodRoot(plan, options);
  }
  if (built && files.network_word) built = AwaitNetwork(files.network_word.get(), pod_path, plan);
  files.network_word.Close();
  if (built) built = SetKernelParameters(plan);
  if (!built) {
    PrintError("stage1", built.error());
    ::_exit(254);
  }
  int status = Supervisor(plan, options, std::move(files), stop_timeout).Run();
  ::_exit(status);
}

// Clones pid 1 of the pod into its namespaces.
Result<pid_t> ClonePod(PodPlan& plan, const RunOptions& options, SupervisorFiles& files, int stop_timeout,
                       CommandLine command_line, const std::string& pod_path, Machine& machine) {
  struct clone_args args = {};
  args.flags = CLONE_NEWPID | CLONE_NEWUTS;
  if (!plan.shares_mount_namespace) args.flags |= CLONE_NEWNS;
  if (plan.private_ipc) args.flags |= CLONE_NEWIPC;
  if (plan.private_users) args.flags |= CLONE_NEWUSER;
  if (!plan.host_network) args.flags |= CLONE_NEWNET;
  args.exit_signal = SIGCHLD;
  if (files.groups->supervisor) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(files.groups->supervisor.get());
  } else {
    // Our own groups are the root of all that the pod sees. (A group to be born in need not lie below them.)
    args.flags |= CLONE_NEWCGROUP;
  }
  long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) machine.LeaveScope();
  if (pid == 0) PodMain(plan, options, std::move(files), stop_timeout, command_line, pod_path);
  if (pid < 0) return SysErr("cloning the pod's namespaces");
  return static_cast<pid_t>(pid);
}

int StatusOf(int wait_status) { return WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status); }

// Waits for pid 1 of the pod and hands the stop signals on to it. Its wait status.
int WaitForPod(pid_t pod, const sigset_t& signals, Machine& machine) {
  for (;;) {
    constexpr struct timespec kIdle = {kIdleMs / 1000, kIdleMs % 1000 * 1000000};
    int signal = ::sigtimedwait(&signals, nullptr, &kIdle);
    if (signal < 0 && errno == EAGAIN) signal = AwaitSignalWithoutMemory(&signals);
    if (signal == SIGCHLD) {
      int status;
      if (::waitpid(pod, &status, WNOHANG) == pod) return status;
      machine.Reap();
      continue;
    }
    if (signal > 0) ::kill(pod, SIGTERM);
  }
}

}  // namespace

Result<int> RunCommand(const std::vector<std::string>& arguments, CommandLine command_line,
                       const appc::PodManifest* known) {
  RunOptions options = TRY(ParseRunOptions(arguments));
  options.tun_device = Exists("/dev/net/tun");
  if (options.interactive && ::isatty(0)) options.terminal = TerminalName();
  options.skip_limits = IsTold("RKT_SKIP_LIMITS");
  options.selinux_context = Variable("RKT_SELINUX_CONTEXT");
  options.selinux_mount_context = Variable("RKT_SELINUX_MOUNT_CONTEXT");
  Fd pod_dir = TRY(Open(".", O_RDONLY | O_DIRECTORY));
  appc::PodManifest read;
  if (known == nullptr) {
    std::string text = TRY(ReadFileAt(pod_dir.get(), pod::kManifestFile));
    read = TRY_CTX(appc::ParsePodManifest(text), "pod manifest");
  }
  const appc::PodManifest& manifest = known != nullptr ? *known : read;
  TRY(RaiseOpenFiles(options, manifest.apps.size()));
  auto planned = MakePodPlan(pod_dir.get(), manifest, options);
  if (!planned && planned.error().code() == Code::kUnsupported) {
    // A capability that nobody knows: 1, as it always was; 254 is for what keeps a pod from being tried.
    PrintError("stage1", planned.error());
    return 1;
  }
  PodPlan plan = TRY(std::move(planned));
  for (std::string& warning : TRY(AssignSockets(plan, manifest, TakePassedSockets()))) {
    plan.warnings.push_back(std::move(warning));
  }
  Notifier notifier = TRY_CTX(Notifier::Open(plan), "readiness");
  for (const std::string& warning : plan.warnings) Notice("stage1", warning);

  std::string pod_path = TRY(WorkingDirectory());
  network::NetworkPlan network = TRY(PlanNetwork(plan, manifest, options, pod_path, pod_dir.get()));
  plan.host_network = network.HostNetwork();
  if (plan.private_users && plan.host_network) BindHostSys(plan);
  TRY(CheckSysctls(plan));
  TRY(CompleteHosts(pod_dir.get(), plan, options));
  TRY(MakeEmptyVolumes(pod_dir.get(), plan));
  SupervisorFiles files;
  TRY(OpenLogs(pod_dir.get(), plan, files));
  Machine machine = Machine::FromEnvironment(plan.uuid);
  cgroup::PodGroups groups = TRY(MakeGroups(pod_dir.get(), plan, machine, options.skip_limits));
  files.groups = &groups;
  // Before the clone: with a mount namespace in common, pid 1 of the pod takes the host's paths away from here.
  if (!network.NeedsSetUp()) TRY(SetUpNetwork(network, options, -1, pod_dir.get(), -1, -1));
  if (!options.metadata_token.empty()) {
    if (!network.NeedsSetUp() && !network.HostNetwork()) {
      return Err(Code::kInvalid, "--mds-token does not work with --net=none");
    }
    if (network.HostNetwork()) TRY(AnnounceHostPod(options, pod_dir.get(), plan));
  }
  // Groups and networks are taken down from here, which needs the host's file systems.
  plan.shares_mount_namespace = IsTold("RKT_PRIVATE_MOUNTS") && groups.subcgroup.empty() && !network.NeedsSetUp() &&
                                !notifier.active() && !machine.wanted() && options.metadata_token.empty() &&
                                !plan.private_users;
  PodMounts mounts;
  Fd users_word;
  if (plan.private_users) {
    mounts = TRY(MakePodMounts(plan, options));
    files.mounts = &mounts;
    TRY(EnterByFile(groups));
    std::tie(files.users_word, users_word) = TRY(MakePipe());
  }
  Fd word;
  if (network.NeedsSetUp()) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return SysErr("socketpair");
    word = Fd(pair[0]);
    files.network_word = Fd(pair[1]);
  }
  Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  files.outside_pidfd = self.get();
  files.out_terminal = OpenTerminalOf(1);
  files.err_terminal = OpenTerminalOf(2);

  // From here on signals wait until somebody asks for them, in both processes.
  sigset_t all;
  sigfillset(&all);
  for (int fatal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigdelset(&all, fatal);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t waited = StoppingSignals();
  // A network's plugin may take its time.
  Fd stop_word;
  if (network.NeedsSetUp()) stop_word = Fd(::signalfd(-1, &waited, SFD_CLOEXEC | SFD_NONBLOCK));
  sigaddset(&waited, SIGCHLD);

  TerminalModes terminal(0);
  auto pod = ClonePod(plan, options, files, StopTimeout(plan), command_line, pod_path, machine);
  int status = 254;
  Status written;
  if (pod && plan.private_users) {
    written = WriteIdMaps(*pod, *plan.private_users);
    if (written) written = WriteAll(users_word.get(), "m");
  }
  users_word.Close();
  files.users_word.Close();
  if (pod) {
    if (written) written = WriteFileAtomicAt(pod_dir.get(), pod::kPidFile, StrCat(*pod, "\n"), 0644);
    files.network_word.Close();
    if (written && network.NeedsSetUp()) {
      written = SetUpNetwork(network, options, *pod, pod_dir.get(), word.get(), stop_word.get());
    }
    stop_word.Close();
    word.Close();
    if (!written) ::kill(*pod, SIGKILL);
    if (written) machine.Register(*pod, pod_path);
    status = StatusOf(notifier.active() ? notifier.WaitForPod(*pod, waited, machine)
                                        : WaitForPod(*pod, waited, machine));
    if (groups.subcgroup == StrCat("machine.slice/", cgroup::ScopeName(plan.uuid))) {
      machine.AwaitScope(groups.subcgroup);
    } else {
      machine.Unregister();
    }
    if (options.interactive) terminal.Restore();
  }
  if (!options.metadata_token.empty()) stage1::ForgetPod(plan.uuid);
  Status cleaned;
  if (network.NeedsSetUp()) cleaned = TearDownNetwork(plan.uuid, pod_path, options.local_config, /*by_owner=*/true);
  if (!groups.subcgroup.empty()) {
    std::string subcgroup = groups.subcgroup;
    groups = {};
    Status removed = cgroup::Remove(subcgroup, plan.uuid);
    if (removed) removed = UnlinkAt(pod_dir.get(), pod::kSubcgroupFile);
    if (cleaned) cleaned = std::move(removed);
  }
  if (cleaned) (void)WriteFileAt(pod_dir.get(), pod::kNothingToCollect, "", 0640, true);
  if (!pod) return std::move(pod).error();
  if (!written) return std::move(written).error();
  if (!cleaned) PrintError("stage1", cleaned.error());
  return status;
}

}  // namespace rkt::native
