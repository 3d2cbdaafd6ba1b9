// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Trusting keys: `rkt trust`, and the keys that come to light while an image is fetched by name.
// Getting bytes from a server and finding out where a prefix publishes its keys are somebody else's
// work, handed in; so is talking with the user.

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/signature/keystore.h"
#include "image/signature/verify.h"

namespace rkt::image {

struct KeyFetchOptions {
  bool allow_http = false;      // where plain http may be used, also after redirects
  bool skip_tls_check = false;  // any certificate will do
  size_t max_size = kMaxKeySize;
};
// The body of a URL. Must refuse http (redirects to it too) unless it is allowed.
using FetchBytes =
    std::function<Result<std::string>(const std::string& url, const KeyFetchOptions& options)>;
// The places where a prefix says that its keys are (ac-discovery-pubkeys).
using DiscoverKeys = std::function<Result<std::vector<std::string>>(
    const std::string& prefix, const KeyFetchOptions& options)>;

// What the user sees and says.
struct TrustDialog {
  // A line for standard output.
  std::function<void(const std::string& line)> print;
  // Text for standard error, of the subsystem "pubkey".
  std::function<void(const std::string& text)> notice;
  // Asks on the terminal and gives back the line that was typed; an error where no more comes.
  // Empty where there is nobody to ask.
  std::function<Result<std::string>(const std::string& question)> ask;
};

struct TrustOptions {
  std::string prefix;       // empty: root keys
  bool allow_http = false;  // --insecure-allow-http, --insecure-options=pubkey
  bool skip_tls_check = false;
  bool skip_review = false;  // --skip-fingerprint-review
  bool trust_https = false;  // --trust-keys-from-https: what came by https needs no review
  FetchBytes fetch;          // empty: URLs are kUnsupported
  DiscoverKeys discover;     // empty: discovery is kUnsupported
};

// Adds the keys at these locations (paths, https and http URLs) to the local keystore; without
// locations, those that discovery finds for the prefix. Each is shown and, unless the options say
// otherwise, asked for; a key that the user declines is not an error. The first error ends it.
// Where nobody can be asked, the error follows hints.
Status TrustKeys(const Keystore& keystore, const std::vector<std::string>& locations,
                 const TrustOptions& options, const TrustDialog& dialog);

}  // namespace rkt::image
