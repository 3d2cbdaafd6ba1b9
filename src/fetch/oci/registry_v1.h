// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Images of registries that speak docker's first protocol only, to read. Nothing there has a digest: what says what the
// image is made of is the connection alone, so nothing can be asked for by digest.

#include "base/result.h"
#include "fetch/http/client.h"
#include "fetch/oci/file_sources.h"
#include "image/oci/reference.h"
#include "image/oci/request.h"

namespace rkt::fetch::oci {

// `base` is the registry as OpenRegistry reached it, or could not. kNetwork: it does not speak this protocol either;
// kNotFound: no such image.
Result<OpenImage> OpenRegistryV1(const image::oci::Request& request, const image::oci::RegistryReference& image,
                                 const http::Url& base, const http::ClientOptions& options);

}  // namespace rkt::fetch::oci
