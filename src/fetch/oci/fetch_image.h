// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A docker or OCI image, from wherever the request says, into the store.

#include <functional>
#include <string>

#include "base/result.h"
#include "image/oci/request.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::fetch::oci {

Result<store::Store::Import::Stored> FetchImage(
    store::Store& store, const image::oci::Request& request,
    const std::function<void(const std::string& layer, uint64_t done, uint64_t total)>& progress);

}  // namespace rkt::fetch::oci
