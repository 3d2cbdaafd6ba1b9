// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the commands under `rkt image` do, without flags and without printing. An image is given as the user names
// it: a hash, a prefix of one, or a name with labels; it must be in the store.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace rkt::image {

// The key of a stored image by hash prefix or name. kNotFound, kInvalid as Store::ResolveKey and FindImage.
Result<std::string> ResolveStored(const store::Store& store, const std::string& image);

// The blob (an uncompressed tar) into a new file, 0644, which is there whole or not at all, or into a device or pipe.
// kExists: output ACI file exists (try --overwrite)
Status ExportImage(const store::Store& store, const std::string& image, const std::string& file,
                   bool overwrite);

struct UnpackOptions {
  bool rootfs_only = false;
  bool overwrite = false;  // removes what is there first; "/" is refused
};
// This image alone: DIR/manifest and DIR/rootfs, or with rootfs_only the content of rootfs in DIR.
// Needs root (kPermission: chroot capability not available.).
Status ExtractImage(const store::Store& store, const std::string& image, const std::string& directory,
                    const UnpackOptions& options);
// With its dependencies, copied from the tree store. A damaged tree is rebuilt first; `warn` hears of it.
Status RenderImage(store::Store& store, const std::string& image, const std::string& directory,
                   const UnpackOptions& options, const std::function<void(const std::string&)>& warn);

struct RemovedImage {
  std::string image;  // as given
  std::string key;    // empty where it was not found
  Status status;      // what went wrong; an error with a key: row gone, files left
  bool stale_files = false;
};
// One row for each image asked for, in order.
std::vector<RemovedImage> RemoveImages(store::Store& store, const std::vector<std::string>& images);

enum class VerifyOutcome {
  kVerified,     // successfully verified checksum for image: "X" ("key")
  kNotRendered,  // image "X" not rendered; no verification needed
  kRebuilt,      // tree cache verification failed for image X: DETAIL;  rebuilding...
};
struct VerifiedImage {
  std::string key;
  VerifyOutcome outcome;
  std::string detail;  // kRebuilt: "wrong tree hash: ..."
};
// Checks the blob and the tree. `before_rebuild` hears the detail before a damaged tree is made anew.
Result<VerifiedImage> VerifyImage(store::Store& store, const std::string& image,
                                  const std::function<void(const std::string&)>& before_rebuild = {});

struct GcOptions {
  // Ids of the trees that pods refer to; all others go. The caller holds Store::LockPreparing exclusively from
  // before it lists the pods until this returns, so that no pod comes up in between.
  std::vector<std::string> used_trees;
  // Images used within this time stay.
  int64_t grace_ns = 0;
  // Keys of images of pods that are no garbage yet; they and what they depend on stay whatever their age.
  std::vector<std::string> used_keys;
};
struct GcResult {
  std::vector<std::string> removed_trees;
  std::vector<std::string> removed_images;
  std::vector<Error> errors;  // what could not be removed; the rest was done
};
// Trees first, then images, then what died half made: left-overs of killed imports, blobs that no row names.
// `removed_tree` hears of each tree as it goes.
Result<GcResult> GarbageCollect(store::Store& store, const GcOptions& options,
                                const std::function<void(const std::string&)>& removed_tree = {});

}  // namespace rkt::image
