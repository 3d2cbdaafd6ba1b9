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

namespace {

bool NobodyThere(const Error& error) {
  return error.err() == ENOENT || error.err() == ECONNREFUSED;
}

// The token that a pod is registered with; empty where it is not.
Result<std::string> TokenOf(const pod::Pod& pod) {
  if (!ExistsAt(pod.fd(), metadata::kRegisteredFile)) return std::string();
  json::Value config = TRY(json::Parse(TRY(pod.ReadFile(pod::kRuntimeConfigFile))));
  const json::Value* token = config.Find("MDSToken");
  return token != nullptr && token->is_string() ? token->text() : std::string();
}

}  // namespace

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
  if (NobodyThere(registered.error())) {
    Notice("", metadata::kServiceHint);
  }
  (void)UnlinkAt(pod.fd(), metadata::kRegisteredFile);
  return std::move(registered).error().Wrap("failed to register the pod with the metadata service");
}

Status RegisterAddedApp(const pod::Pod& pod, const std::string& app) {
  std::string token = TRY(TokenOf(pod));
  if (token.empty()) return {};
  Status registered = metadata::RegisterApp(pod.uuid(), token, pod.path(),
                                            TRY(pod.ReadFile(pod::kManifestFile)), app,
                                            TRY(pod.ReadFile(pod::AppImageManifest(app))));
  if (registered) return {};
  if (NobodyThere(registered.error())) {
    return Err(Code::kNotFound, "the pod is registered with the metadata service, which is to know of app ",
               Quote(app), ", and no service answers at ", metadata::kRegistrationSocket,
               "; start it with `rkt metadata-service`");
  }
  return std::move(registered).error().Wrap(
      StrCat("failed to register app ", Quote(app), " with the metadata service"));
}

Status RegisterRemovedApp(const pod::Pod& pod) {
  std::string token = TRY(TokenOf(pod));
  if (token.empty()) return {};
  Status told = metadata::RegisterManifest(pod.uuid(), token, pod.path(),
                                           TRY(pod.ReadFile(pod::kManifestFile)));
  if (!told && NobodyThere(told.error())) return {};
  return told;
}

Status UnregisterPod(const pod::Pod& pod) {
  if (!ExistsAt(pod.fd(), metadata::kRegisteredFile)) return {};
  return metadata::Unregister(pod.uuid());
}

}  // namespace rkt::stage0
