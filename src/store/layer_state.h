// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the files about layered images share: paths below DIR/cas, the links that every converted image has.

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "store/image_layers.h"

namespace rkt::store {

inline std::string LayerPath(std::string_view id) { return StrCat("layer/", id); }
inline std::string LayerTreePath(std::string_view id) { return StrCat("layertree/", id); }
std::string ImageLayersPath(std::string_view key);

// The tar for reading; kCorrupt where it is missing.
Result<Fd> OpenLayer(const Store& store, const std::string& id);
Error DamagedLayer(const std::string& id);
// One id a line, none of them malformed.
std::string WriteLayerList(const std::vector<std::string>& ids);
Result<std::vector<std::string>> ParseLayerList(std::string_view text);

struct DeviceLink {
  const char* path;
  const char* target;
};
inline constexpr DeviceLink kDeviceLinks[] = {{"dev/fd", "/proc/self/fd"},
                                              {"dev/stderr", "/dev/console"},
                                              {"dev/stdin", "/proc/self/fd/0"},
                                              {"dev/stdout", "/dev/console"}};

// The tree of a layered image: what is in `tree/` of the temporary directory, made of the layers (lowest first), whose
// own trees are rendered where they are not. `bytes` is what all of them take.
Status RenderLayered(const Store& store, const std::string& key, const std::vector<std::string>& layers, int temporary,
                     uint64_t* bytes);
// The lower directories of a tree relative to cas, topmost first; one for trees of other images.
Result<std::vector<std::string>> LowersOfTree(const Store& store, const std::string& tree_id);
Result<std::vector<Fd>> OpenLowers(const Store& store, const std::string& tree_id);
// What is written down beside the layer's tree: kCorrupt where it is not in its form, kNotFound.
Status CheckLayerInfo(const Store& store, const std::string& id);
// What differs first between the layer's tree and its tar; kCorrupt where the tar has another digest.
Result<std::optional<std::string>> CompareLayer(const Store& store, const std::string& id);
// Throws the trees of layers away that differ from their tars.
Status RemoveDamagedLayers(const Store& store, const std::vector<std::string>& layers);

}  // namespace rkt::store
