// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the files of this room share: the open store, the paths below DIR/cas (relative to it), temporary directories.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/lock.h"
#include "base/result.h"
#include "store/index.h"
#include "store/layers.h"
#include "store/store.h"

namespace rkt::store {

struct Store::State {
  std::string data_dir;
  Fd cas;
  // The manifest read last: starting a pod asks for the same one several times. A key's manifest never changes.
  struct ReadManifest {
    std::string key;
    std::string bytes;
    std::optional<appc::ImageManifest> parsed;
  };
  ReadManifest last_manifest;

  // The index for reading. One that is damaged or gone is made anew first, where that is permitted.
  Result<IndexView> View() const;
  // Changes the rows under the lock of the index and replaces it. An error of `change` leaves it as it was.
  Status UpdateIndex(const std::function<Status(std::vector<IndexRow>&)>& change) const;
  // Rows from blobs and manifests alone.
  Result<std::vector<IndexRow>> ReadRows() const;
};

// "sha512-" and the first 64 of 128 hex digits.
std::string KeyOfDigest(std::string_view hex);
std::string BlobPath(std::string_view key);
std::string ManifestPath(std::string_view key);
std::string ImageLockPath(std::string_view key);
inline std::string TreeDir(std::string_view tree_id) { return StrCat("tree/", tree_id); }
inline std::string TreeLockPath(std::string_view tree_id) { return StrCat("treestorelocks/", tree_id); }
// The directories that every store has, relative to cas; those of layers come with the first layer.
struct StoreDirectory {
  const char* path;
  mode_t mode;
};
extern const std::vector<StoreDirectory> kStoreDirectories;
// Makes those that are missing.
Status MakeStoreLayout(int cas);
// A file of the store: group members may write to some of its directories, so no link is followed and nothing but a regular
// file is read (kCorrupt).
Result<std::string> ReadStoreFile(int cas, const std::string& path, size_t limit);
// Puts a complete file in its place, whatever somebody put there, making the directories above.
Status PlaceStoreFile(int from, const char* name, int cas, const std::string& path);
// Removes a file, or what stands in its place. Nothing there is success.
Status RemoveStoreFile(int cas, const std::string& path);
// "image KEY is damaged: WHAT", and what to do about it. kCorrupt.
Error DamagedImage(std::string_view key, std::string_view what);
// Whether the text may be part of a path below tree/: "deps-" and a key.
bool IsTreeId(std::string_view text);
std::string TreeIdOf(const std::vector<Layer>& layers);

// A directory of an image: root's, with the mode of a new one, whatever umask and whatever group the store's hand down.
Status MakeTreeDir(int dir, const std::string& path);

// A directory DIR/cas/tmp/<random>, locked as long as this lives and removed with it.
class Temporary {
 public:
  static Result<Temporary> Create(int cas);
  Temporary(Temporary&&) noexcept = default;
  Temporary& operator=(Temporary&&) noexcept = default;
  ~Temporary();
  int fd() const { return lock_.fd(); }
  // Relative to cas.
  const std::string& path() const { return path_; }
  // Removes it now and says what went wrong.
  Status Remove();

 private:
  Temporary(int cas, std::string path, Lock lock) : cas_(cas), path_(std::move(path)), lock_(std::move(lock)) {}
  int cas_;
  std::string path_;
  Lock lock_;
};

// Images of a tree, the wanted one first, dependencies flattened. kNotFound where one is not stored, kInvalid for cycles.
Result<std::vector<Layer>> ListLayers(const Store& store, const std::string& key);

// Reads the blobs of the layers in order, hands the entries that make up the tree to `put`, and compares each blob with
// its key (kCorrupt). With `check` false the blobs are not hashed.
class ImageArchive;
struct LayerBlob {
  const Layer* layer;
  int blob;
};
Status ReadLayers(const Store& store, const std::vector<Layer>& layers, bool check,
                  const std::function<Status(ImageArchive&, const LayerBlob&)>& put);

// Compares DIR/rootfs with what the layers say it must hold. Nothing where they agree, else what differs first.
Result<std::optional<std::string>> CompareTree(const Store& store, const std::vector<Layer>& layers, int rootfs);
// The hash of a rendered tree by the original's formula (stage0.md of the reference, section 11).
Result<std::string> HashTree(int tree);

}  // namespace rkt::store
