// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt image gc

#include "appc/pod_manifest.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/settings.h"
#include "image/operations.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    DurationFlag("grace-period", "how long images are kept after they were last used", "24h0m0s"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// The trees that a pod refers to. One that it should have and does not name makes it an error,
// which keeps everything: nothing that a pod may need is removed.
Status AddTrees(const pod::Pod& pod, std::vector<std::string>& trees) {
  auto stage1 = pod.Stage1TreeId();
  if (stage1) {
    trees.push_back(*std::move(stage1));
  } else if (stage1.error().code() != Code::kNotFound) {
    return std::move(stage1).error();
  }
  auto apps = ListDirAt(pod.fd(), pod::kAppsInfoDir);
  if (!apps) {
    if (apps.error().code() == Code::kNotFound) return {};
    return std::move(apps).error();
  }
  for (const DirEntry& app : *apps) {
    auto tree = ReadFileAt(pod.fd(), pod::AppTreeFile(app.name), 4096);
    if (tree) {
      trees.emplace_back(Trim(*tree));
    } else if (tree.error().code() != Code::kNotFound) {
      return std::move(tree).error();
    }
  }
  return {};
}

Status AddImages(const pod::Pod& pod, std::vector<std::string>& keys) {
  std::string bytes = TRY(pod.ReadManifestBytes());
  appc::PodManifest manifest = TRY(appc::ParsePodManifest(bytes));
  for (const appc::RuntimeApp& app : manifest.apps) keys.push_back(app.image.id);
  return {};
}

// What pods use. A pod that is removed while it is looked at uses nothing.
Status FindUsed(const std::string& data_dir, image::GcOptions& options) {
  using pod::Stage;
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  return pods.ForEach(
      {Stage::kPrepare, Stage::kPrepared, Stage::kRun, Stage::kExitedGarbage},
      [&](pod::Pod& pod) -> Status {
        Status trees = AddTrees(pod, options.used_trees);
        if (!trees) {
          return std::move(trees).error().Wrap(
              StrCat("cannot get referenced treestoreIDs of pod ", pod.uuid()));
        }
        if (pod.state() != pod::State::kRunning) return {};
        Status images = AddImages(pod, options.used_keys);
        if (!images && images.error().code() != Code::kNotFound) {
          return std::move(images).error().Wrap(
              StrCat("failed to get list of images for running pods: pod ", pod.uuid()));
        }
        return {};
      },
      [](const std::string& problem) { Notice("", TerminalSafe(problem)); });
}

int Run(Invocation& invocation) {
  auto store = OpenStore(invocation);
  if (!store) return Fail(store.error());
  // Nobody makes a pod from here on until the unused trees are gone.
  auto lock = store->LockPreparing(Lock::Kind::kExclusive);
  if (!lock) return Fail("cannot get exclusive prepare lock", std::move(lock).error());
  image::GcOptions options;
  options.grace_ns = invocation.Duration("grace-period");
  Status used = FindUsed(store->data_dir(), options);
  if (!used) return Fail(used.error());
  auto collected = image::GarbageCollect(*store, options, [](const std::string& tree) {
    Notice("", StrCat("removed treestore ", Quote(tree)));
  });
  if (!collected) return Fail(collected.error());
  for (const std::string& key : collected->removed_images) {
    PrintLine(StrCat("successfully removed aci for image: ", Quote(key)));
  }
  if (!collected->removed_images.empty()) {
    Notice("", StrCat(collected->removed_images.size(), " image(s) successfully removed"));
  }
  if (collected->errors.empty()) return 0;
  for (const Error& error : collected->errors) PrintError("", error);
  return Refuse("error(s) found while removing images");
}

}  // namespace

constinit const CommandSpec kImageGcCommand = {
    .name = "gc",
    .synopsis = "[--grace-period=duration]",
    .summary = "Remove images that are no longer used",
    .description = R"(To be run now and then, by a timer for instance.

Removes the rendered trees that no pod refers to, then the images that were not
used for the grace period, except those of running pods. With --grace-period=0s,
all images that no running pod uses are removed.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
