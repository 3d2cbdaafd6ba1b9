// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/metadata.h"

#include <cerrno>

#include "appc/pod_manifest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "metadata/registration.h"
#include "pod/paths.h"

namespace rkt::stage0 {

Status RegisterPod(const pod::Pod& pod, const std::string& run_path, const std::string& token) {
  metadata::Registration registration;
  registration.uuid = pod.uuid();
  registration.token = token;
  registration.pod_path = run_path;
  registration.manifest = TRY(pod.ReadFile(pod::kManifestFile));
  appc::PodManifest manifest = TRY(appc::ParsePodManifest(registration.manifest));
  for (const appc::RuntimeApp& app : manifest.apps) {
    registration.apps.emplace_back(app.name, TRY(pod.ReadFile(pod::AppImageManifest(app.name))));
  }
  // First, so that gc knows of it whenever this process ends.
  TRY(WriteFileAt(pod.fd(), metadata::kRegisteredFile, "", 0640, true));
  Status registered = metadata::Register(registration);
  if (registered) return {};
  if (registered.error().err() == ENOENT || registered.error().err() == ECONNREFUSED) {
    Notice("", metadata::kServiceHint);
  }
  (void)UnlinkAt(pod.fd(), metadata::kRegisteredFile);
  return std::move(registered).error().Wrap("failed to register the pod with the metadata service");
}

Status RegisterAddedApp(const pod::Pod& pod, const std::string& app) {
  if (!ExistsAt(pod.fd(), metadata::kRegisteredFile)) return {};
  json::Value config = TRY(json::Parse(TRY(pod.ReadFile(pod::kRuntimeConfigFile))));
  const json::Value* token = config.Find("MDSToken");
  if (token == nullptr || !token->is_string() || token->text().empty()) return {};
  return metadata::RegisterApp(pod.uuid(), token->text(), pod.path(),
                               TRY(pod.ReadFile(pod::kManifestFile)), app,
                               TRY(pod.ReadFile(pod::AppImageManifest(app))));
}

Status UnregisterPod(const pod::Pod& pod) {
  if (!ExistsAt(pod.fd(), metadata::kRegisteredFile)) return {};
  return metadata::Unregister(pod.uuid());
}

}  // namespace rkt::stage0
