// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A docker or OCI image, from wherever the request says, into the store.

#include "base/result.h"
#include "image/oci/request.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::fetch::oci {

// Progress is heard of now and then for each layer, and at its end.
Result<store::Store::Import::Stored> FetchImage(store::Store& store, const image::oci::Request& request,
                                                const image::oci::ImportEvents& events);

}  // namespace rkt::fetch::oci
