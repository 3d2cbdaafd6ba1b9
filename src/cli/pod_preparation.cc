// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_preparation.h"

#include <unistd.h>

#include "base/file.h"
#include "cli/app_args.h"
#include "cli/pod_flags.h"
#include "cli/settings.h"
#include "image/reference.h"
#include "pod/manifest_builder.h"

namespace rkt::cli {

Result<bool> WantsPrivateUsers(const Invocation& invocation) {
  if (invocation.Given("private-users")) return invocation.Bool("private-users");
  return TRY(Configuration(invocation))->private_users.value_or(false);
}

namespace {

// --pod-manifest: the file as it stands; its images must be stored.
Status ReadCustomManifest(const Invocation& invocation, PodPreparation& preparation) {
  std::string path(invocation.Text("pod-manifest"));
  stage0::PrepareOptions& options = preparation.options;
  options.manifest_bytes =
      TRY_CTX(ReadFile(path, appc::kMaxManifestSize), "reading pod manifest ", path);
  preparation.manifest =
      TRY_CTX(appc::ParsePodManifest(options.manifest_bytes), "reading pod manifest ", path);
  TRY(pod::CheckCustomManifest(preparation.manifest));
  if (preparation.manifest.apps.empty()) {
    return Err(Code::kInvalid, "pod must contain at least one application");
  }
  for (const appc::RuntimeApp& app : preparation.manifest.apps) {
    std::string key = TRY_CTX(preparation.store->ResolveKey(app.image.id), "finding the image ",
                              app.image.id, " of app ", Quote(app.name));
    options.images.push_back({app.name, std::move(key), nullptr});
  }
  return {};
}

Status BuildManifest(Invocation& invocation, PodPreparation& preparation) {
  PodArguments& arguments = invocation.pod();
  image::FetchOptions fetch = FetchOptions(invocation, preparation.pull_policy);
  pod::PodRequest request;
  request.rkt_version = RKT_VERSION;
  for (AppArguments& app : arguments.apps) {
    pod::AppRequest& wanted = request.apps.emplace_back(std::move(app.request));
    wanted.any_capability = (invocation.globals.insecure & kInsecureCapabilities) != 0;
    auto key = image::FindImage(*preparation.store, app.image, fetch, app.signature);
    if (!key) return ByCause(std::move(key).error());
    wanted.image_key = *std::move(key);
    wanted.image = &preparation.images.emplace_back(
        TRY_CTX(preparation.store->ReadManifest(wanted.image_key), "cannot get image manifest"));
  }
  request.environment.inherit = invocation.Bool("inherit-env");
  if (request.environment.inherit) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      request.environment.caller.emplace_back(*entry);
    }
  }
  request.environment.from_files = std::move(arguments.env_file);
  request.environment.set = std::move(arguments.set_env);
  request.isolators = std::move(arguments.isolators);
  request.volumes = std::move(arguments.volumes);
  request.mounts = std::move(arguments.mounts);
  request.ports = std::move(arguments.ports);
  request.caller_uid = getuid();
  request.caller_gid = getgid();
  preparation.manifest = TRY_CTX(pod::BuildPodManifest(request), "error setting up stage0");
  stage0::PrepareOptions& options = preparation.options;
  options.manifest_bytes = appc::WritePodManifest(preparation.manifest);
  for (size_t i = 0; i < request.apps.size(); ++i) {
    options.images.push_back(
        {preparation.manifest.apps[i].name, request.apps[i].image_key, request.apps[i].image});
  }
  return {};
}

}  // namespace

Status CheckPodArguments(Invocation& invocation, std::string_view pull_policy) {
  PodArguments& arguments = invocation.pod();
  auto refuse = [](auto... parts) -> Status { return Err(Code::kInvalid, parts...); };
  for (const char* network : {"none", "host"}) {
    if (!arguments.ports.empty() && arguments.HasNet(network)) {
      return refuse("--port flag does not work with '", network, "' networking");
    }
  }
  if (invocation.Bool("mds-register") && arguments.HasNet("none")) {
    return refuse(
        "--mds-register flag does not work with --net=none. "
        "Please use 'host', 'default' or an equivalent network");
  }
  const bool custom = !invocation.Text("pod-manifest").empty();
  if (custom && (!arguments.apps.empty() || !arguments.volumes.empty() ||
                 !arguments.mounts.empty() || !arguments.ports.empty() || pull_policy == "never" ||
                 pull_policy == "update" || invocation.Bool("inherit-env") ||
                 !arguments.set_env.empty() || !arguments.env_file.empty() ||
                 !arguments.isolators.empty())) {
    return refuse("conflicting flags set with --pod-manifest (see --help)");
  }
  if (invocation.Bool("interactive") && arguments.apps.size() > 1) {
    return refuse("interactive option only supports one image");
  }
  if (!custom && arguments.apps.empty()) {
    return refuse("must provide at least one image or specify the pod manifest");
  }
  return {};
}

std::optional<int> ReadPodArguments(Invocation& invocation, PodPreparation& preparation) {
  if (auto ended = TakeAppArguments(invocation)) return ended;
  auto policy = PullPolicy(invocation);
  if (!policy) return Fail(policy.error());
  preparation.pull_policy = *std::move(policy);
  Status checked = CheckPodArguments(invocation, preparation.pull_policy);
  if (!checked) return Fail(checked.error());
  return std::nullopt;
}

Status PreparePod(Invocation& invocation, PodPreparation& preparation) {
  preparation.store.emplace(TRY(OpenStore(invocation)));
  stage0::PrepareOptions& options = preparation.options;
  options.data_dir = preparation.store->data_dir();
  options.stage1 = TRY(Stage1Options(invocation));
  options.use_overlay = !invocation.Bool("no-overlay");
  options.private_users = TRY(WantsPrivateUsers(invocation));
  if (invocation.Text("pod-manifest").empty()) {
    TRY(BuildManifest(invocation, preparation));
  } else {
    TRY(ReadCustomManifest(invocation, preparation));
  }
  options.manifest = &preparation.manifest;
  return {};
}

}  // namespace rkt::cli
