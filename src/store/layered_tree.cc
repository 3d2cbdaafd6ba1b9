// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The trees of layered images: the topmost directory, which holds what no layer alone can tell, and the comparison of
// unpacked layers with their tars.

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/copy_tree.h"
#include "base/file.h"
#include "store/image_archive.h"
#include "store/layer_extract.h"
#include "store/layer_state.h"
#include "store/merged_tree.h"
#include "store/report.h"
#include "store/state.h"

namespace rkt::store {

namespace {

constexpr size_t kMaxInfo = 64u << 20;

struct LayerInfo {
  uint64_t bytes = 0;
  std::set<std::string> implicit;
};

Result<LayerInfo> ReadInfo(const Store& store, const std::string& id) {
  auto malformed = [&] { return Err(Code::kCorrupt, "layer ", id, ": its unpacked tree has a malformed info"); };
  LayerInfo info;
  std::string text = TRY(ReadFileAt(store.cas_fd(), StrCat(LayerTreePath(id), "/info"), kMaxInfo));
  if (!text.ends_with('\n')) return malformed();
  text.pop_back();
  bool first = true;
  for (const std::string& line : Split(text, '\n')) {
    const bool bytes = std::exchange(first, false);
    const std::string_view word = bytes ? "bytes " : "implicit ";
    if (!line.starts_with(word)) return malformed();
    const std::string_view rest = std::string_view(line).substr(word.size());
    if (bytes) {
      auto number = ParseUint(rest);
      if (!number) return malformed();
      info.bytes = *number;
    } else {
      auto path = UnescapeWord(rest);
      if (!path) return malformed();
      info.implicit.insert(*std::move(path));
    }
  }
  return info;
}

// The topmost directory of a tree in the making, over its layers.
class TopDirectory {
 public:
  TopDirectory(int root, const std::vector<Fd>& layers, const std::vector<LayerInfo>& infos)
      : root_(root), layers_(layers), infos_(infos) {}

  Status RestoreDirectories() {
    for (const LayerInfo& info : infos_) {
      for (const std::string& path : info.implicit) {
        MergedEntry entry = TRY(FindMerged(layers_, path));
        if (entry.kind != MergedEntry::Kind::kDirectory) continue;
        // Only where somebody below knows better than the layer that is seen.
        if (Listed(entry, path) != 0) TRY(Make(path));
      }
    }
    return {};
  }

  Status AddDeviceLinks() {
    MergedEntry dev = TRY(FindMerged(layers_, "dev"));
    if (dev.kind == MergedEntry::Kind::kOther) return Err(Code::kInvalid, "/dev of the image is no directory");
    for (const DeviceLink& link : kDeviceLinks) {
      if (TRY(FindMerged(layers_, link.path)).kind != MergedEntry::Kind::kMissing) continue;
      TRY(Make("dev"));
      if (::symlinkat(link.target, root_, link.path) != 0) return SysErr("symlink ", link.path);
    }
    return {};
  }

  // Last, when nothing is made in them any more.
  Status SetAttributes() {
    made_.insert("");
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) {
      MergedEntry entry = TRY(FindMerged(layers_, *path));
      if (entry.kind != MergedEntry::Kind::kDirectory) continue;  // one of our own
      Fd directory = TRY(OpenAt(root_, path->empty() ? "." : *path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      TRY_CTX(CopyDirectoryAttributes(entry.parts[Listed(entry, *path)].get(), directory.get()), "directory ",
              Quote(*path));
    }
    return {};
  }

 private:
  // Which of the merged directories is listed by its layer: the first that is, else the topmost.
  size_t Listed(const MergedEntry& entry, const std::string& path) const {
    for (size_t i = 0; i < entry.parts.size(); ++i) {
      if (!infos_[entry.layers[i]].implicit.contains(path)) return i;
    }
    return 0;
  }
  Status Make(const std::string& path) {
    for (size_t end = 0; end != std::string::npos;) {
      end = path.find('/', end == 0 ? 0 : end + 1);
      std::string directory = path.substr(0, end);
      if (directory.empty() || !made_.insert(directory).second) continue;
      if (::mkdirat(root_, directory.c_str(), 0755) != 0) return SysErr("mkdir ", Quote(directory));
    }
    return {};
  }

  int root_;
  const std::vector<Fd>& layers_;
  const std::vector<LayerInfo>& infos_;
  std::set<std::string> made_;
};

}  // namespace

Status RenderLayered(const Store& store, const std::string& key, const std::vector<std::string>& layers, int temporary,
                     uint64_t* bytes) {
  std::vector<Fd> roots;
  std::vector<LayerInfo> infos;
  for (size_t i = layers.size(); i-- > 0;) {
    TRY(RenderLayer(store, layers[i]));
    roots.push_back(TRY(OpenAt(store.cas_fd(), StrCat(LayerTreePath(layers[i]), "/rootfs"),
                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
    infos.push_back(TRY(ReadInfo(store, layers[i])));
    *bytes += infos.back().bytes;
  }
  Fd root = TRY(OpenAt(temporary, "tree/rootfs", O_RDONLY | O_DIRECTORY));
  TopDirectory top(root.get(), roots, infos);
  TRY(top.RestoreDirectories());
  TRY(top.AddDeviceLinks());
  TRY(top.SetAttributes());
  TRY(WriteFileAt(temporary, "tree/layers", WriteLayerList(layers), 0644));
  return WriteFileAt(temporary, "tree/manifest", TRY(store.ReadManifestBytes(key)), 0644);
}

Status CheckLayerInfo(const Store& store, const std::string& id) {
  TRY(ReadInfo(store, id));
  return {};
}

Result<std::vector<std::string>> LowersOfTree(const Store& store, const std::string& tree_id) {
  std::vector<std::string> lowers = {StrCat(TreeDir(tree_id), "/rootfs")};
  auto list = ReadFileAt(store.cas_fd(), StrCat(TreeDir(tree_id), "/layers"));
  if (!list) return list.error().code() == Code::kNotFound ? lowers : Result<std::vector<std::string>>(list.error());
  auto parsed = ParseLayerList(*list);
  if (!parsed) {
    return Err(Code::kCorrupt, "tree ", tree_id, " is damaged: ", parsed.error().message(), " (try rkt image fsck --repair)");
  }
  const std::vector<std::string>& layers = *parsed;
  for (size_t i = layers.size(); i-- > 0;) lowers.push_back(StrCat(LayerTreePath(layers[i]), "/rootfs"));
  return lowers;
}

Result<std::vector<Fd>> OpenLowers(const Store& store, const std::string& tree_id) {
  std::vector<Fd> roots;
  for (const std::string& path : TRY(LowersOfTree(store, tree_id))) {
    roots.push_back(TRY(OpenAt(store.cas_fd(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
  }
  return roots;
}

// In a tree of one directory there is nothing to merge: what stands at the path, reached through directories alone.
static Result<Store::TreePart> FindInDirectory(int cas, const std::string& root, const std::string& path) {
  Store::TreePart part = {};
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end == 0 ? 0 : end + 1);
    std::string place = StrCat(root, "/", std::string_view(path).substr(0, end));
    if (::fstatat(cas, place.c_str(), &part.st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return Store::TreePart{};
      return SysErr("stat ", place);
    }
    if (end != std::string::npos && !S_ISDIR(part.st.st_mode)) return Store::TreePart{};
  }
  part.exists = true;
  return part;
}

Result<Store::TreePart> Store::FindInTree(const std::string& tree_id, const std::string& path) const {
  if (!IsTreeId(tree_id)) return Err(Code::kInvalid, "malformed tree id ", Quote(tree_id));
  std::vector<std::string> lowers = TRY(LowersOfTree(*this, tree_id));
  if (lowers.size() == 1) return FindInDirectory(cas_fd(), lowers[0], path);
  MergedEntry entry = TRY(FindMerged(TRY(OpenLowers(*this, tree_id)), path));
  return TreePart{entry.kind != MergedEntry::Kind::kMissing, entry.st};
}

Result<std::vector<std::string>> Store::TreeLowers(const std::string& tree_id) const {
  if (!IsTreeId(tree_id)) return Err(Code::kInvalid, "malformed tree id ", Quote(tree_id));
  return LowersOfTree(*this, tree_id);
}

}  // namespace rkt::store
