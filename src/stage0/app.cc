// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/app.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/lock.h"
#include "pod/paths.h"
#include "stage0/list.h"
#include "stage0/metadata.h"
#include "stage0/overlay.h"
#include "stage0/private_users.h"
#include "stage0/prepare.h"
#include "stage0/running_pod.h"
#include "stage0/selinux.h"

namespace rkt::stage0 {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirMode = 0750;
// What stage1's stop exits with where the app is not running.
constexpr int kNotRunning = 5;
// How long an attaching waits for a pod that is starting.
constexpr int64_t kReadyTimeoutNs = 15'000'000'000;

Result<appc::PodManifest> ReadManifest(const pod::Pod& pod) {
  std::string bytes = TRY(pod.ReadManifestBytes());
  return TRY_CTX(appc::ParsePodManifest(bytes), "pod manifest ", pod.path(), "/",
                 pod::kManifestFile);
}

Status CheckRunning(const pod::Pod& pod) {
  if (pod.state() == pod::State::kRunning) return {};
  return Err(Code::kInvalid, "pod ", Quote(pod.uuid()), " is not running");
}

Status CheckReady(const pod::Pod& pod) {
  if (pod.IsReady()) return {};
  return Err(Code::kInvalid, "supervisor for pod ", Quote(pod.uuid()), " is not yet ready");
}

Status CheckMutable(const appc::PodManifest& manifest) {
  if (manifest.IsMutable()) return {};
  return Err(Code::kInvalid, "immutable pod");
}

Result<const appc::RuntimeApp*> FindApp(const appc::PodManifest& manifest,
                                        const std::string& name) {
  if (const appc::RuntimeApp* app = manifest.FindApp(name)) return app;
  return Err(Code::kNotFound, "app ", Quote(name), " not found in the pod");
}

// "APP-created" is a file beside "APP", so an app of that name would take its place.
Status CheckName(const std::string& name) {
  TRY(CheckAppNameLength(name));
  for (const char* suffix : {"-created", "-started"}) {
    if (name.ends_with(suffix)) {
      return Err(Code::kInvalid, "app name ", Quote(name), " ends in ", Quote(suffix),
                 ", which says something else in a mutable pod");
    }
  }
  return {};
}

std::string DebugArgument(const AppTarget& target) {
  return StrCat("--debug=", target.debug ? "true" : "false");
}

std::vector<std::string> AppArguments(const AppTarget& target, const std::string& app) {
  return {DebugArgument(target), StrCat("--app=", app)};
}

Status CheckStatus(const Result<ExitStatus>& status, const char* what) {
  if (!status) return status.error();
  if (status->ok()) return {};
  return Err(Code::kInternal, "stage1's ", what, " failed: ", status->signaled ? "signal " : "exit status ",
             status->code);
}

// --- the manifest, which readers see old or new as a whole

// Replaces it and what listings make of it. `change` gets the summary as it was.
Status ReplaceManifest(const pod::Pod& pod, const appc::PodManifest& manifest,
                       const std::function<void(pod::Summary&)>& change) {
  auto summary = pod.ReadSummary();
  // Readers tell by the manifest's size whether the summary belongs to it, which an old one might by chance.
  TRY(UnlinkAt(pod.fd(), pod::kSummaryFile));
  std::string bytes = appc::WritePodManifest(manifest);
  TRY(WriteFileAtomicAt(pod.fd(), pod::kManifestFile, bytes, kFileMode));
  if (!summary) return {};
  change(*summary);
  return WriteFileAtomicAt(pod.fd(), pod::kSummaryFile, pod::FormatSummary(*summary, bytes.size()),
                           kFileMode);
}

Status DropFromManifest(const pod::Pod& pod, const std::string& app) {
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  if (std::erase_if(manifest.apps, [&](const auto& other) { return other.name == app; }) == 0)
    return {};
  return ReplaceManifest(pod, manifest, [&](pod::Summary& summary) {
    std::erase_if(summary.apps, [&](const auto& row) { return row.name == app; });
  });
}

// --- what an app has on disk

// In stage1's root, which is `root`.
Status RemoveStage1Files(int root, const std::string& app) {
  TRY(RemoveTreeAt(root, pod::AppDir(app)));
  TRY(UnlinkAt(root, pod::AppStatusFile(app)));
  TRY(UnlinkAt(root, pod::AppStartedFile(app)));
  TRY(UnlinkAt(root, pod::AppEnvFile(app)));
  return RemoveTreeAt(root, pod::IottymuxDir(app));
}

// In the pod's directory. appsinfo/APP goes last: as long as it is there, the app is found by whoever
// clears away.
Status RemovePodFiles(const pod::Pod& pod, const std::string& app) {
  int dir = pod.fd();
  if (auto tree = pod.ReadFile(pod::AppTreeFile(app), 4096)) {
    if (tree->empty() || tree->find('/') != std::string::npos || tree->front() == '.') {
      return Err(Code::kCorrupt, "the tree store ID of app ", app, " is damaged");
    }
    TRY(RemoveTreeAt(dir, StrCat(pod::OverlayUpper(*tree), "/", app)));
    TRY(RemoveTreeAt(dir, StrCat(pod::OverlayWork(*tree), "/", app)));
    // Where no other app uses the tree.
    for (const std::string& path :
         {pod::OverlayUpper(*tree), pod::OverlayWork(*tree), pod::OverlayTreeDir(*tree)}) {
      ::unlinkat(dir, path.c_str(), AT_REMOVEDIR);
    }
  }
  // APP, APP.1 and so on; names of apps have no dot.
  if (auto logs = ListDirAt(dir, pod::kLogsDir)) {
    for (const DirEntry& log : *logs) {
      if (log.name == app || log.name.starts_with(StrCat(app, "."))) TRY(UnlinkAt(dir, pod::AppLog(log.name)));
    }
  }
  return RemoveTreeAt(dir, pod::AppInfoDir(app));
}

// Takes an app out of a running pod, however much of it is there. `quiet`: stage1 need not know it.
Status RemoveFromRunning(RunningPod& running, const pod::Pod& pod, const AppTarget& target,
                         const std::string& app, int lock_fd, bool quiet) {
  TRY(UnlinkAt(running.root(), pod::AppCreatedFile(app)));
  Status called =
      CheckStatus(running.Call("app/rm", AppArguments(target, app), lock_fd), "removal of the app");
  if (!called && !quiet) return called;
  TRY(running.TakeMount(pod::AppRootfs(app)));
  TRY(RemoveStage1Files(running.root(), app));
  TRY(DropFromManifest(pod, app));
  return RemovePodFiles(pod, app);
}

// What operations that were killed have left: apps that are in the manifest without having been added
// to the end, and files of apps that are not in it.
Status ClearAway(RunningPod& running, const pod::Pod& pod, const AppTarget& target, int lock_fd) {
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  for (const DirEntry& entry : TRY(ListDirAt(pod.fd(), pod::kAppsInfoDir))) {
    if (manifest.FindApp(entry.name) != nullptr &&
        ExistsAt(running.root(), pod::AppCreatedFile(entry.name))) {
      continue;
    }
    TRY_CTX(RemoveFromRunning(running, pod, target, entry.name, lock_fd, /*quiet=*/true),
            "clearing away app ", Quote(entry.name), ", which was added or removed half-way");
  }
  return {};
}

// Who makes files in stage1's root while this lives.
Result<std::optional<FileOwner>> RootOf(const std::optional<PrivateUsers>& users) {
  return FileOwner::BecomeRootOf(users ? std::optional(users->range) : std::nullopt);
}

// The pod's directory with the app's root file system, mounted in the pod.
Status BringAppRoot(RunningPod& running, pod::Pod& pod, store::Store& store, const std::optional<PrivateUsers>& users,
                    const std::string& app, const std::string& image_key) {
  int dir = pod.fd();
  std::string image = TRY(store.ReadManifestBytes(image_key));
  Preparation::App rendered{app, TRY_CTX(store.RenderTree(image_key), "rendering the image")};
  TRY(MakeDirAt(dir, pod::AppInfoDir(app), kDirMode));
  TRY(WriteFileAt(dir, pod::AppImageManifest(app), image, kFileMode));
  {
    auto owner = TRY(RootOf(users));
    TRY(MakeDirAt(running.root(), pod::AppDir(app), 0755));
    TRY(MakeDirAt(running.root(), pod::AppRootfs(app), 0755));
    TRY(WriteFileAt(running.root(), StrCat(pod::AppDir(app), "/manifest"), image, kFileMode));
  }
  std::string path = StrCat(pod::kStage1Rootfs, "/", pod::AppRootfs(app));
  std::string label = TRY(ReadSelinuxLabels(pod)).mount;
  if (!pod.UsesOverlay()) {
    TRY(CopyAppTree(pod, store, rendered, path));
    if (label.empty()) return {};
    Fd root = TRY(OpenAt(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return LabelTree(root.get(), label);
  }
  TRY(MakeAppOverlayDirs(pod, store, rendered));
  std::optional<FileOwner> owner;
  if (users) owner.emplace(TRY(MapLayers(store, {rendered.tree_id}, *users)));
  TRY(MountAppOverlay(store, rendered, path, label));
  return running.BringMount(pod::AppRootfs(app));
}

Status AddLocked(RunningPod& running, pod::Pod& pod, store::Store& store, const AppTarget& target,
                 const appc::RuntimeApp& app, const std::string& image_key, int lock_fd) {
  // Keeps the collector of trees away until the pod says which trees it uses.
  Lock prepare_lock = TRY(store.LockPreparing(Lock::Kind::kShared));
  std::optional<PrivateUsers> users = TRY(OpenPrivateUsers(pod));
  TRY(BringAppRoot(running, pod, store, users, app.name, image_key));
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  manifest.apps.push_back(app);
  appc::ImageManifest image = TRY(store.ReadManifest(image_key));
  appc::PodManifest alone;
  alone.apps = {app};
  alone.volumes = manifest.volumes;
  pod::Summary row = pod::Summarize(alone, {&image});
  TRY(ReplaceManifest(pod, manifest, [&](pod::Summary& summary) {
    summary.apps.push_back(std::move(row.apps[0]));
  }));
  std::vector<std::string> arguments = {DebugArgument(target), StrCat("--uuid=", pod.uuid()),
                                        StrCat("--app=", app.name)};
  TRY(CheckStatus(running.Call("app/add", arguments, lock_fd), "adding of the app"));
  // From here on it is there.
  auto owner = TRY(RootOf(users));
  return WriteFileAt(running.root(), pod::AppCreatedFile(app.name), "", 0644, /*overwrite=*/true);
}

// A pod with its lock, where it runs.
struct LockedPod {
  pod::Pods pods;
  pod::Pod pod;
  appc::PodManifest manifest;
  Lock lock;

  static Result<LockedPod> Open(const AppTarget& target, Lock::Kind kind) {
    pod::Pods pods = TRY(pod::Pods::Open(target.data_dir));
    pod::Pod pod = TRY(pods.Get(target.uuid));
    TRY(CheckMutable(TRY(ReadManifest(pod))));
    TRY(CheckRunning(pod));
    TRY(CheckReady(pod));
    Lock lock = TRY(Lock::File(pod.fd(), pod::kLockFile, kind));
    appc::PodManifest manifest = TRY(ReadManifest(pod));
    return LockedPod{std::move(pods), std::move(pod), std::move(manifest), std::move(lock)};
  }
};

Status RemoveFromExited(pod::Pods& pods, pod::Pod& pod, const AppTarget& target) {
  auto pod_lock = TRY(pods.TryLock(pod));
  if (!pod_lock) return Err(Code::kBusy, "somebody else is working on pod ", Quote(pod.uuid()));
  TRY(pod.Refresh());
  Lock lock = TRY(Lock::File(pod.fd(), pod::kLockFile, Lock::Kind::kExclusive));
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  (void)TRY(FindApp(manifest, target.app));
  Fd root = TRY(
      OpenAt(pod.fd(), TRY(pod.Stage1WritableDir()), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(UnlinkAt(root.get(), pod::AppCreatedFile(target.app)));
  TRY(RemoveStage1Files(root.get(), target.app));
  TRY(DropFromManifest(pod, target.app));
  return RemovePodFiles(pod, target.app);
}

}  // namespace

Status AddApp(store::Store& store, const AppTarget& target, const appc::RuntimeApp& app,
              const std::string& image_key) {
  TRY(CheckName(app.name));
  LockedPod locked = TRY(LockedPod::Open(target, Lock::Kind::kExclusive));
  RunningPod running = TRY(RunningPod::Open(target.data_dir, locked.pod));
  for (const char* name : {"app/add", "app/rm"}) {
    if (running.contract().EntryPoint(name).empty()) {
      return Err(Code::kUnsupported, "stage1 does not support mutable pods");
    }
  }
  int lock_fd = locked.lock.fd();
  TRY(ClearAway(running, locked.pod, target, lock_fd));
  if (TRY(ReadManifest(locked.pod)).FindApp(app.name) != nullptr) {
    return Err(Code::kExists, "error: multiple apps with name ", app.name);
  }
  Status added = AddLocked(running, locked.pod, store, target, app, image_key, lock_fd);
  if (added) added = RegisterAddedApp(locked.pod, app.name);
  if (added) return {};
  Status undone =
      RemoveFromRunning(running, locked.pod, target, app.name, lock_fd, /*quiet=*/true);
  if (undone) undone = RegisterRemovedApp(locked.pod);
  if (!undone) return std::move(undone).error().Wrap(StrCat("undoing what failed: ", added.error().Text()));
  return added;
}

Status StartApp(const AppTarget& target) {
  LockedPod locked = TRY(LockedPod::Open(target, Lock::Kind::kShared));
  (void)TRY(FindApp(locked.manifest, target.app));
  RunningPod running = TRY(RunningPod::Open(target.data_dir, locked.pod));
  if (!ExistsAt(running.root(), pod::AppCreatedFile(target.app))) {
    return Err(Code::kInvalid, "app ", Quote(target.app), " was not added to the end");
  }
  return CheckStatus(
      running.Call("app/start", AppArguments(target, target.app), locked.lock.fd()),
      "start of the app");
}

Status StopApp(const AppTarget& target) {
  pod::Pods pods = TRY(pod::Pods::Open(target.data_dir));
  pod::Pod pod = TRY(pods.Get(target.uuid));
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  TRY(CheckMutable(manifest));
  TRY(CheckRunning(pod));
  (void)TRY(FindApp(manifest, target.app));
  TRY(CheckReady(pod));
  RunningPod running = TRY(RunningPod::Open(target.data_dir, pod));
  auto status = running.Call("app/stop", AppArguments(target, target.app), -1);
  if (status && !status->signaled && status->code == kNotRunning) {
    return Err(Code::kBusy, "app ", Quote(target.app), " is not running");
  }
  return CheckStatus(status, "stop of the app");
}

Status RemoveApp(const AppTarget& target) {
  pod::Pods pods = TRY(pod::Pods::Open(target.data_dir));
  pod::Pod pod = TRY(pods.Get(target.uuid));
  appc::PodManifest manifest = TRY(ReadManifest(pod));
  TRY(CheckMutable(manifest));
  (void)TRY(FindApp(manifest, target.app));
  if (pod.state() == pod::State::kExited || pod.state() == pod::State::kExitedGarbage) {
    return RemoveFromExited(pods, pod, target);
  }
  TRY(CheckRunning(pod));
  TRY(CheckReady(pod));
  RunningPod running = TRY(RunningPod::Open(target.data_dir, pod));
  // Without the lock: an app may take its time to end, and others may come and go meanwhile.
  auto stopped = running.Call("app/stop", AppArguments(target, target.app), -1);
  if (!stopped || stopped->signaled || stopped->code != kNotRunning) {
    TRY(CheckStatus(stopped, "stop of the app"));
  }
  Lock lock = TRY(Lock::File(pod.fd(), pod::kLockFile, Lock::Kind::kExclusive));
  (void)TRY(FindApp(TRY(ReadManifest(pod)), target.app));
  TRY(RemoveFromRunning(running, pod, target, target.app, lock.fd(), /*quiet=*/false));
  return RegisterRemovedApp(pod);
}

Status Attach(const AppTarget& target, const AttachOptions& options) {
  pod::Pods pods = TRY(pod::Pods::Open(target.data_dir));
  pod::Pod pod = TRY(pods.Get(target.uuid));
  TRY(CheckRunning(pod));
  TRY(WaitReady(target.data_dir, target.uuid, kReadyTimeoutNs));
  TRY(pod.Refresh());
  TRY(CheckRunning(pod));
  (void)TRY(FindApp(TRY(ReadManifest(pod)), target.app));
  RunningPod running = TRY(RunningPod::Open(target.data_dir, pod));
  std::vector<std::string> arguments;
  auto flag = [&](const char* name, bool value) {
    arguments.push_back(StrCat("--", name, "=", value ? "true" : "false"));
  };
  switch (options.action) {
    case AttachOptions::Action::kList:
      arguments.push_back("--action=list");
      break;
    case AttachOptions::Action::kAuto:
      arguments.push_back("--action=auto-attach");
      break;
    case AttachOptions::Action::kCustom:
      arguments.push_back("--action=custom-attach");
      flag("tty-in", options.tty_in);
      flag("tty-out", options.tty_out);
      flag("stdin", options.standard_in);
      flag("stdout", options.standard_out);
      flag("stderr", options.standard_err);
      break;
  }
  arguments.push_back(StrCat("--app=", target.app));
  arguments.push_back(DebugArgument(target));
  return running.Become("attach", arguments);
}

}  // namespace rkt::stage0
