// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The import of one image: layers that are not stored yet are read, checked, decompressed, hashed, written and unpacked
// in one go, several of them at a time, with bounded memory; then the image is stored.

#include "base/result.h"
#include "fetch/oci/blob_source.h"
#include "image/oci/request.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::fetch::oci {

struct ImportOptions {
  bool render = true;
  image::oci::ImportEvents events;  // threads call them one at a time
};
Result<store::Store::Import::Stored> ImportImage(store::Store& store, BlobSource& source, const FoundImage& image,
                                                 const ImportOptions& options);

}  // namespace rkt::fetch::oci
