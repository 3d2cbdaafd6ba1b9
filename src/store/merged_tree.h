// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Several directories seen as overlay shows them, the topmost first: looking things up, and copying what is to be
// seen. For trees of layered images; a tree with one directory is the simple case of it.

#include <sys/stat.h>

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::store {

// What stands at a path of the merged view.
struct MergedEntry {
  enum class Kind { kMissing, kDirectory, kOther };
  Kind kind = Kind::kMissing;
  struct stat st = {};  // of the topmost
  // kDirectory: the directories that are merged here, topmost first, and which of the layers each belongs to.
  // kOther: the one directory that it is in.
  std::vector<Fd> parts;
  std::vector<size_t> layers;
};

// `layers` are open root directories. Links are not followed: one in the place of a parent is kMissing.
Result<MergedEntry> FindMerged(const std::vector<Fd>& layers, const std::string& path);

// The entry of a directory found before.
Result<MergedEntry> StepMerged(const MergedEntry& directory, const std::string& name);

// What is to be seen, copied into an empty directory, as CopyDirectory does with one.
Status CopyMerged(const std::vector<Fd>& layers, int to);

}  // namespace rkt::store
