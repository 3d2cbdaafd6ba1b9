// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The headers that prove who sends a request, from the kinds of credentials that rkt's
// configuration knows. Which host gets them is the caller's decision (Request::authorize).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "fetch/http/client.h"

namespace rkt::fetch::http {

std::string Base64(std::string_view bytes);

// Authorization: Basic ...
Header BasicHeader(std::string_view user, std::string_view password);
// The same of user and password in a URL, %XX decoded.
Header BasicFromUrl(const Url& url);

// The headers of one request. For aws: signature version 4 for the service s3 over the method,
// path, query, host and the date `now_s` (seconds since the epoch), with the configured region or
// the one that the host's name tells.
std::vector<Header> AuthHeaders(const config::Auth& auth, std::string_view method, const Url& url,
                                int64_t now_s);

// "s3-eu-west-1.amazonaws.com" and "bucket.s3.eu-west-1.amazonaws.com" are in eu-west-1, all else
// in us-east-1.
std::string RegionOfHost(std::string_view host);

}  // namespace rkt::fetch::http
