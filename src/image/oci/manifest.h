// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What registries and layouts say about images: indexes (manifest lists), manifests, docker's old schema 1. Text in,
// checked values out; a document is only what its type says, so that no two readers can take it for different things.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::image::oci {

inline constexpr size_t kMaxDocument = 4u << 20;  // bytes of a manifest, an index, a configuration
inline constexpr size_t kMaxDescriptors = 4096;

inline constexpr char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kOciIndex[] = "application/vnd.oci.image.index.v1+json";
inline constexpr char kDockerManifest[] = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr char kDockerList[] = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr char kDockerSchema1[] = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr char kDockerSigned1[] = "application/vnd.docker.distribution.manifest.v1+prettyjws";

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;
};

struct Descriptor {
  std::string media_type;
  std::string digest;  // checked: IsDigest
  uint64_t size = 0;
  Platform platform;         // of what an index lists
  std::string ref_name;      // org.opencontainers.image.ref.name
  std::string image_name;    // io.containerd.image.name
};

struct Index {
  std::vector<Descriptor> manifests;
};
struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // the lowest first
};
// Docker's schema 1, without its signatures.
struct Schema1 {
  std::string name;
  std::string tag;
  std::string architecture;
  std::vector<std::string> layers;   // digests, the lowest first
  std::vector<std::string> history;  // v1Compatibility of each, JSON
};

struct Document {
  enum class Kind { kIndex, kManifest, kSchema1 };
  Kind kind;
  Index index;
  Manifest manifest;
  Schema1 schema1;
};
// `media_type` is what the descriptor or the server said; one that says nothing about it (empty, text/plain,
// application/json, application/octet-stream) leaves it to the document's own. kInvalid: JSON that is none or too deep,
// a type that is not known or that differs, members of another kind of document, malformed digests.
Result<Document> ParseDocument(std::string_view text, std::string_view media_type);

// Whether the type is that of an index.
bool IsIndexType(std::string_view media_type);

// The platform as the registries spell it, of the architecture as manifests of images spell it: "aarch64" is arm64 v8.
Platform HostPlatform();
// appc's word for it ("amd64", "aarch64", "armv7l"), empty where it has none.
std::string AppcArchitecture(const Platform& platform);
// The first of the index that fits this machine, exact variant preferred; one without a platform fits where it is the
// only one. kNotFound lists what there is.
Result<Descriptor> ChoosePlatform(const Index& index);

}  // namespace rkt::image::oci
