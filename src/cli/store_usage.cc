// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/store_usage.h"

#include "appc/pod_manifest.h"
#include "base/file.h"
#include "base/log.h"
#include "pod/paths.h"
#include "pod/pod.h"

namespace rkt::cli {

namespace {

// The trees that a pod refers to.
Result<std::vector<std::string>> TreesOf(const pod::Pod& pod) {
  std::vector<std::string> trees;
  auto stage1 = pod.Stage1TreeId();
  if (stage1) {
    trees.push_back(*std::move(stage1));
  } else if (stage1.error().code() != Code::kNotFound) {
    return std::move(stage1).error();
  }
  auto apps = ListDirAt(pod.fd(), pod::kAppsInfoDir);
  if (!apps) {
    if (apps.error().code() == Code::kNotFound) return trees;
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
  return trees;
}

// Its apps' images and, by way of the tree, that of stage1.
Result<std::vector<std::string>> ImagesOf(const store::Store& store, const pod::Pod& pod,
                                          const std::vector<std::string>& trees) {
  std::vector<std::string> keys;
  auto bytes = pod.ReadManifestBytes();
  if (bytes) {
    appc::PodManifest manifest = TRY(appc::ParsePodManifest(*bytes));
    for (const appc::RuntimeApp& app : manifest.apps) keys.push_back(app.image.id);
  } else if (bytes.error().code() != Code::kNotFound) {
    return std::move(bytes).error();
  }
  for (const std::string& tree : trees) {
    auto image = ReadFile(store.TreePath(tree) + "/image", 256);
    if (image) keys.emplace_back(Trim(*image));
  }
  return keys;
}

void Add(std::vector<store::PodUse>& uses, const store::PodUse& use) {
  if (uses.empty() || uses.back().uuid != use.uuid) uses.push_back(use);
}

}  // namespace

Result<store::StoreUsage> FindStoreUsage(const store::Store& store) {
  using pod::Stage;
  store::StoreUsage usage;
  pod::Pods pods = TRY(pod::Pods::Open(store.data_dir()));
  TRY(pods.ForEach(
      {Stage::kPrepare, Stage::kPrepared, Stage::kRun, Stage::kExitedGarbage},
      [&](pod::Pod& pod) -> Status {
        auto trees = TreesOf(pod);
        if (!trees) {
          return std::move(trees).error().Wrap(
              StrCat("cannot get referenced treestoreIDs of pod ", pod.uuid()));
        }
        store::PodUse use{pod.uuid(), pod.state() == pod::State::kRunning};
        for (const std::string& tree : *trees) Add(usage.trees[tree], use);
        // What died while it was prepared will never run.
        if (pod.stage() == Stage::kExitedGarbage || pod.state() == pod::State::kAbortedPrepare) {
          return {};
        }
        auto images = ImagesOf(store, pod, *trees);
        if (!images) {
          // One that went meanwhile needs nothing; one that is being prepared may be half written.
          if (images.error().code() == Code::kNotFound ||
              pod.state() == pod::State::kPreparing) {
            return {};
          }
          return std::move(images).error().Wrap(
              StrCat("failed to get list of images of pods: pod ", pod.uuid()));
        }
        for (const std::string& key : *images) Add(usage.images[key], use);
        return {};
      },
      [](const std::string& problem) { Notice("", TerminalSafe(problem)); }));
  return usage;
}

}  // namespace rkt::cli
