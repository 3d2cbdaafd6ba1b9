// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The import of one image: layers that are not stored yet are read, checked, decompressed, hashed, written and unpacked
// in one go, several of them at a time, with bounded memory; then the image is stored.

#include <functional>
#include <string>

#include "base/result.h"
#include "fetch/oci/blob_source.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::fetch::oci {

struct ImportOptions {
  bool render = true;
  // Called with the digest of a layer's blob (or the layer's id), bytes so far, bytes in all (0: not known). Threads call
  // it one at a time.
  std::function<void(const std::string& layer, uint64_t done, uint64_t total)> progress;
};
Result<store::Store::Import::Stored> ImportImage(store::Store& store, BlobSource& source, const FoundImage& image,
                                                 const ImportOptions& options);

}  // namespace rkt::fetch::oci
