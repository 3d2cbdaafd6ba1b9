// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// One run of CheckStore: what it has found out so far, and a step for each kind of thing in a store. Each step is in a file
// of its own; they go in the order of Run, since later ones need to know what earlier ones found whole.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/check.h"
#include "store/index.h"
#include "store/store.h"

namespace rkt::store {

class Check {
 public:
  Check(Store& store, const CheckOptions& options) : store_(store), options_(options), cas_(store.cas_fd()) {}
  Result<CheckResult> Run();

 private:
  using Kind = Finding::Kind;

  // --- check.cc
  Status AskUsage();
  const std::vector<PodUse>& ImageUse(const std::string& key) { return usage_.images[key]; }
  const std::vector<PodUse>& TreeUse(const std::string& id) { return usage_.trees[id]; }
  static bool Running(const std::vector<PodUse>& uses);
  void Report(Kind kind, const std::string& id, std::string problem, bool healed, std::string outcome,
              const std::vector<PodUse>& uses = {});
  // Heals by `heal` where that is wanted, and reports what came of it.
  void Heal(Kind kind, const std::string& id, std::string problem, std::string outcome,
            const std::function<Status()>& heal, const std::vector<PodUse>& uses = {});
  // False where nothing else can be looked at.
  bool Directories();
  Status Index();
  // The row as it is now. A broken index tells nothing.
  Result<std::optional<IndexRow>> Row(const std::string& key);

  // --- check_images.cc
  struct BlobHead;
  Status Images();
  Status Image(const std::string& key);
  // kCorrupt where the blob is not what its key says.
  Result<BlobHead> ReadBlob(const std::string& key);
  static Result<BlobHead> ReadHead(int blob);
  Status RemoveOrphan(const std::string& key);
  // What cannot be had again. The image goes, unless a pod uses it: then its row stays and tells that it is missed.
  Status LoseImage(Kind kind, const std::string& key, std::string problem);
  // False where the image's manifest is none, which no image in a store has.
  Result<bool> ManifestFile(const std::string& key, const BlobHead& head);
  Status LayerList(const std::string& key, const BlobHead& head);
  Status WriteKeyFile(const std::string& path, const std::string& text);
  Status CheckRow(const IndexRow& row, const BlobHead& head);

  // --- check_layers.cc
  Status Layers();
  Status CheckLayerTar(const std::string& id);
  // Pods that have the layer below their roots.
  std::vector<PodUse> LayerTreeUse(const std::string& id);
  Status LayerTree(const std::string& id);

  // --- check_trees.cc
  Status Trees();
  // The image of a tree, where the tree can be made of it again.
  std::string SourceOf(const std::string& id, const std::string& image);
  Status Tree(const std::string& id);
  Status MissingTree(const std::string& id, const std::vector<PodUse>& uses);

  // --- check_left_overs.cc
  // "NAME.tmp.PID.N": whether its writer has gone.
  bool IsAbandoned(const std::string& path);
  Status LeftOvers();
  // What is no damage, and not needed either.
  Status CleanUp();
  void RemoveLock(const std::string& path, const std::function<Result<bool>()>& stale);

  Store& store_;
  const CheckOptions& options_;
  int cas_;
  CheckResult result_;
  StoreUsage usage_;
  bool index_good_ = true;
  std::set<std::string> keys_;   // of everything that may be an image
  std::set<std::string> blobs_;  // of images that are whole
  std::map<std::string, std::vector<std::string>> layers_;  // the images that list each
  std::vector<std::string> temporary_;
};

}  // namespace rkt::store
