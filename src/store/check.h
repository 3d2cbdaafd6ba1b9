// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The health of a store: everything in it compared with what it was made of, and healed where that is possible. Other
// processes may go on using the store: each thing is looked at under the lock that its users take.
//
// What can be made anew is made anew: the index and its rows, manifests and lists of layers (from the blobs), trees (from
// blobs and layers). Bytes of a blob or a layer that were lost are not to be had again: such files are removed, so
// that the next fetch brings them back instead of taking them for stored, and so is the image unless a pod uses it.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace rkt::store {

struct PodUse {
  std::string uuid;
  bool running = false;
};
// What the pods that are no garbage yet need.
struct StoreUsage {
  std::map<std::string, std::vector<PodUse>> images;  // by key
  std::map<std::string, std::vector<PodUse>> trees;   // by tree id
};

struct Finding {
  enum class Kind { kDirectory, kIndex, kRow, kBlob, kManifest, kLayerList, kLayer, kTree, kLeftOver };
  Kind kind;
  std::string id;       // the image's key, the layer's or tree's id; a path below DIR/cas for directories and left-overs
  std::string problem;  // what is wrong
  bool healed = false;
  std::string outcome;  // with repair: what was done, or why nothing could be
  std::vector<std::string> pods;  // that use it
};
const char* FindingKindName(Finding::Kind kind);

struct CheckOptions {
  bool repair = false;
  // Asked anew before anything that a pod may use is taken away.
  std::function<Result<StoreUsage>()> usage;
  // Hears of each finding as it is settled. Optional.
  std::function<void(const Finding&)> found;
};
struct CheckResult {
  std::vector<Finding> findings;
  size_t images = 0, layers = 0, trees = 0;  // that were looked at
  bool Whole() const;  // nothing was found, or all of it was healed
};
// Errors are those that made it stop. Without root trees and the trees of layers are left out.
Result<CheckResult> CheckStore(Store& store, const CheckOptions& options);

}  // namespace rkt::store
