// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// An image file with another manifest. All other bytes of its archive pass through as they are, so that whoever
// trusts the old rootfs may trust the new one.

#include <optional>
#include <string>

#include "base/result.h"
#include "image/make/codec.h"
#include "image/make/manifest_edits.h"

namespace rkt::image {

struct PatchOptions {
  ManifestEdits edits;
  bool overwrite = false;
  bool replace = false;                    // the output is the input
  std::optional<Compression> compression;  // nothing: as the input is (bzip2 becomes gzip)
};
// Gives the key of the new image. Errors of reading are an import's: "missing manifest" and the like.
Result<std::string> PatchImage(const std::string& input, const std::string& output, const PatchOptions& options);

}  // namespace rkt::image
