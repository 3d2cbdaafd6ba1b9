// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/disk_usage.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "store/layer_state.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr int64_t kStatBlock = 512;

// Adds what is at a path and below. What goes meanwhile counts nothing.
void AddSize(int dir, const std::string& name, std::set<std::pair<dev_t, ino_t>>* seen, int64_t* bytes) {
  struct stat st;
  if (::fstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !seen->emplace(st.st_dev, st.st_ino).second) return;
  *bytes += static_cast<int64_t>(st.st_blocks) * kStatBlock;
  if (!S_ISDIR(st.st_mode)) return;
  auto child = OpenAt(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!child) return;
  for (const DirEntry& entry : ListDirFd(child->get()).value_or({})) AddSize(child->get(), entry.name, seen, bytes);
}

int64_t SizeOf(int dir, const std::string& path) {
  std::set<std::pair<dev_t, ino_t>> seen;
  int64_t bytes = 0;
  AddSize(dir, path, &seen, &bytes);
  return bytes;
}

struct LayerSize {
  int64_t tar = 0, tree = 0;
  size_t images = 0;
  bool tar_needed = false, tree_needed = false;
};

struct Tree {
  std::string image;
  int64_t bytes = 0;
  bool used = false;
};

}  // namespace

Result<DiskUsage> MeasureStore(const Store& store, const StoreUsage& usage) {
  int cas = store.cas_fd();
  DiskUsage result;
  std::vector<ImageInfo> infos = TRY(store.ListImages());

  // An image is used by the pods of those that depend on it, too.
  std::map<std::string, std::set<std::string>> pods;
  for (const auto& [key, uses] : usage.images) {
    auto parts = store.TreeImages(key);
    for (const std::string& part : parts ? *parts : std::vector{key}) {
      for (const PodUse& use : uses) pods[part].insert(use.uuid);
    }
  }

  std::map<std::string, LayerSize> layers;
  for (const char* kind : {"layer", "layertree"}) {
    for (const DirEntry& entry : ListDirAt(cas, kind).value_or({})) {
      if (!IsLayerId(entry.name)) continue;
      int64_t bytes = SizeOf(cas, StrCat(kind, "/", entry.name));
      (std::string_view(kind) == "layer" ? layers[entry.name].tar : layers[entry.name].tree) = bytes;
      result.layers += bytes;
    }
  }
  std::map<std::string, std::vector<std::string>> lists;
  for (const ImageInfo& info : infos) {
    std::vector<std::string> list = ReadImageLayers(store, info.key).value_or({});
    for (const std::string& id : list) {
      LayerSize& layer = layers[id];
      ++layer.images;
      if (pods.contains(info.key)) layer.tar_needed = layer.tree_needed = true;
    }
    lists[info.key] = std::move(list);
  }

  std::map<std::string, Tree> trees;
  auto ids = store.ListTrees();
  for (const std::string& id : ids ? *ids : std::vector<std::string>()) {
    Tree& tree = trees[id];
    auto image = ReadFileAt(cas, StrCat(TreeDir(id), "/image"), 256);
    if (image) tree.image = std::string(Trim(*image));
    tree.bytes = SizeOf(cas, TreeDir(id));
    auto use = usage.trees.find(id);
    tree.used = use != usage.trees.end() && !use->second.empty();
    result.trees += tree.bytes;
    if (!tree.used) {
      result.reclaimable += tree.bytes;
      continue;
    }
    auto list = ReadFileAt(cas, StrCat(TreeDir(id), "/layers"));
    if (!list) continue;
    for (const std::string& layer : ParseLayerList(*list).value_or({})) layers[layer].tree_needed = true;
  }

  for (ImageInfo& info : infos) {
    ImageDiskUsage image;
    image.blob = SizeOf(cas, BlobPath(info.key)) + SizeOf(cas, ManifestPath(info.key));
    result.blobs += image.blob;
    int64_t own_layers = 0;  // that would go with it
    for (const std::string& id : lists[info.key]) {
      const LayerSize& layer = layers[id];
      (layer.images > 1 ? image.shared : image.layers) += layer.tar + layer.tree;
      if (layer.images > 1) continue;
      own_layers += (layer.tar_needed ? 0 : layer.tar) + (layer.tree_needed ? 0 : layer.tree);
    }
    int64_t unused_trees = 0;
    for (const auto& [id, tree] : trees) {
      if (tree.image != info.key) continue;
      image.trees += tree.bytes;
      if (!tree.used) unused_trees += tree.bytes;
    }
    if (!ids) {
      image.trees = info.tree_size;
      result.trees += info.tree_size;
    }
    auto used = pods.find(info.key);
    if (used != pods.end()) {
      image.pods.assign(used->second.begin(), used->second.end());
      image.reclaimable = unused_trees;
    } else {
      image.reclaimable = image.blob + own_layers + unused_trees;
      result.reclaimable += image.blob;
    }
    image.info = std::move(info);
    result.images.push_back(std::move(image));
  }
  for (const auto& [id, layer] : layers) {
    result.reclaimable += (layer.tar_needed ? 0 : layer.tar) + (layer.tree_needed ? 0 : layer.tree);
  }
  result.temporary = SizeOf(cas, "tmp") + SizeOf(cas, "partial");
  result.total = SizeOf(cas, ".");
  return result;
}

}  // namespace rkt::store
