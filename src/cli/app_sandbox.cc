// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt app sandbox

#include <algorithm>

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/limit_flags.h"
#include "cli/pod_flags.h"
#include "cli/pod_preparation.h"
#include "cli/settings.h"
#include "pod/manifest_builder.h"
#include "stage0/run.h"

namespace rkt::cli {

namespace {

// What sandbox exits with where it fails.
constexpr int kSandboxFailed = 1;

template <std::vector<pod::KeyValue> PodArguments::*kMember,
          Result<pod::KeyValue> (*kParse)(std::string_view)>
Status AddPair(Invocation& invocation, const FlagSpec& flag, std::string_view value) {
  if (value.find('=') == std::string_view::npos) {
    return Err(Code::kInvalid, "invalid format of --", flag.name, " flag ", Quote(value));
  }
  pod::KeyValue pair = TRY(kParse(value));
  std::vector<pod::KeyValue>& list = invocation.pod().*kMember;
  std::erase_if(list, [&](const pod::KeyValue& old) { return old.first == pair.first; });
  list.push_back(std::move(pair));
  return {};
}

Status AddPort(Invocation& invocation, const FlagSpec&, std::string_view value) {
  invocation.pod().ports.push_back(TRY(pod::ParseSandboxPortFlag(value)));
  return {};
}

constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("annotation", "annotation of the pod (--annotation=NAME=VALUE)",
              AddPair<&PodArguments::annotations, pod::ParseAnnotationFlag>),
    BoolFlag("no-overlay", "copy the images' files instead of laying an overlay over them"),
    ValueFlag("port",
              "port of the host that leads to a port of the pod "
              "(--port=NAME:tcp|udp:PODPORT:HOSTIP:HOSTPORT)",
              AddPort),
    kPrivateUsersFlag,
    ValueFlag("user-annotation", "free annotation of the pod (--user-annotation=NAME=VALUE)",
              AddPair<&PodArguments::user_annotations, pod::ParseUserPairFlag>),
    ValueFlag("user-label", "free label of the pod (--user-label=NAME=VALUE)",
              AddPair<&PodArguments::user_labels, pod::ParseUserPairFlag>),
    TextFlag("uuid-file-save", "file to write the pod's UUID to"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags, &kStage1Flags, &kStartFlags, &kPodLimitFlags};

int SandboxFail(const Error& error) {
  (void)Fail(error);
  return kSandboxFailed;
}

Status PrepareSandbox(Invocation& invocation, PodPreparation& preparation) {
  PodArguments& arguments = invocation.pod();
  pod::PodRequest request;
  request.rkt_version = RKT_VERSION;
  request.ports = std::move(arguments.ports);
  request.isolators = std::move(arguments.isolators);
  request.annotations = std::move(arguments.annotations);
  request.user_annotations = std::move(arguments.user_annotations);
  request.user_labels = std::move(arguments.user_labels);
  request.is_mutable = true;
  preparation.manifest = TRY_CTX(pod::BuildPodManifest(request), "error setting up stage0");
  preparation.store.emplace(TRY(OpenStore(invocation)));
  stage0::PrepareOptions& options = preparation.options;
  options.data_dir = preparation.store->data_dir();
  options.stage1 = TRY(Stage1Options(invocation));
  options.use_overlay = !invocation.Bool("no-overlay");
  options.private_users = TRY(WantsPrivateUsers(invocation));
  options.uuid_file = invocation.Text("uuid-file-save");
  options.manifest = &preparation.manifest;
  options.manifest_bytes = appc::WritePodManifest(preparation.manifest);
  return {};
}

int Run(Invocation& invocation) {
  if (!invocation.words.empty()) return invocation.Usage();
  for (const char* network : {"none", "host"}) {
    if (!invocation.pod().ports.empty() && invocation.pod().HasNet(network)) {
      (void)Refuse(StrCat("--port flag does not work with '", network, "' networking"));
      return kSandboxFailed;
    }
  }
  auto start = StartOptions(invocation);
  if (!start) return SandboxFail(start.error());
  start->mutable_pod = true;
  PodPreparation preparation;
  Status prepared = PrepareSandbox(invocation, preparation);
  if (!prepared) return SandboxFail(prepared.error());
  // Becomes the pod; what comes back is an error.
  Status failed = stage0::Run(*preparation.store, preparation.options, *start);
  return SandboxFail(failed.error());
}

}  // namespace

constinit const CommandSpec kAppSandboxCommand = {
    .name = "sandbox",
    .summary = "Run a pod to which apps are added while it runs",
    .description =
        R"(Runs a pod without apps, until it is stopped. "rkt app add" and the other commands of
the group bring apps into it and take them out again; "rkt status --wait-ready" waits
until it takes them.)",
    .flags = kGroups,
    .run = Run,
    .needs_root = true,
};

}  // namespace rkt::cli
