// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The image store: content-addressed images under DIR/cas, the index over them, and the tree store of rendered
// root file systems. Several processes use it at once; every function may be called at any time and a SIGKILL
// anywhere leaves it whole. It knows nothing of references, networks or pods.
//
//   DIR/cas/
//     blob/sha512/<hh>/<key>            0600  the uncompressed tar
//     imageManifest/sha512/<hh>/<key>   0660  the manifest's bytes as they stand in the image
//     imagelocks/<key>                  0660  flock; removed by fsck only
//     index                             0660  one row an image (docs/formats/store-index.md)
//     index.lock                        0660  flock, exclusive while the index is replaced
//     tmp/<random>/                           what imports are writing; collectable when nobody holds its lock
//     tmp/<key of URL>, remote/<key of URL>   downloads, and what they gave (image/remote_record.h)
//     tree/<treeid>/{manifest,rootfs/,image,rendered,hash}
//     treestorelocks/<treeid>
//     layer/, layertree/, imageLayers/        docker and OCI images (store/image_layers.h, docs/formats/layers.md)
//
// key = "sha512-" and the first 64 hex digits of the SHA-512 of the uncompressed tar.

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appc/image_manifest.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/result.h"

namespace rkt::store {

struct IndexRow;  // index.h

// One row of the index, for the callers of this room.
struct ImageInfo {
  std::string key;
  std::string name;                // of the manifest, without labels
  std::string version;             // its "version" label, empty where it has none
  int64_t import_time_ns = 0;      // since the epoch
  int64_t last_used_ns = 0;        // reads of the blob and imports, not look-ups
  bool latest = false;             // fetched without a version being asked for
  int64_t size = 0;                // bytes of the blob
  int64_t tree_size = 0;           // bytes of its rendered tree, 0 where none
};

class Store {
 public:
  // Opens (creating what is missing) the store of a data directory.
  static Result<Store> Open(const std::string& data_dir);
  // Opens it only where it exists; kNotFound otherwise. For readers.
  static Result<Store> OpenExisting(const std::string& data_dir);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // --- looking up (no locks held afterwards, no walk over all images) ---

  // "sha512-" and at least two hex digits, or more than a key has (cut), to the one key that begins so.
  // kInvalid "image ID too short", kNotFound "no image IDs found", kInvalid "ambiguous image ID: \"...\"".
  Result<std::string> ResolveKey(std::string_view id) const;
  // By name and labels (all given ones must match; without a version one flagged latest is preferred, then the
  // newest import). kNotFound: cannot find aci satisfying name: "a" and labels: [...] in the local store
  Result<std::string> FindImage(const appc::ImageName& name) const;
  Result<ImageInfo> GetInfo(const std::string& key) const;
  // Every image, in order of import; rows whose blob is gone are left out.
  Result<std::vector<ImageInfo>> ListImages() const;
  // The manifest's bytes / parsed.
  Result<std::string> ReadManifestBytes(const std::string& key) const;
  Result<appc::ImageManifest> ReadManifest(const std::string& key) const;

  // --- reading and removing ---

  // The blob for reading, with a shared lock on the image for as long as the Fd's lock lives. Marks it used, unless it is
  // only looked at to compare it with something.
  struct OpenBlob {
    Fd blob;
    Lock lock;
    int64_t size;
  };
  Result<OpenBlob> OpenForReading(const std::string& key, bool use = true) const;
  // The image as an archive of its own: the blob, or what the layers of a docker or OCI image come to, put together in a
  // file without a name. With `check` layers are compared with their ids meanwhile (kCorrupt), and it is marked used;
  // without, it is for a comparison.
  Result<OpenBlob> OpenArchive(const std::string& key, bool check) const;
  // Removes the image's row, manifest and blob (not trees made of it), waiting for readers. kNotFound. Once the row
  // is gone the image is; an error after that says which files were left, and `*stale_files` becomes true.
  Status RemoveImage(const std::string& key, bool* stale_files = nullptr);
  // The same for many at once, with one write of the index. Images that somebody reads are left alone when `wait` is
  // false. Calls `removed` for each; returns the first error after doing the rest.
  Status RemoveImages(const std::vector<std::string>& keys, bool wait,
                      const std::function<void(const std::string& key, const Status& files)>& removed);

  // --- trees ---

  // The id of the tree of an image: "deps-" and the key of the SHA-512 of the comma-joined keys, image first,
  // then its dependencies flattened (stage0.md of the reference, section 11).
  Result<std::string> TreeId(const std::string& key) const;
  // The images that its tree is made of: itself and its dependencies. kNotFound where one of them is not stored.
  Result<std::vector<std::string>> TreeImages(const std::string& key) const;
  std::string TreePath(const std::string& tree_id) const;        // DIR/cas/tree/ID
  std::string TreeRootfsPath(const std::string& tree_id) const;  // DIR/cas/tree/ID/rootfs
  // The directories that make up the tree's rootfs, topmost first, relative to DIR/cas: one, or with layers several to
  // be merged as overlay does (store/image_layers.h). A rootfs with layers below it is not the whole.
  Result<std::vector<std::string>> TreeLowers(const std::string& tree_id) const;
  // What stands at a path of the tree's root; links are not followed.
  struct TreePart {
    bool exists;
    struct stat st;
  };
  Result<TreePart> FindInTree(const std::string& tree_id, const std::string& path) const;
  bool IsRendered(const std::string& tree_id) const;
  // Renders the image with its dependencies unless it is there already, waiting for another process that does.
  // Returns the tree id. Verifies the blobs' hashes while it reads them.
  Result<std::string> RenderTree(const std::string& key);
  // A shared lock that keeps garbage collection from removing the tree until it is dropped. Ask IsRendered once it is
  // held: the tree may have gone between RenderTree and this (then render again).
  Result<Lock> LockTree(const std::string& tree_id) const;
  // Waits for those who hold LockTree. A missing tree is success.
  Status RemoveTree(const std::string& tree_id);
  // Removes all trees but those named and those that somebody holds locked. Calls `removed` for each that went;
  // `failed` hears of those that could not be removed.
  Status RemoveUnusedTrees(const std::vector<std::string>& used,
                           const std::function<void(const std::string& tree_id)>& removed,
                           const std::function<void(const std::string& tree_id, const Error& error)>& failed);
  Result<std::vector<std::string>> ListTrees() const;
  // Extracts one image (no dependencies) into an existing empty directory: manifest and rootfs/, or only the
  // content of rootfs/.
  Status ExtractImage(const std::string& key, const std::string& directory, bool rootfs_only) const;
  // For pods without overlay: copies what is in the tree's rootfs into an existing directory, with owners, modes,
  // times, hard links, devices and extended attributes.
  Status CopyTree(const std::string& tree_id, const std::string& directory) const;

  // --- verification ---

  enum class TreeState { kIntact, kNotRendered, kDamaged };
  struct Verification {
    TreeState state;
    std::string detail;  // what differs, for kDamaged
  };
  // Compares the blob with its key (kCorrupt where they differ) and the tree with what it was made of.
  // Without `check_blobs` for callers that have compared the blobs already.
  Result<Verification> VerifyTree(const std::string& key, bool check_blobs = true) const;

  // Throws a damaged tree away and renders it anew.
  Result<std::string> RebuildTree(const std::string& key);

  // --- importing: used by the fetch program, which reads archives (store/import.h) ---
  class Import;

  // --- housekeeping ---

  // Shared by whoever makes a pod, from before it renders a tree until its pod names the tree; exclusive by
  // tree garbage collection. DIR/locks/prepareLock.
  Result<Lock> LockPreparing(Lock::Kind kind) const;
  // Removes what killed processes left in cas/tmp.
  Status CollectTemporary();
  // Removes blobs and manifests that no row names (an import that was killed before its last step), and layers that
  // nothing needs.
  Status CollectOrphans();
  // Writes the index anew from blobs and manifests. Import times come from the manifests' files; the flag "latest" is lost.
  Status RebuildIndex();
  // Changes what the index says of one image; nothing where there is no row.
  Status UpdateRow(const std::string& key, const std::function<void(IndexRow&)>& change);

  const std::string& data_dir() const;
  int cas_fd() const;

  struct State;  // store/state.h: for this room only

 private:
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Makes a directory of the store with this mode whatever the umask; set-gid that it inherits stays, so that a group can
// share the store. An existing one is left alone.
Status MakeStoreDir(int dir, const std::string& path, mode_t mode);
// The same for all directories above a file of the store, which somebody may have removed.
Status MakeStoreDirsAbove(int dir, const std::string& path);

}  // namespace rkt::store
