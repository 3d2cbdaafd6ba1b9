// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Makes a pod's manifest from the images and what the command line asked for (runtime.md of the
// reference, sections 2 and 3). Pure: nothing is read or written, the caller brings manifests,
// environment and ids.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/result.h"
#include "pod/flag_values.h"

namespace rkt::pod {

// One app: an image and the per-app flags that followed it. What is unset leaves the image's own.
struct AppRequest {
  std::string image_key;                       // sha512-...
  const appc::ImageManifest* image = nullptr;  // lives as long as the call

  std::optional<std::string> exec;  // --exec: replaces the whole exec by this one word
  std::vector<std::string> args;    // behind `--`
  bool args_replace = false;        // app add: args take the place of all behind exec[0]
  std::optional<std::string> name;  // --name
  std::optional<std::string> working_directory;
  bool read_only_root_fs = false;
  std::vector<appc::Mount> mounts;
  std::optional<std::string> user;
  std::optional<std::string> group;
  std::optional<std::vector<uint32_t>> supplementary_gids;
  std::vector<KeyValue> annotations;       // of the runtime app
  std::vector<KeyValue> user_annotations;  // of app.userAnnotations
  std::vector<KeyValue> user_labels;
  std::vector<KeyValue> environment;  // --environment

  std::optional<std::string> memory;  // quantities as written
  std::optional<std::string> cpu;
  std::optional<int64_t> cpu_shares;
  std::optional<int64_t> oom_score_adj;
  std::optional<std::vector<std::string>> caps_retain;
  std::optional<std::vector<std::string>> caps_remove;
  std::optional<appc::Seccomp> seccomp;
  appc::Isolators isolators;  // further ones, each in the place of the image's of that name
  // The capabilities that isolators name do not matter (--insecure-options=capabilities).
  bool any_capability = false;
};

// What holds for every app of the pod.
struct EnvironmentRequest {
  bool inherit = false;              // --inherit-env
  std::vector<std::string> caller;   // NAME=VALUE entries of the caller's environment
  std::vector<KeyValue> from_files;  // --set-env-file
  std::vector<KeyValue> set;         // --set-env
};

struct PodRequest {
  std::string rkt_version;  // goes into acVersion
  std::vector<AppRequest> apps;
  EnvironmentRequest environment;
  std::vector<appc::Volume> volumes;
  std::vector<appc::Mount> mounts;  // --mount before the first image
  std::vector<appc::ExposedPort> ports;
  appc::Isolators isolators;          // of the whole pod
  std::vector<KeyValue> annotations;  // app sandbox only, as the next two
  std::vector<KeyValue> user_annotations;
  std::vector<KeyValue> user_labels;
  bool is_mutable = false;
  uint32_t caller_uid = 0;  // identity of apps whose image has no app section
  uint32_t caller_gid = 0;
};

// The whole manifest, checked: names, duplicate apps and volumes, mounts without a volume, ports.
// Environment, weakest first: image, --environment, --inherit-env (names not set so far),
// --set-env-file, --set-env. Names that no manifest can carry (a shell's exported functions) are
// not inherited.
Result<appc::PodManifest> BuildPodManifest(const PodRequest& request);

// One app of it; for adding to a running pod. `global_mounts` follow the app's own: the first entry
// of a path wins.
Result<appc::RuntimeApp> BuildRuntimeApp(const AppRequest& request,
                                         const EnvironmentRequest& environment,
                                         const std::vector<appc::Mount>& global_mounts,
                                         uint32_t caller_uid, uint32_t caller_gid);

// Every mount names a declared volume or carries its own: dangling mount point "/p": volume "v" not
// found
Status CheckMounts(const std::vector<appc::Mount>& mounts,
                   const std::vector<appc::Volume>& volumes);

// A manifest given by --pod-manifest: each app needs image.id; names and volumes unique, ports
// resolvable.
Status CheckCustomManifest(const appc::PodManifest& manifest);

}  // namespace rkt::pod
