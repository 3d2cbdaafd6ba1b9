// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which stage1 runs a pod: one that the user names, else the configured one, else the one beside
// this program. Afterwards it is an image of the store like any other, with its tree rendered.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"

namespace rkt::stage0 {

// At most one --stage1-* flag was given.
struct Stage1Choice {
  enum class Kind { kDefault, kPath, kUrl, kName, kHash, kFromDir };
  Kind kind = Kind::kDefault;
  std::string value;
};

// What holds where no flag was given: the configuration over what was built in.
struct Stage1Defaults {
  std::string name = "coreos.com/rkt/stage1-native";
  std::string version = "2.0.0";
  std::string location;    // path or URL of the image; empty: the built-in one beside this program
  std::string images_dir;  // where --stage1-from-dir looks; empty: the built-in one
};

// Brings an image into the store and returns its key. `location` is a path, a URL or an image name;
// `check_signature` is false where the image came with this program.
using ImageImporter = std::function<Result<std::string>(
    store::Store& store, const std::string& location, bool check_signature)>;

struct Stage1Options {
  Stage1Choice choice;
  Stage1Defaults defaults;
  ImageImporter import;  // called on a store miss only
};

struct Stage1Image {
  std::string key;
  std::string tree_id;
};

// Finds (importing and rendering on first use) the stage1 image.
Result<Stage1Image> FindStage1(store::Store& store, const Stage1Options& options);

// Directories that may hold stage1-FLAVOR.aci beside this program, the first existing one wins.
std::vector<std::string> BuiltInImageDirs();

}  // namespace rkt::stage0
