// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What a store takes on disk, by image, and what garbage collection could give back. Bytes are those that the file system
// has allocated; a file with several names counts once.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/check.h"
#include "store/store.h"

namespace rkt::store {

struct ImageDiskUsage {
  ImageInfo info;
  int64_t blob = 0;    // with the manifest
  int64_t layers = 0;  // those that no other image has, packed and unpacked
  int64_t shared = 0;  // those that others have as well
  int64_t trees = 0;   // trees rendered of it
  int64_t reclaimable = 0;  // that would come free if this image alone went
  std::vector<std::string> pods;  // that use it, or an image that depends on it
};
struct DiskUsage {
  std::vector<ImageDiskUsage> images;  // in order of import
  int64_t blobs = 0, layers = 0, trees = 0;
  int64_t temporary = 0;  // of imports that run or were killed, and of downloads that can be resumed
  int64_t total = 0;
  int64_t reclaimable = 0;  // by garbage collection without a grace period
};
// Without root, trees are taken for what the index says.
Result<DiskUsage> MeasureStore(const Store& store, const StoreUsage& usage);

}  // namespace rkt::store
