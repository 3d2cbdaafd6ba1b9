// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt fetch, and its hidden twin rkt image fetch

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/pod_flags.h"
#include "cli/settings.h"
#include "image/reference.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    BoolFlag("full", "print whole IDs"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags, &kPullUpdateFlags, &kSignatureFlags};

constexpr size_t kShortId = 39;  // sha512- and 32 digits

int Run(Invocation& invocation) {
  if (auto ended = TakeAppArguments(invocation, /*app_arguments=*/false, "unable to parse arguments")) {
    return *ended;
  }
  if (invocation.pod().apps.empty()) return Refuse("must provide at least one image");
  auto policy = PullPolicy(invocation);
  if (!policy) return Fail(policy.error());
  auto store = OpenStore(invocation);
  if (!store) return Fail(std::move(store).error());

  std::vector<image::FetchRequest> requests;
  for (AppArguments& app : invocation.pod().apps) {
    requests.push_back({std::move(app.image), std::move(app.signature)});
  }
  auto keys = image::FetchImages(*store, requests, FetchOptions(invocation, *policy));
  if (!keys) return Fail(ByCause(std::move(keys).error()));
  for (const std::string& key : *keys) {
    PrintLine(invocation.Bool("full") ? key : key.substr(0, kShortId));
  }
  return 0;
}

constexpr CommandSpec Fetch(bool hidden) {
  return {
      .name = "fetch",
      .synopsis = "IMAGE_URL...",
      .summary = "Bring images into the local store",
      .description =
          R"(Brings images into the store and prints their IDs. An image is a file, a URL of http
or https, or a name such as example.com/app:1.0, whose host is asked where the
image is. A signature is expected beside it (FILE.aci.asc), or in the file that
--signature behind the image names, unless --insecure-options=image was given.

What an image depends on is fetched by name as well. A URL that was fetched
before is asked about anew, unless its server said how long to keep it; with
--pull-policy=new what is stored is good enough. A download that was killed is
gone on from.)",
      .flags = kGroups,
      .run = Run,
      .hidden = hidden,
      .first_word_ends_flags = true,
  };
}

}  // namespace

constinit const CommandSpec kFetchCommand = Fetch(false);
constinit const CommandSpec kImageFetchCommand = Fetch(true);

}  // namespace rkt::cli
