// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/manifest_builder.h"

#include <algorithm>

#include "appc/limits.h"
#include "appc/names.h"

namespace rkt::pod {

namespace {

// Without doubled slashes, "." and "..": two spellings of a path are one place.
std::string CleanPath(std::string_view path) {
  std::vector<std::string> kept;
  for (const std::string& element : Split(path, '/')) {
    if (element.empty() || element == ".") continue;
    if (element == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(element);
    }
  }
  return StrCat("/", Join(kept, "/"));
}

// The image's app section with exec, identity and directory as asked for.
Result<appc::App> BaseApp(const AppRequest& request, uint32_t caller_uid, uint32_t caller_gid) {
  const appc::ImageManifest& image = *request.image;
  appc::App app;
  if (image.app) {
    app = *image.app;
  } else {
    if (!request.exec) {
      return Err(Code::kInvalid, "image ", Quote(image.name),
                 " has no app section: --exec must say what to run");
    }
    app.user = StrCat(caller_uid);
    app.group = StrCat(caller_gid);
  }
  if (request.exec) app.exec = {*request.exec};
  if (request.args_replace && !request.args.empty() && !app.exec.empty()) app.exec.resize(1);
  if (!app.exec.empty()) app.exec.insert(app.exec.end(), request.args.begin(), request.args.end());
  if (app.exec.empty() || app.exec[0].empty()) {
    return Err(Code::kInvalid, "image ", Quote(image.name),
               " names no program: --exec must say what to run");
  }
  if (request.working_directory) {
    if (!request.working_directory->starts_with('/')) {
      return Err(Code::kInvalid,
                 "working directory must be an absolute path: ", Quote(*request.working_directory));
    }
    app.working_directory = *request.working_directory;
  }
  if (request.user) app.user = *request.user;
  if (request.group) app.group = *request.group;
  if (app.user.empty()) return Err(Code::kInvalid, "user must not be empty");
  if (app.group.empty()) return Err(Code::kInvalid, "group must not be empty");
  if (request.supplementary_gids) app.supplementary_gids = *request.supplementary_gids;
  for (const auto& [name, value] : request.user_annotations) app.user_annotations[name] = value;
  for (const auto& [name, value] : request.user_labels) app.user_labels[name] = value;
  return app;
}

// Memory and cpu are appended, since the last one counts; each of the others takes the place of the
// image's.
Status ApplyIsolators(const AppRequest& request, appc::Isolators* isolators) {
  if (request.memory) isolators->push_back(TRY(appc::MakeMemory(*request.memory)));
  if (request.cpu) isolators->push_back(TRY(appc::MakeCpu(*request.cpu)));
  if (request.cpu_shares) {
    appc::Isolator made = TRY(appc::MakeCpuShares(*request.cpu_shares));
    appc::EraseIsolators(*isolators, appc::kCpuSharesIsolator);
    isolators->push_back(std::move(made));
  }
  if (request.oom_score_adj) {
    appc::Isolator made = TRY(appc::MakeOomScoreAdj(*request.oom_score_adj));
    appc::EraseIsolators(*isolators, appc::kOomScoreAdjIsolator);
    isolators->push_back(std::move(made));
  }
  if (request.caps_retain && request.caps_remove) {
    return Err(Code::kInvalid, "cannot use both --caps-retain and --caps-remove");
  }
  if (request.caps_retain || request.caps_remove) {
    bool retain = request.caps_retain.has_value();
    appc::Isolator made =
        TRY(appc::MakeCapabilities(retain, retain ? *request.caps_retain : *request.caps_remove));
    appc::EraseIsolators(*isolators, appc::kCapsRetainIsolator);
    appc::EraseIsolators(*isolators, appc::kCapsRemoveIsolator);
    isolators->push_back(std::move(made));
  }
  if (request.seccomp) {
    appc::Isolator made = TRY(appc::MakeSeccomp(*request.seccomp));
    appc::EraseIsolators(*isolators, appc::kSeccompRetainIsolator);
    appc::EraseIsolators(*isolators, appc::kSeccompRemoveIsolator);
    isolators->push_back(std::move(made));
  }
  for (const appc::Isolator& isolator : request.isolators) {
    appc::EraseIsolators(*isolators, isolator.name);
    isolators->push_back(isolator);
  }
  return {};
}

// What the image brings and no flag replaces. It may ask for what stays in its pod.
Status CheckRequests(const AppRequest& request, appc::Isolators isolators) {
  bool other_capabilities = request.caps_retain || request.caps_remove;
  if (request.oom_score_adj) appc::EraseIsolators(isolators, appc::kOomScoreAdjIsolator);
  for (const appc::Isolator& isolator : request.isolators) {
    appc::EraseIsolators(isolators, isolator.name);
  }
  return appc::CheckImageIsolators(isolators, request.any_capability || other_capabilities);
}

// What a service manager says to the process that it has started; no app is that process.
bool IsForTheCallerAlone(std::string_view name) {
  constexpr std::string_view kNames[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                         "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

// Weakest first: the image's own are there already.
void ApplyEnvironment(const AppRequest& request, const EnvironmentRequest& pod,
                      appc::Environment* environment) {
  for (const auto& [name, value] : request.environment) {
    appc::SetVariable(*environment, name, value);
  }
  if (pod.inherit) {
    for (std::string_view entry : pod.caller) {
      size_t equals = entry.find('=');
      if (equals == std::string_view::npos) continue;
      std::string_view name = entry.substr(0, equals);
      if (IsForTheCallerAlone(name) || !appc::IsVariableName(name) ||
          appc::FindVariable(*environment, name)) {
        continue;
      }
      environment->push_back({std::string(name), std::string(entry.substr(equals + 1))});
    }
  }
  for (const auto& [name, value] : pod.from_files) appc::SetVariable(*environment, name, value);
  for (const auto& [name, value] : pod.set) appc::SetVariable(*environment, name, value);
}

std::vector<appc::Mount> MergeMounts(const std::vector<appc::Mount>& own,
                                     const std::vector<appc::Mount>& global) {
  std::vector<appc::Mount> merged;
  std::vector<std::string> places;
  for (const std::vector<appc::Mount>* list : {&own, &global}) {
    for (const appc::Mount& mount : *list) {
      std::string place = CleanPath(mount.path);
      if (std::find(places.begin(), places.end(), place) != places.end()) continue;
      places.push_back(std::move(place));
      merged.push_back(mount);
    }
  }
  return merged;
}

Status AddAnnotations(const std::vector<KeyValue>& pairs, appc::Annotations* annotations) {
  for (const auto& [name, value] : pairs) {
    TRY_CTX(appc::CheckACIdentifier(name), "annotation name");
    TRY_CTX(appc::CheckAnnotationValue(name, value), "annotation ", Quote(name));
    appc::SetAnnotation(*annotations, name, value);
  }
  return {};
}

Status CheckUniqueVolumes(const std::vector<appc::Volume>& volumes) {
  for (size_t i = 0; i < volumes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (volumes[i].name == volumes[j].name) {
        return Err(Code::kInvalid, "duplicate volume name ", Quote(volumes[i].name));
      }
    }
  }
  return {};
}

}  // namespace

Status CheckMounts(const std::vector<appc::Mount>& mounts,
                   const std::vector<appc::Volume>& volumes) {
  for (const appc::Mount& mount : mounts) {
    if (mount.app_volume) continue;
    bool declared = std::any_of(volumes.begin(), volumes.end(), [&](const appc::Volume& volume) {
      return volume.name == mount.volume;
    });
    if (!declared) {
      return Err(Code::kInvalid, "dangling mount point ", Quote(mount.path), ": volume ",
                 Quote(mount.volume), " not found");
    }
  }
  return {};
}

Result<appc::RuntimeApp> BuildRuntimeApp(const AppRequest& request,
                                         const EnvironmentRequest& environment,
                                         const std::vector<appc::Mount>& global_mounts,
                                         uint32_t caller_uid, uint32_t caller_gid) {
  const appc::ImageManifest& image = *request.image;
  TRY_CTX(appc::CheckRunnableLabels(image.labels), "image ", Quote(image.name), " cannot run here");
  appc::RuntimeApp out;
  if (request.name) {
    if (Status valid = appc::CheckACName(*request.name); !valid) {
      return Err(Code::kInvalid, "app name ", valid.error().message());
    }
    out.name = *request.name;
  } else {
    out.name = TRY(appc::DefaultAppName(image.name));
  }
  out.image.name = image.name;
  out.image.id = request.image_key;
  out.image.labels = image.labels;
  out.app = TRY(BaseApp(request, caller_uid, caller_gid));
  if (Status bounded = CheckRequests(request, out.app->isolators); !bounded) {
    return Err(Code::kInvalid, "app ", Quote(out.name), ": ", bounded.error().message());
  }
  TRY(ApplyIsolators(request, &out.app->isolators));
  ApplyEnvironment(request, environment, &out.app->environment);
  out.read_only_root_fs = request.read_only_root_fs;
  out.mounts = MergeMounts(request.mounts, global_mounts);
  TRY(AddAnnotations(request.annotations, &out.annotations));
  return out;
}

Result<appc::PodManifest> BuildPodManifest(const PodRequest& request) {
  appc::PodManifest out;
  out.ac_version = request.rkt_version;
  TRY(CheckUniqueVolumes(request.volumes));
  TRY(CheckMounts(request.mounts, request.volumes));
  for (const AppRequest& app : request.apps) TRY(CheckMounts(app.mounts, request.volumes));

  for (const AppRequest& app : request.apps) {
    appc::RuntimeApp built = TRY(BuildRuntimeApp(app, request.environment, request.mounts,
                                                 request.caller_uid, request.caller_gid));
    if (out.FindApp(built.name)) {
      return Err(Code::kInvalid, "error: multiple apps with name ", built.name,
                 " (--name=NAME behind an image gives its app another)");
    }
    out.apps.push_back(std::move(built));
  }
  out.volumes = request.volumes;
  out.isolators = request.isolators;
  out.ports = request.ports;
  TRY(appc::ResolvePorts(out));
  TRY(AddAnnotations(request.annotations, &out.annotations));
  appc::SetAnnotation(out.annotations, appc::kMutableAnnotation,
                      request.is_mutable ? "true" : "false");
  for (const auto& [name, value] : request.user_annotations) out.user_annotations[name] = value;
  for (const auto& [name, value] : request.user_labels) out.user_labels[name] = value;
  return out;
}

Status CheckCustomManifest(const appc::PodManifest& manifest) {
  TRY(appc::Sysctls(manifest.isolators));
  bool whole = true;
  for (const appc::RuntimeApp& app : manifest.apps) {
    if (app.image.id.empty()) {
      return Err(Code::kInvalid, "app ", Quote(app.name), " has no image.id in the pod manifest");
    }
    whole = whole && app.app.has_value();
  }
  TRY(CheckUniqueVolumes(manifest.volumes));
  for (const appc::RuntimeApp& app : manifest.apps) TRY(CheckMounts(app.mounts, manifest.volumes));
  // Where an app section is left to the image, its ports are not known here.
  if (whole) TRY(appc::ResolvePorts(manifest));
  return {};
}

}  // namespace rkt::pod
