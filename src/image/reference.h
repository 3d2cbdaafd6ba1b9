// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Image strings of the command line: what kind of thing one names, and how it becomes the key of a stored image.
// Rules of stage0.md of the reference, section 5.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appc/names.h"
#include "base/result.h"
#include "config/config.h"
#include "image/signature/keystore.h"
#include "image/signature/trust.h"
#include "store/store.h"

namespace rkt::image {

enum class ReferenceKind { kFile, kUrl, kDocker, kName, kHash, kOciLayout, kOciArchive, kDockerArchive };

struct Reference {
  ReferenceKind kind;
  std::string text;       // as given
  std::string location;   // kFile: the path; kUrl: the URL; kDocker: what follows docker:; kHash: the (short) key;
                          // kOciLayout and the archives: PATH[:TAG]
  appc::ImageName name;   // kName: with os and arch added where they were missing
};

// Looks at the file system only to see whether a string without a scheme is an existing regular file.
// kInvalid: invalid image string "file:///x/noext", and what names may not be.
Result<Reference> ParseReference(std::string_view text);

enum class PullPolicy { kNew, kUpdate, kNever };
// "new", "update", "never"; any other word acts as "new", as it ever did.
PullPolicy ParsePullPolicy(std::string_view word);

struct FetchOptions {
  PullPolicy pull = PullPolicy::kNew;
  bool insecure_image = false;  // --insecure-options=image
  Keystore keystore;            // whose signatures count otherwise
  bool render = true;           // render what is fetched (left out without root)
  bool dependencies = true;     // see to the dependencies of what is found
  // The configuration, read where something is fetched from a network: credentials, registries. Optional.
  std::function<Result<std::shared_ptr<const config::Config>>()> config;
  bool insecure_http = false;  // --insecure-options=http
  bool insecure_tls = false;   // --insecure-options=tls
  bool insecure_pubkey = false;        // --insecure-options=pubkey
  bool trust_keys_from_https = false;  // --trust-keys-from-https
  TrustDialog dialog;                  // for keys that are found while an image is fetched by name
  // A name for each import that starts, then its progress (total 0 where unknown). Optional.
  std::function<void(const std::string& what, uint64_t done, uint64_t total)> progress;
};

// The key of the image that the string names: files are imported, hashes and names looked up in the store. docker and OCI
// images are fetched (kPermission without insecure_image: nothing signs them). URLs and names are looked up and fetched by
// the pull policy (remote_session.h); with kNever what is not stored is kNotFound. `signature` belongs to this image, empty where none was given.
Result<std::string> FindImage(store::Store& store, const std::string& text, const FetchOptions& options,
                              const std::string& signature = {});
// The same for a stage1 image: no dependencies, and an image in `images_dir` (the built-in images directory), or beside
// the executable, needs no signature.
Result<std::string> FindStage1Image(store::Store& store, const std::string& text, const FetchOptions& options,
                                    const std::string& images_dir);

struct FetchRequest {
  std::string image;
  std::string signature;  // --signature=FILE after it
};
// All of them in order, as `rkt fetch` does: one key for each, or the first error. Hashes are taken for names here.
Result<std::vector<std::string>> FetchImages(store::Store& store, const std::vector<FetchRequest>& requests,
                                             const FetchOptions& options);

}  // namespace rkt::image
