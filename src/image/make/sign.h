// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Signatures over image files, made by the user's own gpg with the user's keys: rkt never sees a private key.

#include <string>

#include "base/result.h"
#include "image/signature/verify.h"

namespace rkt::image {

struct SignOptions {
  std::string key;        // as gpg takes it: fingerprint, mail address; empty: gpg's default key
  std::string signature;  // the file to make; empty: FILE.aci.asc
  bool overwrite = false;
};
struct SignedImage {
  std::string signature;  // the file
  Signer signer;
};
// A detached, armored signature. It is verified as an import would before the file appears, so that what is accepted here
// is accepted by whoever trusts the key. kNotFound where there is no gpg; what gpg has to say it says itself.
Result<SignedImage> SignImage(const std::string& image, const SignOptions& options);

}  // namespace rkt::image
