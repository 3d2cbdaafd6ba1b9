// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// References to images of docker and OCI registries, and where images in files lie. Pure text.

#include <string>
#include <string_view>

#include "base/result.h"

namespace rkt::image::oci {

inline constexpr char kDefaultRegistry[] = "registry-1.docker.io";

// [HOST[:PORT]/]NAME[:TAG][@DIGEST]
struct RegistryReference {
  std::string host;        // with the port, as it was written; kDefaultRegistry where there was none
  std::string repository;  // "library/" is put in front of plain names of the default registry
  std::string tag;         // "latest" where neither tag nor digest was given
  std::string digest;      // beats the tag
  bool default_tag = false;
  std::string original;    // the name as it was written, without tag and digest

  // What a manifest is asked for by.
  const std::string& Object() const { return digest.empty() ? tag : digest; }
};
// kInvalid says what may not be. Nothing that gets through can add an element to a path or a URL.
Result<RegistryReference> ParseRegistryReference(std::string_view text);

// "sha256:" and 64 lower-case hex digits, or "sha512:" and 128.
bool IsDigest(std::string_view text);
// The digest with '-' for ':', as files of the store are named. kInvalid: malformed digest "..."
Result<std::string> DigestId(std::string_view digest);

// PATH[:TAG] of an OCI layout or archive, PATH[:NAME[:TAG]] of a docker archive: a path that exists wins over one with a
// tag cut off.
struct FileReference {
  std::string path;
  std::string name;  // empty: the only one there
};
Result<FileReference> ParseFileReference(std::string_view text);

}  // namespace rkt::image::oci
