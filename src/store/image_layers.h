// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Layers of docker and OCI images (docs/formats/layers.md): kept by the digest of their uncompressed tar, unpacked
// once each into a directory that overlay can use, shared by all images that list them. An id is "sha256-" or
// "sha512-" and the digest's hex digits.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/lock.h"
#include "base/tar.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::store {

// More than any builder makes; overlay takes 500 directories.
inline constexpr size_t kMaxImageLayers = 256;

bool IsLayerId(std::string_view text);

// The digest that an id is made of.
class LayerDigest {
 public:
  // Of the algorithm that the id (or anything else beginning with "sha512") names; sha256 where it is empty.
  explicit LayerDigest(std::string_view id);
  void Update(std::string_view data);
  // The id of what was given to Update. The object is spent afterwards.
  std::string Id();
  // Whether that is the id that it was made for.
  bool Matches() { return Id() == id_; }

 private:
  std::string id_;
  bool sha512_;
  Sha256 sha256_hash_;
  Sha512 sha512_hash_;
};

// Held shared by whoever adds layers, from before it looks which are there until the image that lists them is stored.
Result<Lock> LockLayers(const Store& store, Lock::Kind kind);

// Whether the layer's tar is stored / its tree is.
bool HasLayer(const Store& store, const std::string& id);
bool HasLayerTree(const Store& store, const std::string& id);

// One layer on its way into the store. Write and Unpack may run in threads of their own; the rest is the caller's.
class LayerImport {
 public:
  // With `unpack` (needs root) the tree is made too. The store must outlive this.
  static Result<LayerImport> Begin(const Store& store, bool unpack);
  LayerImport(LayerImport&&) noexcept;
  LayerImport& operator=(LayerImport&&) noexcept;
  ~LayerImport();

  // The next piece of the uncompressed tar.
  Status Write(std::string_view piece);
  // Reads the whole tar and checks its entries; unpacks them where that was asked for.
  Status Unpack(const TarReader::Source& source);
  // Puts it in place under the id, which the caller has computed of all that was written. A layer that another process
  // stored meanwhile is good enough.
  Status Commit(const std::string& id);

 private:
  struct State;
  explicit LayerImport(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Unpacks the layer from its stored tar unless its tree is there. kCorrupt where the tar has another digest.
Status RenderLayer(const Store& store, const std::string& id);

struct LayeredImage {
  std::string manifest;             // its bytes
  std::vector<std::string> layers;  // ids of stored layers, the lowest first
  bool latest = false;
  bool render = true;               // left out without root
};
// Stores the image. The caller holds LockLayers.
Result<Store::Import::Stored> StoreLayeredImage(Store& store, const LayeredImage& image);

// The layers of an image, the lowest first; empty for images that are none of this kind.
Result<std::vector<std::string>> ReadImageLayers(const Store& store, const std::string& key);

// Writes the ACI put together from the image's layers to the file. With `check` each layer is compared with its id
// (kCorrupt).
Status WriteFlatArchive(const Store& store, const std::string& key, int file, bool check);

// Removes tars and trees of layers that nothing needs; does nothing where somebody holds LockLayers.
Status CollectLayers(const Store& store);

}  // namespace rkt::store
