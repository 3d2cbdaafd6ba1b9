// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/run.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "metadata/registration.h"
#include "pod/paths.h"
#include "stage0/machined.h"
#include "stage0/metadata.h"
#include "stage0/overlay.h"
#include "stage0/selinux.h"
#include "stage0/stage1_contract.h"

namespace rkt::stage0 {
namespace {

// A program with its arguments, ready for exec.
struct Start {
  std::string entry;  // as the image names it
  std::string program;
  std::vector<std::string> argv;
  std::vector<std::string> env;
};

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The pod's secret, where it is to be known to the metadata service.
RunOptions WithToken(RunOptions options) {
  if (options.mds_register) options.mds_token = metadata::NewToken();
  return options;
}

// "SHIFT:COUNT", empty for a pod with the host's users.
std::string UsersText(const Preparation& preparation) {
  return preparation.users ? FormatIdRange(preparation.users->range) : "";
}

// The stage1 that is linked in, where it is the pod's. A copy of its tree may have been changed by hand: that is executed.
const LinkedStage1* LinkedStage1Of(const Preparation& preparation, const RunOptions& options) {
  const LinkedStage1* linked = options.linked;
  return linked != nullptr && preparation.overlay && linked->tree_id == preparation.stage1_tree ? linked : nullptr;
}

// The path is that of the pod in `run`, where it will be by then.
Result<Start> PlanStart(const pod::Pods& pods, const Preparation& preparation,
                        const RunOptions& options, const LinkedStage1* linked, const SelinuxLabels& labels) {
  Stage1Contract contract = linked != nullptr && !options.mutable_pod
                                ? Stage1Contract::ForRun(linked->interface_version, linked->run)
                                : TRY(Stage1Contract::Parse(preparation.stage1_manifest));
  Start start;
  start.entry = contract.EntryPoint("run");
  if (start.entry.empty()) return Err(Code::kInvalid, "the stage1 image has no run entry point");
  start.program = StrCat(pod::PodsDir(pods.data_dir()), "/", pod::StageDir(pod::Stage::kRun), "/",
                         preparation.pod.uuid(), "/", pod::kStage1Rootfs, start.entry);
  std::vector<std::string> warnings;
  start.argv = TRY(RunArguments(contract, start.program, options, preparation.pod.uuid(),
                                UsersText(preparation), &warnings));
  for (const std::string& warning : warnings) Notice("stage0", warning);
  OwnVariables own;
  own.skip_limits = options.insecure_limits;
  own.log = options.log_settings;
  own.machined = MachinedProgram();
  own.selinux_process = labels.process;
  own.selinux_mount = labels.mount;
  start.env = RunEnvironment(environ, preparation.lock.fd(), ::getpid(), own);
  return start;
}

// resolv.conf and hosts of our making, where stage1 looks for them.
Status WriteNameFiles(const pod::Pod& pod, const RunOptions& options) {
  bool resolv = options.dns.mode == DnsConfig::Mode::kStage0;
  bool hosts = options.hosts.mode == HostsConfig::Mode::kStage0;
  if (!resolv && !hosts) return {};
  std::string root = TRY(pod.Stage1WritableDir());
  TRY(MakeDirAt(pod.fd(), StrCat(root, "/etc"), 0755));
  if (resolv) {
    TRY(WriteFileAt(pod.fd(), StrCat(root, "/", pod::kResolvConf), ResolvConfText(options.dns),
                    0644, true));
  }
  if (hosts) {
    TRY(WriteFileAt(pod.fd(), StrCat(root, "/", pod::kHosts), HostsText(options.hosts), 0644,
                    true));
  }
  return {};
}

// What an exec would close. Descriptors are given out lowest first, so what this process has opened lies below the
// first long stretch of free ones.
void CloseWhatExecWould() {
  constexpr int kStretch = 16;
  for (int fd = 3, last = 3; fd - last < kStretch; ++fd) {
    int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0) continue;
    last = fd;
    if (flags & FD_CLOEXEC) ::close(fd);
  }
}

// The stage1 of this process, entered as if it were executed.
[[noreturn]] void EnterLinkedStage1(const LinkedStage1& linked, Start& start, const appc::PodManifest* manifest) {
  static std::vector<char*> environment;
  environment = Pointers(start.env);
  environ = environment.data();
  CloseWhatExecWould();
  ::_exit(linked.start(start.argv, manifest));
}

// Returns only where it failed.
Status BecomeStage1(Start start, Lock& lock, const LinkedStage1* linked, const appc::PodManifest* manifest) {
  TRY(lock.KeepThroughExec());
  if (linked != nullptr) EnterLinkedStage1(*linked, start, manifest);
  ::execve(start.program.c_str(), Pointers(start.argv).data(), Pointers(start.env).data());
  return SysErr("executing stage1's ", start.program);
}

Status MountOverlays(const store::Store& store, const Preparation& preparation, const LinkedStage1* linked,
                     const std::string& label) {
  if (linked != nullptr) {
    TRY(MountStage1Directory(preparation.stage1_tree, linked->directories, preparation.users));
  }
  std::optional<FileOwner> owner;
  if (preparation.users) {
    std::vector<std::string> trees;
    if (linked == nullptr) trees.push_back(preparation.stage1_tree);
    for (const Preparation::App& app : preparation.apps) trees.push_back(app.tree_id);
    owner.emplace(TRY(MapLayers(store, trees, *preparation.users)));
  }
  if (linked == nullptr) TRY(MountStage1Overlay(store, preparation.stage1_tree, label));
  return MountAppOverlays(store, preparation.apps, label);
}

// `manifest` is what POD/pod says, null where it was not made here.
Status StartPod(pod::Pods& pods, Preparation& preparation, const RunOptions& options,
                const appc::PodManifest* manifest) {
  const LinkedStage1* linked = LinkedStage1Of(preparation, options);
  SelinuxLabels labels = TRY_CTX(TakeSelinuxLabels(pods, preparation.pod), "labels of SELinux");
  Start start = TRY(PlanStart(pods, preparation, options, linked, labels));
  TRY(WriteFileAt(preparation.pod.fd(), pod::kRuntimeConfigFile,
                  RuntimeConfig(options, UsersText(preparation)), 0640, true));
  TRY(WriteNameFiles(preparation.pod, options));
  if (!options.mds_token.empty()) {
    std::string run_path = StrCat(pod::PodsDir(pods.data_dir()), "/", pod::StageDir(pod::Stage::kRun), "/",
                                  preparation.pod.uuid());
    TRY(RegisterPod(preparation.pod, run_path, options.mds_token));
  }
  TRY(pods.Move(preparation.pod, pod::Stage::kRun));
  if (::fchdir(preparation.pod.fd()) != 0) return SysErr("entering ", preparation.pod.path());
  TRY(EnterPrivateMounts());
  if (linked != nullptr && linked->run != start.entry) linked = nullptr;
  if (preparation.overlay) {
    store::Store store = TRY(store::Store::OpenExisting(pods.data_dir()));
    TRY(MountOverlays(store, preparation, linked, labels.mount));
  } else {
    if (!labels.mount.empty()) {
      Fd root = TRY(Open(pod::kStage1Rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      TRY_CTX(LabelTree(root.get(), labels.mount), "labels of SELinux");
    }
    if (preparation.users && !preparation.users->shifted) {
      TRY(MapDirectory(AT_FDCWD, pod::kStage1Rootfs, preparation.users->user_namespace.get()));
    }
  }
  return BecomeStage1(std::move(start), preparation.lock, linked, manifest);
}

// What Prepare wrote, read again.
Result<Preparation> OpenPrepared(pod::Pods& pods, const std::string& uuid) {
  pod::Pod pod = TRY(pods.Get(uuid));
  auto not_prepared = [&] { return Err(Code::kInvalid, "pod ", Quote(uuid), " is not prepared"); };
  if (pod.state() != pod::State::kPrepared) return not_prepared();
  auto lock = TRY(pods.TryLock(pod));
  if (!lock) return not_prepared();
  TRY(pod.Refresh());
  if (pod.state() != pod::State::kPrepared) return not_prepared();

  bool overlay = pod.UsesOverlay();
  if (overlay) {
    if (std::string obstacle = OverlayObstacle(pods.data_dir()); !obstacle.empty()) {
      return Err(Code::kUnsupported,
                 "the pod was prepared with overlay, which cannot be used: ", obstacle);
    }
  }
  std::optional<PrivateUsers> users = TRY(OpenPrivateUsers(pod));
  std::string stage1_tree = TRY(pod.Stage1TreeId());
  std::string stage1_manifest = TRY(pod.ReadFile(pod::kStage1Manifest));
  std::vector<Preparation::App> apps;
  for (pod::AppSummary& app : TRY(pod.ReadSummary()).apps) {
    std::string tree;
    if (overlay) tree = TRY(pod.ReadFile(pod::AppTreeFile(app.name), 4096));
    if (tree.find_first_of("/,:") != std::string::npos) {
      return Err(Code::kCorrupt, "the tree store ID of app ", app.name, " is damaged");
    }
    apps.push_back({std::move(app.name), std::move(tree)});
  }
  return Preparation{std::move(pod),         std::move(*lock),           overlay,
                     std::move(stage1_tree), std::move(stage1_manifest), std::move(apps),
                     std::move(users)};
}

}  // namespace

Status Run(store::Store& store, const PrepareOptions& prepare, const RunOptions& options) {
  pod::Pods pods = TRY(pod::Pods::Open(prepare.data_dir));
  Preparation preparation = TRY(PrepareLocked(pods, store, prepare));
  Status failed = StartPod(pods, preparation, WithToken(options), prepare.manifest);
  (void)UnregisterPod(preparation.pod);
  // Nothing has run: nobody misses the pod.
  UnmountOverlays(preparation.pod);
  (void)pods.Forget(preparation.pod);
  return failed;
}

Status RunPrepared(const std::string& data_dir, const std::string& uuid,
                   const RunOptions& options) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  Preparation preparation = TRY(OpenPrepared(pods, uuid));
  if (options.interactive && preparation.apps.size() > 1) {
    return Err(Code::kInvalid, "interactive option only supports pods with one app");
  }
  // Where this fails behind the rename, the pod counts as exited and is collected as one.
  Status failed = StartPod(pods, preparation, WithToken(options), nullptr);
  (void)UnregisterPod(preparation.pod);
  return failed;
}

}  // namespace rkt::stage0
