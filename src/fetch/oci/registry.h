// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Images of registries: docker's API version 2 and OCI distribution 1.1, to read. Credentials go to the registry that
// they are for and to a realm on the same host, nowhere else.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/http/client.h"
#include "fetch/oci/file_sources.h"
#include "image/oci/request.h"

namespace rkt::fetch::oci {

// Asks the mirrors of the registry in order, then the registry itself (by http too, where that is allowed).
Result<OpenImage> OpenRegistry(const image::oci::Request& request, const http::ClientOptions& options = {});

// One challenge of a WWW-Authenticate header; only the scheme and the parameters that registries use.
struct Challenge {
  std::string scheme;  // lower case
  std::string realm, service, scope;
};
std::vector<Challenge> ParseChallenges(std::string_view header);

// Whether the registry's credentials may go to the realm: its own origin, and docker's own pair of hosts.
bool IsRealmOf(const http::Url& realm, const http::Url& registry);

}  // namespace rkt::fetch::oci
