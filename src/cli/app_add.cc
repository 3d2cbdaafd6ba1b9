// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt app add

#include <unistd.h>

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/limit_flags.h"
#include "cli/pod_argument.h"
#include "cli/pod_flags.h"
#include "cli/settings.h"
#include "image/reference.h"
#include "pod/manifest_builder.h"
#include "stage0/app.h"

namespace rkt::cli {

namespace {

Status AddMountVolume(Invocation& invocation, const FlagSpec& flag, std::string_view value) {
  auto& apps = invocation.pod().apps;
  if (apps.empty()) return Err(Code::kInvalid, "--", flag.name, " must follow an image");
  apps.back().request.mounts.push_back(TRY(pod::ParseMountVolumeFlag(value)));
  return {};
}

constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("mnt-volume",
              "volume of the app's own and the path at which it sees it "
              "(--mnt-volume=name=NAME,kind=host,source=/PATH,target=PATH,readOnly=true or "
              "--mnt-volume=name=NAME,kind=empty,target=PATH)",
              AddMountVolume),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags, &kAppFlags, &kIsolatorFlags, &kLimitFlags};

int Run(Invocation& invocation) {
  if (invocation.words.empty()) return invocation.Usage();
  std::string_view pod_word = invocation.words[0];
  invocation.words.erase(invocation.words.begin());
  if (auto ended = TakeAppArguments(invocation)) return *ended;
  std::vector<AppArguments>& apps = invocation.pod().apps;
  if (apps.empty()) return Refuse("must give an image");
  if (apps.size() != 1) return Refuse("must give only one app");
  auto pod = ResolvePod(invocation, pod_word);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  image::FetchOptions fetch = FetchOptions(invocation, "never");
  auto key = image::FindImage(*store, apps[0].image, fetch, "");
  if (!key) return Fail(ByCause(std::move(key).error()));
  auto image = store->ReadManifest(*key);
  if (!image) return Fail("cannot get image manifest", std::move(image).error());
  pod::AppRequest request = std::move(apps[0].request);
  request.image_key = *key;
  request.image = &*image;
  request.args_replace = true;
  auto app = pod::BuildRuntimeApp(request, {}, {}, getuid(), getgid());
  if (!app) return Fail("error adding app to pod", std::move(app).error());
  stage0::AppTarget target{pod->data_dir, pod->uuid, app->name, invocation.globals.debug};
  Status added = stage0::AddApp(*store, target, *app, *key);
  return added ? 0 : Fail("error adding app to pod", std::move(added).error());
}

}  // namespace

constinit const CommandSpec kAppAddCommand = {
    .name = "add",
    .synopsis = "UUID IMAGE [--name=NAME] [-- image-args...]",
    .summary = "Add an app to a running pod",
    .description =
        R"(Adds an app made of the image to a pod that "rkt app sandbox" runs. It is started by
"rkt app start". The image must be in the store.

Flags of the app follow the image. Arguments behind "--" take the place of the image's
own. Where anything fails, the pod stays as it was.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kRunningPods,
    .first_word_ends_flags = true,
    .needs_root = true,
};

}  // namespace rkt::cli
