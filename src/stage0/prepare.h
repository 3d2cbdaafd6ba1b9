// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Preparing a pod: from images in the store and a pod manifest to a directory in DIR/pods from
// which a stage1 can be started. Images are found and the manifest is made by the caller; nothing
// here reads the network.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/lock.h"
#include "base/result.h"
#include "pod/pod.h"
#include "stage0/private_users.h"
#include "stage0/stage1_image.h"
#include "store/store.h"

namespace rkt::stage0 {

// One app, in the order of the manifest's apps.
struct PodImage {
  std::string app;                      // name of the app
  std::string key;                      // of its image in the store
  const appc::ImageManifest* manifest;  // borrowed; null: read from the store
};

struct PrepareOptions {
  std::string data_dir;
  Stage1Options stage1;
  const appc::PodManifest* manifest = nullptr;  // borrowed
  std::string manifest_bytes;                   // POD/pod as it shall be, byte for byte
  std::vector<PodImage> images;
  bool use_overlay = true;    // false: --no-overlay
  bool private_users = false; // --private-users: a user namespace, with ids of its own
  std::string uuid_file;      // --uuid-file-save; written as soon as the pod has a directory
  std::string uuid;           // empty: a new one
};

// `store` is open already: the caller has looked up the images in it. Returns the UUID of a pod in
// state prepared. Whatever fails leaves no pod, or (killed on the way) one that gc understands.
Result<std::string> Prepare(store::Store& store, const PrepareOptions& options);

// The same up to the moment before the pod leaves `prepare`; the lock is still held. For Run.
struct Preparation {
  pod::Pod pod;
  Lock lock;
  bool overlay;
  std::string stage1_tree;
  std::string stage1_manifest;  // bytes
  struct App {
    std::string name;
    std::string tree_id;  // empty without overlay
  };
  std::vector<App> apps;
  std::optional<PrivateUsers> users;
};
Result<Preparation> PrepareLocked(pod::Pods& pods, store::Store& store,
                                  const PrepareOptions& options);

// Names of apps become parts of file names and of overlay's options, which the kernel bounds: kInvalid where one has
// more than 128 characters.
Status CheckAppNameLength(const std::string& name);

}  // namespace rkt::stage0
