// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Where the parts of a docker or OCI image come from: a layout, an archive, a registry. Sources deliver bytes;
// whoever asks checks size and digest while they arrive (CheckedRead), so that nothing unchecked is used.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/oci/config.h"
#include "image/oci/manifest.h"

namespace rkt::fetch::oci {

using Sink = std::function<Status(std::string_view)>;

// A part of an image: what it must be, and where it is.
struct Blob {
  std::string digest;           // empty where only the layer's own id is known (docker archives), or not even that
  uint64_t size = 0;            // 0 with an empty digest: not known
  bool known_size = true;       // schema 1 says none
  std::string place;            // path in an archive (id of the image in an old registry), not made of the digest
};
Blob BlobOf(const image::oci::Descriptor& descriptor);

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // The bytes of the blob in order, from `have` on. May be called from several threads at once. An error of the sink
  // ends it.
  virtual Status Read(const Blob& blob, uint64_t have, const Sink& sink) = 0;
  // Whether what arrived is worth being kept for the next time.
  virtual bool remote() const { return false; }
};

// Reads a blob and compares size and digest. kCorrupt: the blob is not what it is called.
Status CheckedRead(BlobSource& source, const Blob& blob, const Sink& sink);
// The same for documents.
Result<std::string> ReadDocument(BlobSource& source, const Blob& blob);

// An image that was found: its configuration and where its layers are, the lowest first.
struct FoundImage {
  image::oci::ImageConfig config;
  image::oci::ImageOrigin origin;
  std::vector<Blob> layers;
  bool latest = false;
};
// The rest of the way from a manifest: reads the configuration, and sees that layers and configuration agree.
Result<FoundImage> FindByManifest(BlobSource& source, const image::oci::Manifest& manifest, std::string manifest_digest);

// Goes from an index through nested ones to the manifest for this machine. `read` gives the text of a descriptor, checked.
struct ChosenManifest {
  image::oci::Document document;
  std::string digest;
};
Result<ChosenManifest> ChooseManifest(image::oci::Descriptor descriptor,
                                      const std::function<Result<std::string>(const image::oci::Descriptor&)>& read);

}  // namespace rkt::fetch::oci
