// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// /app_add, /app_start, /app_stop and /app_rm: what of a mutable pod's changes needs the host (volumes, control groups,
// the pod's files) is done here, the rest by pid 1 of the pod, which is asked for it.

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "base/cgroup/groups.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mount.h"
#include "base/user_namespace.h"
#include "pod/paths.h"
#include "stage1/native/commands.h"
#include "stage1/native/control.h"
#include "stage1/native/options.h"
#include "stage1/native/plan.h"
#include "stage1/native/pod_mounts.h"
#include "stage1/native/runtime_config.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

// As systemctl says that a unit is not running.
constexpr int kNotRunning = 5;

constexpr char kLogMode[] = "coreos.com/rkt/experiment/logmode";
constexpr char kLogDir[] = "coreos.com/rkt/experiment/kubernetes-log-dir";
constexpr char kLogPath[] = "coreos.com/rkt/experiment/kubernetes-log-path";

// The pod from outside, with S1 as the working directory.
struct Crossing {
  CrossingOptions options;
  Fd pod_dir;
  appc::PodManifest manifest;
  RunOptions run_options;
  std::string subcgroup;  // empty: the pod has no groups

  static Result<Crossing> Open(const std::vector<std::string>& arguments) {
    Crossing crossing;
    crossing.options = TRY(ParseCrossingOptions(arguments));
    // S1 is POD/stage1/rootfs.
    crossing.pod_dir = TRY(rkt::Open("../..", O_RDONLY | O_DIRECTORY));
    std::string text = TRY(ReadFileAt(crossing.pod_dir.get(), pod::kManifestFile));
    crossing.manifest = TRY_CTX(appc::ParsePodManifest(text), "pod manifest");
    crossing.run_options = TRY(ReadRuntimeConfig(crossing.pod_dir.get()));
    if (auto subcgroup = ReadFileAt(crossing.pod_dir.get(), pod::kSubcgroupFile, 4096)) {
      crossing.subcgroup = *std::move(subcgroup);
    }
    // What stage0 has written down: the label of the pod's files is the second line.
    if (auto labels = ReadFileAt(crossing.pod_dir.get(), pod::kSelinuxFile, 4096)) {
      std::vector<std::string> lines = Split(*labels, '\n');
      if (lines.size() > 1) crossing.run_options.selinux_mount_context = lines[1];
    }
    return crossing;
  }

  Result<PodPlan> Plan() const {
    return MakeAddedPlan(pod_dir.get(), manifest, options.app, run_options, AddedFrom::kHost);
  }
};

// The root of the pod's pid 1, and its mount namespace, into which Join() goes for good.
struct PodRoot {
  Fd mount_namespace, root;

  static Result<PodRoot> Open() {
    const char* word = ::getenv("RKT_STAGE1_ENTERPID");
    auto pid = word != nullptr ? ParseInt(word) : std::nullopt;
    if (!pid || *pid <= 1) return Err(Code::kInvalid, "RKT_STAGE1_ENTERPID names no process");
    PodRoot pod;
    Fd process = TRY(rkt::Open(StrCat("/proc/", *pid), O_RDONLY | O_DIRECTORY));
    pod.mount_namespace = TRY(OpenAt(process.get(), "ns/mnt", O_RDONLY));
    pod.root = TRY(OpenAt(process.get(), "root", O_PATH | O_DIRECTORY));
    return pod;
  }
  Status Join() const {
    if (::setns(mount_namespace.get(), CLONE_NEWNS) != 0 || ::fchdir(root.get()) != 0) {
      return SysErr("joining the pod's mount namespace");
    }
    return {};
  }
};

// Takes the volumes of an app from the pod again; the working directory is the pod's root. Those that are not there
// are none.
Status DetachVolumes(const std::string& app) {
  std::string directory = AddedVolumesDir(app);
  auto entries = ListDirAt(AT_FDCWD, directory);
  if (!entries) return entries.error().code() == Code::kNotFound ? Status() : std::move(entries).error();
  for (const DirEntry& entry : *entries) {
    std::string path = StrCat(directory, "/", entry.name);
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL) {
      return SysErr("unmounting ", path);
    }
  }
  return RemoveTreeAt(AT_FDCWD, directory);
}

// Names of the empty volumes that an app of the manifest uses: those it mounts, and those that its mount points get
// where nothing else is mounted.
std::set<std::string> EmptyVolumes(const appc::PodManifest& manifest, const appc::RuntimeApp& app) {
  std::set<std::string> names;
  for (const appc::Mount& mount : app.mounts) {
    const appc::Volume* volume = mount.app_volume ? &*mount.app_volume : manifest.FindVolume(mount.volume);
    if (volume != nullptr && volume->kind == appc::Volume::Kind::kEmpty) names.insert(volume->name);
  }
  if (!app.app) return names;
  for (const appc::MountPoint& point : app.app->mount_points) names.insert(StrCat(app.name, "-", point.name));
  return names;
}

// Removes the empty volumes that nobody else uses.
Status RemoveEmptyVolumes(const Crossing& crossing) {
  const appc::RuntimeApp* app = crossing.manifest.FindApp(crossing.options.app);
  if (app == nullptr) return {};
  std::set<std::string> names = EmptyVolumes(crossing.manifest, *app);
  for (const appc::RuntimeApp& other : crossing.manifest.apps) {
    if (&other == app) continue;
    for (const std::string& name : EmptyVolumes(crossing.manifest, other)) names.erase(name);
  }
  for (const appc::Volume& volume : crossing.manifest.volumes) names.erase(volume.name);
  for (const std::string& name : names) TRY(RemoveTreeAt(crossing.pod_dir.get(), pod::SharedVolume(name)));
  return {};
}

// The log that a kubelet reads, where the command line of the pod and of the app have asked for it: the directory may
// be anywhere, the path stays in it. Only mutable pods are asked for it by nothing but command lines.
Result<Fd> OpenPlainLog(const Crossing& crossing) {
  const std::string* mode = appc::FindAnnotation(crossing.manifest.annotations, kLogMode);
  if (mode == nullptr || !crossing.run_options.mutable_pod) return Fd();
  if (*mode != "k8s-plain") return Err(Code::kInvalid, "annotation ", kLogMode, ": unknown mode ", Quote(*mode));
  const std::string* directory = appc::FindAnnotation(crossing.manifest.annotations, kLogDir);
  const appc::RuntimeApp* app = crossing.manifest.FindApp(crossing.options.app);
  const std::string* path = app != nullptr ? appc::FindAnnotation(app->annotations, kLogPath) : nullptr;
  if (path == nullptr) return Fd();
  if (directory == nullptr) return Err(Code::kInvalid, "annotation ", kLogDir, " is missing");
  if (!directory->starts_with('/')) {
    return Err(Code::kInvalid, "annotation ", kLogDir, ": ", Quote(*directory), " is not absolute");
  }
  for (const std::string& element : Split(*path, '/')) {
    if (element == "..") {
      return Err(Code::kInvalid, "annotation ", kLogPath, ": ", Quote(*path), " leaves the directory");
    }
  }
  Fd root = TRY_CTX(rkt::Open(*directory, O_PATH | O_DIRECTORY), "annotation ", kLogDir);
  // Neither links nor ".." lead out of it.
  Fd log = TRY_CTX(OpenInRoot(root.get(), *path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0640),
                   "annotation ", kLogPath);
  struct stat st;
  if (::fstat(log.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return Err(Code::kInvalid, "annotation ", kLogPath, ": ", Quote(*path), " is no regular file");
  }
  return log;
}

}  // namespace

Result<int> AppAddCommand(const std::vector<std::string>& arguments) {
  Crossing crossing = TRY(Crossing::Open(arguments));
  crossing.run_options.uuid = crossing.options.uuid;
  if (!crossing.run_options.mutable_pod) return Err(Code::kInvalid, "immutable pod");
  // Everything that can be wrong with the app is said now, not when it is started.
  PodPlan plan = TRY(crossing.Plan());
  if (!plan.apps[0].activated_ports.empty()) {
    return Err(Code::kInvalid, "port ", Quote(plan.apps[0].activated_ports[0].port.name), " of app ",
               Quote(crossing.options.app),
               " is socket-activated: sockets are passed to the apps that a pod starts with, not to those that are added");
  }
  for (const std::string& warning : plan.warnings) Notice("stage1", warning);
  (void)TRY(OpenPlainLog(crossing));
  TRY(MakeEmptyVolumes(crossing.pod_dir.get(), plan));
  if (plan.volumes.empty()) return 0;
  PodRoot pod = TRY(PodRoot::Open());
  // What is copied from here must not hand mounts back.
  if (::unshare(CLONE_NEWNS) != 0) return SysErr("making a mount namespace");
  TRY(SetPropagation("/", MS_SLAVE, true));
  // In the new namespace; the descriptor of the pod's directory is one of the old.
  if (::chdir("../..") != 0) return SysErr("entering the pod's directory");
  std::vector<Fd> mounts;
  Fd users;
  if (plan.private_users) users = TRY(MakeUserNamespace(*plan.private_users));
  for (const VolumePlan& volume : plan.volumes) {
    mounts.push_back(TRY_CTX(users ? MapVolume(volume, users.get(), *plan.private_users) : CloneVolume(volume),
                             "mounting the volume from ", Quote(volume.source)));
  }
  TRY(pod.Join());
  auto attach = [&]() -> Status {
    auto owner = TRY(FileOwner::BecomeRootOf(plan.private_users));
    TRY(MakeDirAt(AT_FDCWD, AddedVolumesDir(crossing.options.app), 0755));
    for (size_t i = 0; i < mounts.size(); ++i) {
      TRY_CTX(AttachVolume(AT_FDCWD, plan.volumes[i], mounts[i].get()), "mounting the volume from ",
              Quote(plan.volumes[i].source));
    }
    return {};
  };
  Status attached = attach();
  if (!attached) {
    (void)DetachVolumes(crossing.options.app);
    return std::move(attached).error();
  }
  return 0;
}

Result<int> AppStartCommand(const std::vector<std::string>& arguments) {
  Crossing crossing = TRY(Crossing::Open(arguments));
  PodPlan plan = TRY(crossing.Plan());
  ControlRequest request;
  request.verb = "start";
  request.app = crossing.options.app;
  request.plain_log = TRY(OpenPlainLog(crossing));
  std::vector<cgroup::Missing> missing;
  cgroup::PodGroups::App group =
      TRY_CTX(cgroup::AddApp(crossing.subcgroup, GroupRequest(plan), crossing.run_options.skip_limits, &missing),
              "control groups");
  for (const cgroup::Missing& limit : missing) {
    Notice("stage1",
           StrCat("warning: ", limit.isolator, " isolator set but support disabled in the kernel, skipping"));
  }
  request.v2_group = std::move(group.v2);
  request.v1_tasks = std::move(group.v1_tasks);
  if (plan.private_users && request.v2_group) {
    // As EnterByFile (run.cc).
    request.v1_tasks.push_back(TRY(OpenAt(request.v2_group.get(), "cgroup.procs", O_WRONLY)));
    request.v2_group.Close();
  }
  request.pod_dir = plan.private_users ? TRY(OpenForPod(crossing.pod_dir.get(), *plan.private_users))
                                       : std::move(crossing.pod_dir);
  TRY(AskSupervisor(request));
  return 0;
}

Result<int> AppStopCommand(const std::vector<std::string>& arguments) {
  ControlRequest request;
  request.verb = "stop";
  request.app = TRY(ParseCrossingOptions(arguments)).app;
  Status stopped = AskSupervisor(request);
  // For stage0 to say.
  if (!stopped && stopped.error().code() == Code::kBusy) return kNotRunning;
  TRY(std::move(stopped));
  return 0;
}

Result<int> AppRmCommand(const std::vector<std::string>& arguments) {
  Crossing crossing = TRY(Crossing::Open(arguments));
  ControlRequest request;
  request.verb = "remove";
  request.app = crossing.options.app;
  TRY(AskSupervisor(request));
  TRY_CTX(cgroup::RemoveApp(crossing.subcgroup, request.app), "control groups");
  PodRoot pod = TRY(PodRoot::Open());
  // Before the volumes' directories, which are mounted there.
  Fd back = TRY(rkt::Open("/proc/self/ns/mnt", O_RDONLY));
  TRY(pod.Join());
  TRY(DetachVolumes(request.app));
  if (::setns(back.get(), CLONE_NEWNS) != 0) return SysErr("leaving the pod's mount namespace");
  TRY(RemoveEmptyVolumes(crossing));
  return 0;
}

}  // namespace rkt::native
