// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/layers.h"

#include "store/image_archive.h"

namespace rkt::store {

namespace {
std::unordered_set<std::string> PathSet(const std::vector<std::string>& paths) {
  std::unordered_set<std::string> set;
  for (const std::string& path : paths) {
    std::string_view relative = path;
    while (relative.starts_with('/')) relative.remove_prefix(1);
    if (auto clean = CleanEntryPath(relative.empty() ? "." : relative)) set.insert(*std::move(clean));
  }
  return set;
}
}  // namespace

LayerFilter::LayerFilter(const std::vector<Layer>& layers)
    : layers_(layers), single_(layers.size() == 1 && layers[0].path_whitelist.empty()) {}

// Going back to the top along ever lower levels, the last whitelist met counts.
const std::vector<std::string>* LayerFilter::WhitelistFromAbove(size_t position) const {
  const std::vector<std::string>* found = nullptr;
  int level = layers_[position].level;
  for (size_t i = position + 1; i-- > 0;) {
    if (layers_[i].level < level && !layers_[i].path_whitelist.empty()) found = &layers_[i].path_whitelist;
    level = layers_[i].level;
  }
  return found;
}

void LayerFilter::NextLayer() {
  ++current_;  // from SIZE_MAX to 0 at first
  if (single_) return;
  for (auto& [path, kind] : taken_) {
    auto [place, is_new] = provided_.emplace(path, kind);
    if (!is_new && place->second == Kind::kImplicitDirectory) place->second = kind;
  }
  taken_.clear();
  const Layer& layer = layers_[current_];
  own_limits_ = !layer.path_whitelist.empty();
  own_ = PathSet(layer.path_whitelist);
  const auto* above = WhitelistFromAbove(current_);
  above_limits_ = above != nullptr;
  above_ = above_limits_ ? PathSet(*above) : std::unordered_set<std::string>();
}

void LayerFilter::Remember(const std::string& path, Kind kind) {
  taken_[path] = kind;
  for (size_t slash = path.rfind('/'); slash != std::string::npos && slash != 0;
       slash = path.rfind('/', slash - 1)) {
    // A parent that is known has known parents.
    if (!taken_.emplace(path.substr(0, slash), Kind::kImplicitDirectory).second) break;
  }
}

bool LayerFilter::Takes(const std::string& path, TarType type) {
  if (single_) return true;
  bool directory = type == TarType::kDirectory;
  if (own_limits_ && !directory && !own_.contains(path)) return false;
  if (above_limits_ && !path.empty() && !above_.contains(path)) return false;
  if (auto known = provided_.find(path); known != provided_.end()) {
    // A directory that an upper image only filled, without an entry of its own, still gets its owner and mode.
    if (!directory || known->second != Kind::kImplicitDirectory) return false;
  }
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    auto parent = provided_.find(path.substr(0, slash));
    if (parent == provided_.end()) break;
    if (parent->second == Kind::kOther) return false;
  }
  Remember(path, directory ? Kind::kDirectory : Kind::kOther);
  return true;
}

bool LayerFilter::TookInThisLayer(const std::string& path) const {
  if (single_) return true;
  auto found = taken_.find(path);
  return found != taken_.end() && found->second == Kind::kOther;
}

}  // namespace rkt::store
