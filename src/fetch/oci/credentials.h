// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Who we are to a registry: rkt's own configuration first, then the files that docker and containers' tools keep for
// their user (config.json, auth.json), and the credential helpers that these name.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "image/oci/request.h"

namespace rkt::fetch::oci {

std::optional<std::string> Base64Decode(std::string_view text);

struct Found {
  std::optional<config::Basic> basic;
  std::string refresh_token;   // to be exchanged for a token at the registry's realm
  std::string registry_token;  // a token as it is
  std::string hint;            // what could not be used, and why
  bool any() const { return basic || !refresh_token.empty() || !registry_token.empty(); }
};
// One such file: the entry for HOST/REPOSITORY, for the longest part of that, for HOST (also written as a URL). The
// default registry goes by its old names too. A helper for the very entry counts before it, credsStore where there is no
// entry. kInvalid for a file that is none.
struct FileEntry {
  Found found;
  std::string helper;  // docker-credential-HELPER is to be asked, for `server`
  std::string server;
};
Result<FileEntry> FindInAuthFile(std::string_view text, const std::string& host, const std::string& repository);

// For the host as the reference (or the mirror's location, or a realm's URL) writes it. Runs credential helpers; one that
// fails is told in the hint, for the registry may let everybody in.
Result<Found> FindCredentials(const image::oci::Request& request, const std::string& host,
                              const std::string& repository);

}  // namespace rkt::fetch::oci
