// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Which image of a list provides which path of the rendered tree (stage0.md of the reference, section 11): the
// upper image wins, an image's own whitelist limits its files, the whitelist of an image above limits all beneath it.

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "base/tar.h"

namespace rkt::store {

// An image in the flattened list of dependencies, the wanted one first.
struct Layer {
  std::string key;
  int level = 0;  // how many dependencies lead to it
  std::vector<std::string> path_whitelist;
};

class LayerFilter {
 public:
  explicit LayerFilter(const std::vector<Layer>& layers);

  // Begins with the next layer, from the first on.
  void NextLayer();
  // Whether this layer's entry becomes part of the tree; if so it is remembered for the layers below.
  bool Takes(const std::string& path, TarType type);
  // Whether this layer has put something at the path: what its hard links may point to.
  bool TookInThisLayer(const std::string& path) const;

 private:
  enum class Kind : char { kImplicitDirectory, kDirectory, kOther };
  const std::vector<std::string>* WhitelistFromAbove(size_t position) const;
  void Remember(const std::string& path, Kind kind);

  const std::vector<Layer>& layers_;
  const bool single_;  // one image without a whitelist: everything is taken and nothing need be remembered
  size_t current_ = SIZE_MAX;
  std::unordered_map<std::string, Kind> provided_;  // by the layers above
  std::unordered_map<std::string, Kind> taken_;     // by this one
  std::unordered_set<std::string> own_, above_;     // whitelists, without the slash in front
  bool own_limits_ = false, above_limits_ = false;
};

}  // namespace rkt::store
