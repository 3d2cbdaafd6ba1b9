// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A directory becomes an image: DIR/manifest, checked, and all that is below DIR/rootfs. The same files give the same
// archive: entries sorted by name, owners as numbers, times in whole seconds, nothing of the machine in it.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "image/make/codec.h"
#include "image/make/tree_writer.h"

namespace rkt::image {

struct BuildOptions {
  Compression compression = Compression::kGzip;
  bool overwrite = false;
  TreeOptions tree;
};
// Gives the image's key. Links are never followed. Of extended attributes those are taken that an import keeps. kInvalid
// names what cannot be in an image, and what is wrong in the manifest; kBusy: a file changed while it was read.
Result<std::string> BuildImage(const std::string& directory, const std::string& output, const BuildOptions& options);

// Seconds since the epoch, or RFC 3339: 2017-07-14T02:40:00Z. kInvalid.
Result<int64_t> ParseTimestamp(std::string_view text);

}  // namespace rkt::image
