// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Images in files: OCI layouts (a directory or a tar of one) and docker archives (docker save). Nothing is followed that
// is a link, and nothing is read that is no regular file.

#include <memory>
#include <string>

#include "base/result.h"
#include "fetch/oci/blob_source.h"
#include "store/store.h"

namespace rkt::fetch::oci {

struct OpenImage {
  std::unique_ptr<BlobSource> source;
  FoundImage image;
};

// `name` chooses among several images (a tag, or the whole name); empty where there is only one.
Result<OpenImage> OpenLayout(const std::string& path, const std::string& name);
// Compressed archives are decompressed into a file without a name in the store first.
Result<OpenImage> OpenOciArchive(const store::Store& store, const std::string& path, const std::string& name);
Result<OpenImage> OpenDockerArchive(const store::Store& store, const std::string& path, const std::string& name);

}  // namespace rkt::fetch::oci
