// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Who we are to a registry: rkt's own configuration first, then the files that docker and containers' tools keep for
// their user (config.json, auth.json).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "image/oci/request.h"

namespace rkt::fetch::oci {

std::optional<std::string> Base64Decode(std::string_view text);

// One such file: the entry for HOST/REPOSITORY, for the longest part of that, for HOST (also written as a URL). The
// default registry goes by its old names too. kInvalid for a file that is none.
struct Found {
  std::optional<config::Basic> basic;
  std::string hint;  // what was there and cannot be used: a credential helper, a refresh token
};
Result<Found> FindInAuthFile(std::string_view text, const std::string& host, const std::string& repository);

// For the host as the reference (or the mirror's location, or a realm's URL) writes it.
Result<Found> FindCredentials(const image::oci::Request& request, const std::string& host,
                              const std::string& repository);

}  // namespace rkt::fetch::oci
