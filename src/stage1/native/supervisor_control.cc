// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pid 1 of a mutable pod: apps are started and stopped when the entry points app/start, app/stop and app/rm ask for it.
// What an app is and how it is confined is planned by the same code that plans the apps of an immutable pod.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/mount.h"
#include "pod/paths.h"
#include "stage1/common/metadata.h"
#include "stage1/native/app_processes.h"
#include "stage1/native/attach_paths.h"
#include "stage1/native/clock.h"
#include "stage1/native/pod_network.h"
#include "stage1/native/supervisor.h"
#include "stage1/native/syslog.h"

namespace rkt::native {

namespace {

// Who asks waits for an answer, so there are few at a time.
constexpr size_t kMostConnections = 64;

std::string DevDir(const std::string& app) { return StrCat("dev/app-", app); }
std::string NotifySocket(const std::string& app) { return StrCat("dev/notify-", app); }

}  // namespace

Status Supervisor::OpenControl() {
  // To find the processes of an app. Apps have a procfs of their own.
  Fd proc = TRY(NewMount("proc", {{"source", "proc"}}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  TRY(AttachMountAt(proc.get(), AT_FDCWD, "proc"));
  control_ = TRY(ListenForControl());
  return {};
}

Supervisor::AppState* Supervisor::FindApp(const std::string& name) {
  for (AppState& app : apps_) {
    if (app.plan->name == name && app.phase != Phase::kDone) return &app;
  }
  return nullptr;
}

void Supervisor::OnControl(int, short) {
  Fd connection = AcceptControl(control_.get());
  if (connection && connections_.size() < kMostConnections) connections_.push_back(std::move(connection));
}

void Supervisor::OnConnection(int fd, short) {
  auto request = ReceiveControl(fd);
  if (!request && request.error().code() == Code::kBusy) return;
  if (request) Answer(fd, *request);
  // An answer that is to come later has a descriptor of its own.
  std::erase_if(connections_, [&](const Fd& connection) { return connection.get() == fd; });
}

void Supervisor::Answer(int fd, ControlRequest& request) {
  if (request.verb == "start") {
    Status started = StartAdded(request);
    AppState* app = started ? FindApp(request.app) : nullptr;
    if (app == nullptr || !app->awaited) return AnswerControl(fd, started);
    auto later = DupFd(fd);
    if (!later) return AnswerControl(fd, std::move(later).error());
    app->starters.push_back(*std::move(later));
    return;
  }
  if (request.verb == "remove") return AnswerControl(fd, RemoveAdded(request.app));
  if (request.verb != "stop") return AnswerControl(fd, Err(Code::kInvalid, "unknown request"));
  AppState* app = FindApp(request.app);
  if (app == nullptr) return AnswerControl(fd, Err(Code::kBusy, "not running"));
  auto copy = DupFd(fd);
  if (!copy) return AnswerControl(fd, std::move(copy).error());
  app->waiters.push_back(*std::move(copy));
  StopOne(*app);
}

Status Supervisor::StartAdded(ControlRequest& request) {
  if (stopping_) return Err(Code::kInvalid, "the pod is stopping");
  if (FindApp(request.app) != nullptr) return {};
  if (!request.pod_dir) return Err(Code::kInvalid, "a request that is none");
  std::string text = TRY(ReadFileAt(request.pod_dir.get(), pod::kManifestFile));
  appc::PodManifest manifest = TRY_CTX(appc::ParsePodManifest(text), "pod manifest");
  auto own_plan = std::make_unique<PodPlan>(
      TRY(MakeAddedPlan(request.pod_dir.get(), manifest, request.app, options_, AddedFrom::kPod)));
  if (plan_.private_users && plan_.host_network) BindHostSys(*own_plan);
  for (const PodPlan::NetworkFile& file : plan_.network_files) ShowNetworkFile(own_plan->apps[0], file);
  if (!plan_.metadata_url.empty()) stage1::SetMetadataUrl(own_plan->apps[0].environment, plan_.metadata_url);
  Fd log = TRY(OpenAt(files_.log_targets.directory.get(), request.app, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  // What an earlier run has left.
  TRY(RemoveTreeAt(AT_FDCWD, DevDir(request.app)));
  TRY(UnlinkAt(AT_FDCWD, pod::AppStartedFile(request.app)));
  TRY(UnlinkAt(AT_FDCWD, pod::AppStatusFile(request.app)));

  AppState& app = apps_.emplace_back(own_plan->apps[0]);
  app.own_plan = std::move(own_plan);
  app.own_log = std::move(log);
  app.log = app.own_log.get();
  app.own_group.v2 = std::move(request.v2_group);
  app.own_group.v1_tasks = std::move(request.v1_tasks);
  app.group = &app.own_group;
  Status prepared = PrepareStreams(app, std::move(request.plain_log));
  if (prepared && app.plan->notifies) prepared = OpenNotify(app);
  if (prepared) prepared = WriteFileAt(AT_FDCWD, pod::AppStartedFile(request.app), "", 0644, true);
  if (!prepared) {
    apps_.pop_back();
    return prepared;
  }
  StartNext(app);
  if (app.failed) return Err(Code::kInternal, app.failure);
  return {};
}

// Whoever asks for the app's start hears when its program has said that it is ready (sd_notify(3)).
Status Supervisor::OpenNotify(AppState& app) {
  AppPlan& plan = *app.plan;
  plan.strings.push_back(NotifySocket(plan.name));
  const std::string& path = plan.strings.back();
  app.notify = TRY(ListenForApp(path));
  app.awaited = true;
  for (MountStep& step : plan.mounts) {
    if (step.kind == MountStep::Kind::kDev) step.notify = path.c_str();
  }
  for (const char* name : {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="}) {
    std::erase_if(plan.environment, [&](const std::string& entry) { return entry.starts_with(name); });
  }
  plan.environment.push_back("NOTIFY_SOCKET=/dev/notify");
  return {};
}

void Supervisor::OnNotify(int fd, short) {
  for (AppState& app : apps_) {
    if (app.notify.get() == fd) return HearNotify(app);
  }
}

void Supervisor::HearNotify(AppState& app) {
  char packet[4096];
  // Descriptors that come along are closed by the kernel.
  for (int round = 0; app.notify && round < 32; ++round) {
    ssize_t n = ::recv(app.notify.get(), packet, sizeof packet, 0);
    if (n < 0) return;
    for (const std::string& line : Split(std::string_view(packet, static_cast<size_t>(n)), '\n')) {
      if (line != "READY=1") continue;
      app.awaited = false;
      for (const Fd& starter : app.starters) AnswerControl(starter.get(), {});
      app.starters.clear();
    }
  }
}

// The app goes from the pod: nothing of it stays in memory or in S1's /dev.
Status Supervisor::RemoveAdded(const std::string& app) {
  if (FindApp(app) != nullptr) return Err(Code::kInvalid, "app ", Quote(app), " is still running");
  TRY(RemoveTreeAt(AT_FDCWD, DevDir(app)));
  return RemoveTreeAt(AT_FDCWD, pod::IottymuxDir(app));
}

void Supervisor::StopOne(AppState& app) {
  if (app.stopping) return;
  app.stopping = true;
  app.kill_at_ms = MonotonicMs() + app.plan->stop_timeout_seconds * int64_t{1000};
  if (app.phase == Phase::kMain && app.plan->stop_signal != SIGTERM) {
    // A signal of the app's own is meant for its main process; what that leaves behind is killed.
    ::kill(app.pid, app.plan->stop_signal);
  } else {
    SignalNamespace(app.mount_namespace, SIGTERM);
  }
  if (app.plan->stdin_mode == StreamMode::kTty) SignalNamespace(app.mount_namespace, SIGHUP);
  SignalNamespace(app.mount_namespace, SIGCONT);
}

// The app has ended; its status is written.
void Supervisor::Settle(AppState& app) {
  app.streams->Close();
  if (app.notify) {
    HearNotify(app);
    app.notify.Close();
    (void)UnlinkAt(AT_FDCWD, NotifySocket(app.plan->name));
  }
  for (const Fd& starter : app.starters) {
    AnswerControl(starter.get(), Err(Code::kInternal, "it has ended without having said that it is ready"));
  }
  app.starters.clear();
  for (const Fd& waiter : app.waiters) AnswerControl(waiter.get(), {});
  app.waiters.clear();
}

// Forgets the apps that have ended, between two rounds of the loop.
void Supervisor::Sweep() {
  for (auto app = apps_.begin(); app != apps_.end();) {
    auto next = std::next(app);
    if (app->phase == Phase::kDone) {
      if (!app->streams->finished()) {
        // Clients that still take what the app has written; the plan is not looked at any more.
        retired_.push_back(std::move(app->streams));
      }
      apps_.erase(app);
    }
    app = next;
  }
  retired_.remove_if([](const auto& streams) { return streams->finished(); });
}

}  // namespace rkt::native
