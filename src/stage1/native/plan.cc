// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/plan.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "pod/paths.h"
#include "stage1/common/capabilities.h"
#include "stage1/common/environment.h"
#include "stage1/common/metadata.h"
#include "stage1/common/program_lookup.h"
#include "stage1/common/seccomp.h"
#include "stage1/common/seccomp_cache.h"
#include "stage1/common/stop_signal.h"
#include "stage1/native/syslog.h"
#include "stage1/native/volume_plan.h"

namespace rkt::native {

namespace {

Status PlanSeccomp(AppPlan& app, int pod_dir, const appc::App& section, const RunOptions& options) {
  auto isolators = appc::GetSeccomp(section.isolators);
  if (isolators.size() > 1) return Err(Code::kInvalid, "more than one seccomp isolator");
  stage1::SeccompPolicy policy;
  policy.device_policy = !options.disable_paths;
  if (options.disable_seccomp) {
    policy.mode = stage1::SeccompPolicy::Mode::kOff;
  } else if (!isolators.empty()) {
    policy.mode = isolators[0].retain ? stage1::SeccompPolicy::Mode::kRetain
                                      : stage1::SeccompPolicy::Mode::kRemove;
    policy.set = isolators[0].set;
    policy.errno_name = isolators[0].errno_name;
  } else if (policy.device_policy) {
    app.seccomp = stage1::DefaultSeccompFilter();
    return {};
  }
  app.seccomp_own = TRY(stage1::CompileSeccompOnce(policy, pod_dir));
  app.seccomp = app.seccomp_own;
  return {};
}

Status PlanCapabilities(AppPlan& app, const appc::App& section, const RunOptions& options) {
  if (options.disable_capabilities) {
    app.capabilities = stage1::kAllCapabilities;
    return {};
  }
  appc::Capabilities isolators = appc::GetCapabilities(section.isolators);
  auto mask = stage1::CapabilityMask({isolators.retain, isolators.remove});
  if (!mask) return Error(Code::kUnsupported, mask.error().Text());
  app.capabilities = *mask;
  return {};
}

bool LooksLikeAName(const std::string& text) {
  return !text.empty() && text != "root" && text[0] != '/' && !ParseInt(text);
}

// Says of an image that its app tells when it is ready.
constexpr char kNotifyAnnotation[] = "appc.io/executor/supports-systemd-notify";

// The image manifest of an app, for what hardly any image says: those converted from docker, and those that notify. Read when somebody asks, and taken
// apart only where it says anything of that kind.
class ImageFacts {
 public:
  ImageFacts(int pod_dir, const std::string& app) : pod_dir_(pod_dir), app_(app) {}

  // Null: the image does not come from docker.
  const appc::ImageManifest* Image() {
    if (!read_) Read();
    return image_ && appc::FindAnnotation(image_->annotations, "appc.io/docker/repository") != nullptr ? &*image_
                                                                                                       : nullptr;
  }
  // The signal that the image wants to be stopped with; null where it says none.
  const std::string* StopSignal() {
    if (!read_) Read();
    return image_ ? appc::FindAnnotation(image_->annotations, stage1::kDockerStopSignalAnnotation) : nullptr;
  }
  bool Notifies() {
    if (!read_) Read();
    const std::string* value = image_ ? appc::FindAnnotation(image_->annotations, kNotifyAnnotation) : nullptr;
    return value != nullptr && (*value == "true" || *value == "1");
  }

 private:
  void Read() {
    read_ = true;
    auto text = ReadFileAt(pod_dir_, pod::AppImageManifest(app_));
    if (!text || (text->find("appc.io/docker/") == std::string::npos &&
                  text->find(kNotifyAnnotation) == std::string::npos)) {
      return;
    }
    auto image = appc::ParseImageManifest(*text);
    if (image) image_ = *std::move(image);
  }

  int pod_dir_;
  const std::string& app_;
  bool read_ = false;
  std::optional<appc::ImageManifest> image_;
};

// A group that does not exist means the user's id where docker's conversion has made it of the user's name.
bool DockerMeansTheUser(const appc::App& section, ImageFacts& docker) {
  if (section.user != section.group || !LooksLikeAName(section.group)) return false;
  const appc::ImageManifest* image = docker.Image();
  // An override of the command line is meant as it stands.
  return image != nullptr && image->app && image->app->group == section.group &&
         image->app->user == image->app->group;
}

int StopSignalOf(PodPlan& plan, const appc::RuntimeApp& runtime, ImageFacts& docker) {
  const std::string* wish = appc::FindAnnotation(runtime.annotations, stage1::kStopSignalAnnotation);
  if (wish == nullptr) wish = docker.StopSignal();
  if (wish == nullptr) return SIGTERM;
  auto signal = stage1::ParseSignal(*wish);
  if (!signal) {
    plan.warnings.push_back(StrCat("warning: app ", Quote(runtime.name), ": stop signal ", Quote(*wish),
                                   " is not known, it will be SIGTERM"));
  }
  return signal.value_or(SIGTERM);
}

Status PlanPrograms(AppPlan& app, const appc::App& section, ImageFacts& docker, int root,
                    const stage1::OpenFile& files, const std::optional<IdRange>& users) {
  if (section.exec.empty()) return Err(Code::kInvalid, "no program to execute: exec is empty");
  stage1::IdentityRequest request;
  request.users = users;
  request.user = section.user;
  request.group = section.group;
  request.supplementary_gids.assign(section.supplementary_gids.begin(), section.supplementary_gids.end());
  request.docker_gid_fallback = DockerMeansTheUser(section, docker);
  app.main.identity = TRY(stage1::ResolveIdentity(root, request));
  std::string path(stage1::EnvironmentValue(app.environment, "PATH"));
  auto plan_program = [&](ProgramPlan& program, const std::vector<std::string>& exec) -> Status {
    program.exec = exec;
    program.program = TRY(stage1::FindProgram(files, exec[0], app.working_directory, path));
    program.no_new_privileges =
        appc::NoNewPrivileges(section.isolators) ||
        stage1::SeccompNeedsNoNewPrivileges(!app.seccomp.empty(), program.identity.uid);
    return {};
  };
  TRY(plan_program(app.main, section.exec));
  for (const appc::EventHandler& handler : section.event_handlers) {
    if (handler.exec.empty()) return Err(Code::kInvalid, "event handler ", handler.name, ": exec is empty");
    ProgramPlan program;
    program.identity.groups = {0};
    TRY_CTX(plan_program(program, handler.exec), "event handler ", handler.name);
    (handler.name == "pre-start" ? app.pre_start : app.post_stop).push_back(std::move(program));
  }
  return {};
}

// An app's section where the pod's manifest leaves it to the image. What the image alone says it only asks for.
Result<appc::App> ImageSection(int pod_dir, const std::string& name, const RunOptions& options) {
  std::string path = pod::AppImageManifest(name);
  std::string text = TRY(ReadFileAt(pod_dir, path));
  appc::ImageManifest image = TRY_CTX(appc::ParseImageManifest(text), "image manifest ", path);
  if (!image.app) return Err(Code::kInvalid, "neither the pod nor the image has an app section");
  TRY(appc::CheckImageIsolators(image.app->isolators, options.disable_capabilities));
  return *std::move(image.app);
}

bool HasLabel(const appc::Isolators& isolators) {
  return appc::SelinuxContext(isolators) || appc::ApparmorProfile(isolators);
}

Status PlanAppLabel(AppPlan& app, PodPlan& plan, int pod_dir, const appc::App& section, const appc::PodManifest& manifest,
                    const RunOptions& options) {
  if (!options.selinux_context.empty()) {
    app.label_file = kSelinuxLabelFile;
    app.label = options.selinux_context;
  }
  if (!HasLabel(section.isolators) && !HasLabel(manifest.isolators)) return {};
  std::string text = TRY(ReadFileAt(pod_dir, pod::AppImageManifest(app.name)));
  appc::ImageManifest image = TRY_CTX(appc::ParseImageManifest(text), "image manifest");
  appc::Isolators of_image = image.app ? image.app->isolators : appc::Isolators();
  PlanLabel(app, section.isolators, manifest.isolators, of_image, &plan.warnings);
  return {};
}

// The modes of the standard streams, as stage0 writes them down.
Status PlanStreams(AppPlan& app, const appc::Annotations& annotations) {
  struct Stream {
    const char* name;
    StreamMode AppPlan::*mode;
  };
  for (const Stream& stream : {Stream{"stdin", &AppPlan::stdin_mode}, Stream{"stdout", &AppPlan::stdout_mode},
                               Stream{"stderr", &AppPlan::stderr_mode}}) {
    const std::string* mode = appc::FindAnnotation(annotations, StrCat("coreos.com/rkt/stage2/", stream.name));
    // Interactive apps have rkt's own streams, whatever these say.
    if (mode == nullptr || *mode == "interactive") continue;
    bool input = stream.mode == &AppPlan::stdin_mode;
    if (*mode == "null") {
      app.*stream.mode = StreamMode::kNull;
    } else if (*mode == "stream") {
      app.*stream.mode = StreamMode::kStream;
    } else if (*mode == "tty") {
      app.*stream.mode = StreamMode::kTty;
    } else if (*mode == "log" && !input) {
      app.*stream.mode = StreamMode::kLog;
    } else {
      return Err(Code::kInvalid, "unknown ", stream.name, " mode ", Quote(*mode));
    }
  }
  return {};
}

// An app may ask for more or less time between SIGTERM and SIGKILL, in seconds.
int StopTimeout(const appc::Annotations& annotations) {
  constexpr int kLongest = 24 * 3600;
  const std::string* text = appc::FindAnnotation(annotations, "coreos.com/rkt/stage2/stop-timeout");
  auto seconds = text != nullptr ? ParseInt(*text) : std::nullopt;
  return seconds && *seconds >= 0 && *seconds <= kLongest ? static_cast<int>(*seconds) : kStopTimeoutSeconds;
}

// `stage1` is a directory below which `stage1_path` (with a slash, or empty) is S1.
Result<AppPlan> PlanApp(PodPlan& plan, VolumeTable& volumes, int pod_dir, int stage1, const char* stage1_path,
                        const appc::PodManifest& manifest, const appc::RuntimeApp& runtime, const appc::App& section,
                        const RunOptions& options) {
  AppPlan app;
  app.name = runtime.name;
  app.rootfs = pod::AppRootfs(runtime.name);
  app.readonly_rootfs = runtime.read_only_root_fs;
  TRY(PlanStreams(app, runtime.annotations));
  app.stop_timeout_seconds = StopTimeout(runtime.annotations);
  TRY(PlanConfinement(app, pod_dir, section, options));
  // Of an app that comes while the pod runs; at the pod's start it is not known yet.
  if (!plan.metadata_url.empty()) stage1::SetMetadataUrl(app.environment, plan.metadata_url);
  TRY(PlanAppLabel(app, plan, pod_dir, section, manifest, options));
  Fd root = TRY(OpenAt(stage1, StrCat(stage1_path, app.rootfs), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  ImageFacts docker(pod_dir, runtime.name);
  auto mounts = TRY(PlanUserMounts(plan, volumes, manifest, runtime, section,
                                   [&] { return docker.Image() != nullptr; }));
  TRY(PlanPrograms(app, section, docker, root.get(), PlannedFiles(root.get(), plan, mounts), options.private_users));
  app.stop_signal = StopSignalOf(plan, runtime, docker);
  app.notifies = docker.Notifies();
  for (const appc::Port& port : section.ports) {
    if (port.socket_activated) app.activated_ports.push_back({port, false});
  }
  // A volume there may have the socket of a journal.
  bool has_journal = std::any_of(mounts.begin(), mounts.end(), [](const UserMount& mount) {
    return mount.target == "/run" || mount.target == "/run/systemd" || mount.target.starts_with("/run/systemd/journal");
  });
  if (!has_journal) app.syslog = SyslogSocket(app.name);
  bool has_sys_mount = std::any_of(mounts.begin(), mounts.end(), [](const UserMount& mount) {
    return mount.target == "/sys" || mount.target.starts_with("/sys/");
  });
  bool fallback_hosts = options.hosts_mode == "default" && !ExistsAt(root.get(), "etc/hosts");
  AddSystemMounts(app, options, has_sys_mount, fallback_hosts);
  app.system_mount_count = app.mounts.size();
  AddUserMounts(app, plan, mounts);
  bool over_etc = std::any_of(mounts.begin(), mounts.end(), [](const UserMount& mount) {
    return mount.target == "/etc" || mount.target == "/etc/resolv.conf" || mount.target == "/etc/hosts";
  });
  if (over_etc) AddFilesOverVolumes(app, options);
  return app;
}

}  // namespace

Status PlanConfinement(AppPlan& app, int pod_dir, const appc::App& section, const RunOptions& options) {
  app.working_directory = section.working_directory.empty() ? "/" : section.working_directory;
  app.allow_devices = options.disable_paths;
  app.private_users = options.private_users.has_value();
  stage1::EnvironmentRequest environment;
  environment.app_name = app.name;
  environment.container = "rkt";
  environment.terminal = options.terminal;
  environment.metadata_url = options.metadata_url;
  // Whoever attaches has one that understands this, most likely.
  if (app.stdin_mode == StreamMode::kTty || app.stdout_mode == StreamMode::kTty) environment.terminal = "xterm";
  for (const appc::EnvironmentVariable& variable : section.environment) {
    environment.app.emplace_back(variable.name, variable.value);
  }
  app.environment = TRY(stage1::AppEnvironment(environment));
  TRY(PlanCapabilities(app, section, options));
  TRY(PlanSeccomp(app, pod_dir, section, options));
  // Before those that the app has of its own.
  if (options.open_files) {
    app.rlimits.push_back({RLIMIT_NOFILE, *options.open_files});
    app.rlimit_names.push_back("nofile");
  }
  return PlanLimits(app, section.isolators);
}

Result<PodPlan> MakePodPlan(int pod_dir, const appc::PodManifest& manifest, const RunOptions& options) {
  PodPlan plan;
  plan.uuid = options.uuid;
  plan.hostname = options.hostname.empty() ? StrCat("rkt-", options.uuid) : options.hostname;
  plan.private_ipc = options.PrivateIpc();
  plan.file_label = options.selinux_mount_context;
  plan.private_users = options.private_users;
  plan.interactive = options.interactive;
  plan.grows = options.mutable_pod;
  if (manifest.apps.empty() && !plan.grows) return Err(Code::kInvalid, "pod must contain at least one application");
  if (plan.interactive && manifest.apps.size() > 1) {
    return Err(Code::kInvalid, "interactive option only supports pods with one app");
  }
  VolumeTable volumes(plan, "rkt/volumes", false);
  plan.apps.reserve(manifest.apps.size());
  std::deque<appc::App> of_images;
  std::vector<const appc::App*> sections;
  for (const appc::RuntimeApp& runtime : manifest.apps) {
    if (!runtime.app) {
      of_images.push_back(TRY_CTX(ImageSection(pod_dir, runtime.name, options), "app ", Quote(runtime.name)));
    }
    sections.push_back(runtime.app ? &*runtime.app : &of_images.back());
    plan.apps.push_back(TRY_CTX(
        PlanApp(plan, volumes, pod_dir, pod_dir, "stage1/rootfs/", manifest, runtime, *sections.back(), options),
        "app ", Quote(runtime.name)));
  }
  TRY(PlanPodLimits(plan, manifest, sections));
  PlanDevices(plan, options);
  return plan;
}

std::string AddedVolumesDir(std::string_view app) { return StrCat("rkt/volumes/app-", app); }

Result<PodPlan> MakeAddedPlan(int pod_dir, const appc::PodManifest& manifest, const std::string& app,
                              const RunOptions& options, AddedFrom from) {
  const appc::RuntimeApp* runtime = manifest.FindApp(app);
  if (runtime == nullptr) return Err(Code::kNotFound, "no app ", Quote(app), " in the pod");
  PodPlan plan;
  plan.uuid = options.uuid;
  plan.private_users = options.private_users;
  plan.file_label = options.selinux_mount_context;
  VolumeTable volumes(plan, AddedVolumesDir(app), from == AddedFrom::kPod);
  appc::App of_image;
  if (!runtime->app) of_image = TRY(ImageSection(pod_dir, app, options));
  plan.apps.push_back(TRY(PlanApp(plan, volumes, pod_dir, AT_FDCWD, "", manifest, *runtime,
                                  runtime->app ? *runtime->app : of_image, options)));
  PlanDevices(plan, options);
  return plan;
}

AppChildPlan MakeChildPlan(const AppPlan& app, const ProgramPlan& program, ChildStorage& storage) {
  auto pointers = [](const std::vector<std::string>& strings) {
    std::vector<char*> list;
    list.reserve(strings.size() + 1);
    for (const std::string& s : strings) list.push_back(const_cast<char*>(s.c_str()));
    list.push_back(nullptr);
    return list;
  };
  storage.argv = pointers(program.exec);
  storage.envp = pointers(app.environment);
  bool takes_sockets = &program == &app.main && !app.sockets.empty();
  if (takes_sockets) {
    for (const std::string& entry : app.socket_environment) {
      storage.envp.insert(storage.envp.end() - 1, const_cast<char*>(entry.c_str()));
    }
  }
  AppChildPlan child;
  child.rootfs = app.rootfs.c_str();
  child.mounts = app.mounts.data();
  child.mount_count = app.mounts.size();
  child.readonly_rootfs = app.readonly_rootfs;
  child.allow_devices = app.allow_devices;
  child.rlimits = app.rlimits.data();
  child.rlimit_count = app.rlimits.size();
  if (!app.label.empty()) {
    child.label_file = app.label_file.c_str();
    child.label = app.label.c_str();
  }
  child.private_users = app.private_users;
  child.set_oom_score = app.oom_score_adj.has_value();
  child.oom_score_adj = app.oom_score_adj.value_or(0);
  child.working_directory = app.working_directory.c_str();
  child.capabilities = app.capabilities;
  child.uid = program.identity.uid;
  child.gid = program.identity.gid;
  child.groups = program.identity.groups.data();
  child.group_count = program.identity.groups.size();
  child.no_new_privileges = program.no_new_privileges;
  child.seccomp = app.seccomp.data();
  child.seccomp_count = app.seccomp.size();
  child.program = program.program.c_str();
  child.argv = storage.argv.data();
  child.envp = storage.envp.data();
  if (takes_sockets) {
    child.sockets = app.sockets.data();
    child.socket_count = app.sockets.size();
    const std::string& pid = app.socket_environment.front();
    child.listen_pid = const_cast<char*>(pid.c_str()) + pid.find('=') + 1;
  }
  return child;
}

}  // namespace rkt::native
