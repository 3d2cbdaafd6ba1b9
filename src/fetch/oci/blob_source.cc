// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/blob_source.h"

#include <set>

#include "image/oci/reference.h"
#include "store/image_layers.h"

namespace rkt::fetch::oci {

namespace {
// An index in an index occurs; more levels do not.
constexpr int kMaxIndexes = 4;
}  // namespace

using image::oci::Document;
using image::oci::kMaxDocument;

Blob BlobOf(const image::oci::Descriptor& descriptor) { return {descriptor.digest, descriptor.size, true, {}}; }

Status CheckedRead(BlobSource& source, const Blob& blob, const Sink& sink) {
  std::string id = blob.digest.empty() ? std::string() : TRY(image::oci::DigestId(blob.digest));
  store::LayerDigest digest(id);
  uint64_t done = 0;
  TRY(source.Read(blob, 0, [&](std::string_view piece) -> Status {
    done += piece.size();
    if (blob.known_size && done > blob.size) {
      return Err(Code::kCorrupt, "blob ", blob.digest, " is longer than the ", blob.size, " bytes announced");
    }
    if (!id.empty()) digest.Update(piece);
    return sink(piece);
  }));
  if (blob.known_size && done != blob.size) {
    return Err(Code::kCorrupt, "blob ", blob.digest, " has ", done, " bytes instead of the ", blob.size, " announced");
  }
  if (!id.empty() && !digest.Matches()) return Err(Code::kCorrupt, "blob ", blob.digest, " has another digest");
  return {};
}

Result<std::string> ReadDocument(BlobSource& source, const Blob& blob) {
  if (blob.size > kMaxDocument) {
    return Err(Code::kInvalid, "a manifest or configuration of ", blob.size, " bytes (at most ", kMaxDocument, ")");
  }
  std::string text;
  TRY(CheckedRead(source, blob, [&](std::string_view piece) -> Status {
    if (text.size() + piece.size() > kMaxDocument) {
      return Err(Code::kInvalid, "a manifest or configuration of more than ", kMaxDocument, " bytes");
    }
    text += piece;
    return {};
  }));
  return text;
}

Result<FoundImage> FindByManifest(BlobSource& source, const image::oci::Manifest& manifest,
                                  std::string manifest_digest) {
  FoundImage found;
  found.config = TRY(image::oci::ParseImageConfig(TRY(ReadDocument(source, BlobOf(manifest.config)))));
  if (found.config.diff_ids.size() != manifest.layers.size()) {
    return Err(Code::kInvalid, "the manifest lists ", manifest.layers.size(), " layers, the configuration ",
               found.config.diff_ids.size());
  }
  for (const image::oci::Descriptor& layer : manifest.layers) found.layers.push_back(BlobOf(layer));
  found.origin.image_id = manifest.config.digest;
  found.origin.manifest_hash = std::move(manifest_digest);
  return found;
}

Result<ChosenManifest> ChooseManifest(image::oci::Descriptor descriptor,
                                      const std::function<Result<std::string>(const image::oci::Descriptor&)>& read) {
  const std::string outermost = descriptor.digest;
  std::set<std::string> seen;
  for (int level = 0; level <= kMaxIndexes; ++level) {
    if (!seen.insert(descriptor.digest).second) {
      return Err(Code::kInvalid, "index ", descriptor.digest, " contains itself");
    }
    std::string text = TRY(read(descriptor));
    Document document = TRY(image::oci::ParseDocument(text, descriptor.media_type));
    if (document.kind != Document::Kind::kIndex) return ChosenManifest{std::move(document), descriptor.digest};
    descriptor = TRY(image::oci::ChoosePlatform(document.index));
  }
  return Err(Code::kInvalid, "index ", outermost, ": indexes nested deeper than ", kMaxIndexes);
}

}  // namespace rkt::fetch::oci
