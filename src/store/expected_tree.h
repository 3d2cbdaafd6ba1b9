// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What unpacking the layers of an image must have made, worked out from the archives without writing: the same rules
// as the Extractor's, on a map of paths. File contents are kept as places in the blobs.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tar.h"

namespace rkt::store {

struct ExpectedNode {
  TarType type = TarType::kDirectory;
  uint32_t mode = 0755, uid = 0, gid = 0;
  uint64_t size = 0;
  uint32_t dev_major = 0, dev_minor = 0;
  std::string link_name;    // of a symlink
  std::string capability;   // security.capability
  size_t layer = 0;         // whose blob has the data
  uint64_t offset = 0;      // in that blob
  size_t file = 0;          // the same number for all names of one file, 0 for directories
};

class ExpectedTree {
 public:
  ExpectedTree() { nodes_[""] = {}; }
  // As Extractor::Put; `offset` is where the entry's data begin in the blob of `layer`.
  Status Put(const std::string& path, const TarEntry& entry, const std::string& link_path, size_t layer,
             uint64_t offset);
  // By path relative to the root, "" for the root.
  const std::map<std::string, ExpectedNode>& nodes() const { return nodes_; }

 private:
  // The path with links in its directories resolved, as if this were the root directory. Missing parents are made.
  Result<std::string> Resolve(const std::string& path, bool make_parents);
  void Remove(const std::string& path);

  std::map<std::string, ExpectedNode> nodes_;
  size_t next_file_ = 1;
};

}  // namespace rkt::store
