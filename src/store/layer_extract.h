// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// One layer of a docker or OCI image, unpacked as overlay wants it (docs/formats/layers.md): deletions become character
// devices 0:0 and opaque directories. Beneath it the Extractor does the work.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tar.h"
#include "store/extract.h"

namespace rkt::store {

inline constexpr char kOpaqueXattr[] = "trusted.overlay.opaque";

// What an entry of a layer's archive stands for.
struct LayerEntry {
  enum class Kind {
    kEntry,     // what it says
    kWhiteout,  // `path` of the layers below is gone
    kOpaque,    // all that the layers below have in the directory `path` is gone
    kNothing,   // bookkeeping of other tools
  };
  Kind kind = Kind::kEntry;
  std::string path;       // relative to the root, empty for the root
  std::string link_path;  // of a hard link
};
// kInvalid names the entry: what CleanEntryPath refuses, a whiteout of nothing or of the root, a root that is no directory.
Result<LayerEntry> ReadLayerEntry(const TarEntry& entry);

class LayerExtractor {
 public:
  explicit LayerExtractor(Fd root);
  // The next entry of the archive.
  Status Put(TarReader& reader);
  // Deletions, then what directories get at the end.
  Status Finish();

  uint64_t bytes() const { return extractor_.bytes(); }
  // Directories that the layer has entries in and none of. The root is "".
  const std::set<std::string>& implicit() const { return implicit_; }

 private:
  void NoteParents(const std::string& path);
  Status MakeWhiteout(const std::string& path);
  Status MakeOpaque(const std::string& path, bool make);
  Status Remember(std::set<std::string>* set, const std::string& path);

  Fd root_;
  Extractor extractor_;
  TarReader nothing_;  // for entries of our own, which have no data
  std::set<std::string> implicit_ = {""}, listed_, whiteouts_, opaque_;
  std::string last_parent_;
  size_t remembered_ = 0;  // bytes
};

// Reads a layer's archive entry by entry; with a null extractor only the names are checked.
Status ReadLayer(const TarReader::Source& source, LayerExtractor* extractor);

}  // namespace rkt::store
