// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The tree store: ids, rendering, removal.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "base/copy_tree.h"
#include "base/file.h"
#include "base/hash.h"
#include "store/extract.h"
#include "store/image_archive.h"
#include "store/layer_state.h"
#include "store/merged_tree.h"
#include "store/state.h"
#include "store/store.h"

namespace rkt::store {

namespace {

constexpr char kTreePrefix[] = "deps-";
// More images in one tree than anybody has; cycles end earlier.
constexpr size_t kMaxLayers = 1024;

Status NeedRoot() {
  // The original unpacked in a chroot, and scripts know its words.
  if (::geteuid() != 0) return Err(Code::kPermission, "chroot capability not available.");
  return {};
}

Status AddLayers(const Store& store, const std::string& key, int level, std::vector<std::string>* way,
                 std::vector<Layer>* layers) {
  if (std::find(way->begin(), way->end(), key) != way->end()) {
    return Err(Code::kInvalid, "image ", key, " depends on itself");
  }
  if (layers->size() >= kMaxLayers) return Err(Code::kInvalid, "more than ", kMaxLayers, " images in one tree");
  appc::ImageManifest manifest = TRY(store.ReadManifest(key));
  layers->push_back({key, level, manifest.path_whitelist});
  way->push_back(key);
  // Each dependency is put right behind its image, so the one listed last comes first.
  for (size_t i = manifest.dependencies.size(); i-- > 0;) {
    const appc::Dependency& dependency = manifest.dependencies[i];
    auto found = dependency.image_id.empty() ? store.FindImage({dependency.image_name, dependency.labels})
                                             : store.ResolveKey(dependency.image_id);
    if (!found) {
      return std::move(found).error().Wrap(StrCat("dependency ", Quote(dependency.image_name), " of image ", key));
    }
    TRY(AddLayers(store, *found, level + 1, way, layers));
  }
  way->pop_back();
  return {};
}

Status ExtractLayers(const Store& store, const std::vector<Layer>& layers, int rootfs, std::string* manifest,
                     uint64_t* bytes) {
  Extractor extractor(TRY(OpenAt(rootfs, ".", O_RDONLY | O_DIRECTORY)));
  TRY(ReadLayers(store, layers, /*check=*/true, [&](ImageArchive& archive, const LayerBlob&) {
    return extractor.Put(archive.path(), archive.entry(), archive.link_path(), archive.reader());
  }));
  TRY(extractor.Finish());
  *bytes = extractor.bytes();
  *manifest = TRY(store.ReadManifestBytes(layers[0].key));
  return {};
}

void SetTreeSize(std::vector<IndexRow>& rows, const std::string& key, uint64_t size) {
  for (IndexRow& row : rows) {
    if (row.key == key) row.tree_size = static_cast<int64_t>(size);
  }
}

}  // namespace

bool IsTreeId(std::string_view text) {
  return text.starts_with(kTreePrefix) && IsKey(text.substr(sizeof kTreePrefix - 1));
}

std::string TreeIdOf(const std::vector<Layer>& layers) {
  Sha512 hash;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i != 0) hash.Update(",");
    hash.Update(layers[i].key);
  }
  return StrCat(kTreePrefix, KeyOfDigest(hash.HexDigest()));
}

Result<std::vector<Layer>> ListLayers(const Store& store, const std::string& key) {
  std::vector<Layer> layers;
  std::vector<std::string> way;
  TRY(AddLayers(store, key, 0, &way, &layers));
  return layers;
}

Status ReadLayers(const Store& store, const std::vector<Layer>& layers, bool check,
                  const std::function<Status(ImageArchive&, const LayerBlob&)>& put) {
  LayerFilter filter(layers);
  std::string buffer(256u << 10, '\0');
  for (const Layer& layer : layers) {
    filter.NextLayer();
    // An archive put together from layers is checked by them.
    bool layered = !TRY(ReadImageLayers(store, layer.key)).empty();
    Store::OpenBlob blob = TRY(store.OpenArchive(layer.key, check));
    Sha512 hash;
    ImageArchive archive([&]() -> Result<std::string_view> {
      ssize_t n = ::read(blob.blob.get(), buffer.data(), buffer.size());
      if (n < 0) return SysErr("read ", BlobPath(layer.key));
      std::string_view piece = std::string_view(buffer).substr(0, static_cast<size_t>(n));
      if (check) hash.Update(piece);
      return piece;
    });
    if (!check) {
      archive.reader().SetSeek([&](uint64_t bytes) -> Status {
        if (::lseek(blob.blob.get(), static_cast<off_t>(bytes), SEEK_CUR) < 0) return SysErr("seek in ", BlobPath(layer.key));
        return {};
      });
    }
    // What was imported could be read: if it cannot any more, the blob was changed.
    auto damaged = [&](const Error& error) {
      if (error.code() != Code::kInvalid) return Error(error);
      return DamagedImage(layer.key, error.Text());
    };
    Status read = [&]() -> Status {
      for (;;) {
        auto more = archive.Next();
        if (!more) return damaged(more.error());
        if (!*more) break;
        if (!filter.Takes(archive.path(), archive.entry().type)) continue;
        if (archive.entry().type == TarType::kHardLink && !filter.TookInThisLayer(archive.link_path())) {
          return Err(Code::kInvalid, "hard link ", Quote(archive.path()), " to ", Quote(archive.link_path()),
                     ", which does not come from the same image");
        }
        TRY(put(archive, LayerBlob{&layer, blob.blob.get()}));
      }
      Status end = archive.Finish();
      return end ? Status() : damaged(end.error());
    }();
    if (!read) return std::move(read).error().Wrap(StrCat("image ", layer.key));
    if (check && !layered && KeyOfDigest(hash.HexDigest()) != layer.key) {
      return DamagedImage(layer.key, "its content has another hash");
    }
  }
  return {};
}

namespace {
// The tree of an image alone. Where it exists the image has no dependencies (with them the id is another), and its
// manifest need not be read to know the id.
std::string SingleTreeId(const std::string& key) { return TreeIdOf({{key, 0, {}}}); }
}  // namespace

Result<std::string> Store::TreeId(const std::string& key) const {
  if (std::string id = SingleTreeId(key); IsRendered(id)) return id;
  return TreeIdOf(TRY(ListLayers(*this, key)));
}

Result<std::vector<std::string>> Store::TreeImages(const std::string& key) const {
  std::vector<std::string> keys;
  for (Layer& layer : TRY(ListLayers(*this, key))) keys.push_back(std::move(layer.key));
  return keys;
}

std::string Store::TreePath(const std::string& tree_id) const {
  return StrCat(state_->data_dir, "/cas/", TreeDir(tree_id));
}
std::string Store::TreeRootfsPath(const std::string& tree_id) const { return TreePath(tree_id) + "/rootfs"; }

bool Store::IsRendered(const std::string& tree_id) const {
  return IsTreeId(tree_id) && ExistsAt(state_->cas.get(), StrCat(TreeDir(tree_id), "/rendered"));
}

Result<Lock> Store::LockTree(const std::string& tree_id) const {
  if (!IsTreeId(tree_id)) return Err(Code::kInvalid, "malformed tree id ", Quote(tree_id));
  return Lock::File(state_->cas.get(), TreeLockPath(tree_id), Lock::Kind::kShared);
}

Result<std::string> Store::RenderTree(const std::string& key) {
  if (std::string id = SingleTreeId(key); IsRendered(id)) return id;
  std::vector<Layer> layers = TRY(ListLayers(*this, key));
  std::string id = TreeIdOf(layers);
  if (IsRendered(id)) return id;
  TRY(NeedRoot());
  int cas = state_->cas.get();
  TRY(MakeStoreLayout(cas));
  // Its own layers serve an image that nothing else is put into.
  std::vector<std::string> image_layers;
  std::optional<Lock> layers_lock;
  if (layers.size() == 1 && layers[0].path_whitelist.empty()) {
    image_layers = TRY(ReadImageLayers(*this, key));
    if (!image_layers.empty()) layers_lock = TRY(LockLayers(*this, Lock::Kind::kShared));
  }
  Lock lock = TRY(Lock::File(cas, TreeLockPath(id), Lock::Kind::kExclusive));
  if (IsRendered(id)) return id;
  uint64_t bytes = 0;
  auto render = [&]() -> Status {
    Temporary temporary = TRY(Temporary::Create(cas));
    int dir = temporary.fd();
    TRY(MakeTreeDir(dir, "tree"));
    TRY(MakeTreeDir(dir, "tree/rootfs"));
    if (!image_layers.empty()) {
      TRY(RenderLayered(*this, key, image_layers, dir, &bytes));
    } else {
      Fd rootfs = TRY(OpenAt(dir, "tree/rootfs", O_RDONLY | O_DIRECTORY));
      std::string manifest;
      TRY(ExtractLayers(*this, layers, rootfs.get(), &manifest, &bytes));
      TRY(WriteFileAt(dir, "tree/manifest", manifest, 0644));
    }
    TRY(WriteFileAt(dir, "tree/image", key, 0644));
    TRY(SyncFs(cas));
    TRY(WriteFileAt(dir, "tree/rendered", "", 0644));
    if (ExistsAt(cas, TreeDir(id))) TRY(RenameAt(cas, TreeDir(id), dir, "old-tree"));
    return RenameAt(dir, "tree", cas, TreeDir(id));
  };
  TRY_CTX(render(), "rendering image ", key);
  // Only listings show it: the tree is as good without.
  (void)state_->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
    SetTreeSize(rows, key, bytes);
    return {};
  });
  return id;
}

namespace {
// Out of sight in one step, then deleted; the caller holds the tree's lock.
Status TakeTreeAway(int cas, const std::string& tree_id, std::string* image) {
  auto key = ReadFileAt(cas, StrCat(TreeDir(tree_id), "/image"), 256);
  if (key) *image = std::string(Trim(*key));
  if (!ExistsAt(cas, TreeDir(tree_id))) return {};
  Temporary temporary = TRY(Temporary::Create(cas));
  TRY(RenameAt(cas, TreeDir(tree_id), temporary.fd(), "tree"));
  return temporary.Remove();
}
}  // namespace

Status Store::RemoveTree(const std::string& tree_id) {
  if (!IsTreeId(tree_id)) return Err(Code::kInvalid, "malformed tree id ", Quote(tree_id));
  int cas = state_->cas.get();
  std::string image;
  {
    Lock lock = TRY(Lock::File(cas, TreeLockPath(tree_id), Lock::Kind::kExclusive));
    TRY_CTX(TakeTreeAway(cas, tree_id, &image), "removing tree ", tree_id);
  }
  if (image.empty()) return {};
  return state_->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
    SetTreeSize(rows, image, 0);
    return {};
  });
}

Status Store::RemoveUnusedTrees(const std::vector<std::string>& used,
                                const std::function<void(const std::string& tree_id)>& removed,
                                const std::function<void(const std::string& tree_id, const Error& error)>& failed) {
  std::unordered_set<std::string> keep(used.begin(), used.end());
  std::vector<std::string> images;
  int cas = state_->cas.get();
  for (const std::string& id : TRY(ListTrees())) {
    if (keep.contains(id)) continue;
    std::string image;
    Status status = [&]() -> Status {
      auto lock = TRY(Lock::TryFile(cas, TreeLockPath(id), Lock::Kind::kExclusive));
      if (!lock) return {};
      TRY(TakeTreeAway(cas, id, &image));
      // Nobody needs the lock of a tree that is gone, but somebody may wait for it: it stays.
      removed(id);
      return {};
    }();
    if (!status) failed(id, status.error());
    if (!image.empty()) images.push_back(std::move(image));
  }
  if (images.empty()) return {};
  return state_->UpdateIndex([&](std::vector<IndexRow>& rows) -> Status {
    for (const std::string& image : images) SetTreeSize(rows, image, 0);
    return {};
  });
}

Result<std::string> Store::RebuildTree(const std::string& key) {
  TRY(NeedRoot());
  TRY(RemoveTree(TRY(TreeId(key))));
  if (std::vector<std::string> layers = TRY(ReadImageLayers(*this, key)); !layers.empty()) {
    Lock lock = TRY(LockLayers(*this, Lock::Kind::kShared));
    TRY(RemoveDamagedLayers(*this, layers));
  }
  return RenderTree(key);
}

Result<std::vector<std::string>> Store::ListTrees() const {
  std::vector<std::string> ids;
  auto entries = ListDirAt(state_->cas.get(), "tree");
  if (!entries) {
    if (entries.error().code() == Code::kNotFound) return ids;
    return std::move(entries).error();
  }
  for (DirEntry& entry : *entries) {
    if (IsTreeId(entry.name)) ids.push_back(std::move(entry.name));
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

Status Store::ExtractImage(const std::string& key, const std::string& directory, bool rootfs_only) const {
  TRY(NeedRoot());
  Fd dir = TRY(rkt::Open(directory, O_RDONLY | O_DIRECTORY));
  if (!rootfs_only) TRY(MakeTreeDir(dir.get(), "rootfs"));
  Fd rootfs = TRY(OpenAt(dir.get(), rootfs_only ? "." : "rootfs", O_RDONLY | O_DIRECTORY));
  std::string manifest;
  uint64_t bytes = 0;
  std::vector<Layer> alone = {{key, 0, {}}};
  TRY(ExtractLayers(*this, alone, rootfs.get(), &manifest, &bytes));
  if (rootfs_only) return {};
  return WriteFileAt(dir.get(), "manifest", manifest, 0644);
}

Status Store::CopyTree(const std::string& tree_id, const std::string& directory) const {
  TRY(NeedRoot());
  Lock lock = TRY(LockTree(tree_id));
  std::vector<Fd> from = TRY(OpenLowers(*this, tree_id));
  Fd to = TRY(rkt::Open(directory, O_RDONLY | O_DIRECTORY));
  return from.size() == 1 ? CopyDirectory(from[0].get(), to.get()) : CopyMerged(from, to.get());
}

}  // namespace rkt::store
