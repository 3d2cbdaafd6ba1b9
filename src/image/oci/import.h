// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Brings a docker or OCI image into the store: the static side, which starts the fetch program.

#include <string>

#include "base/result.h"
#include "image/import.h"
#include "image/oci/request.h"
#include "store/store.h"

namespace rkt::image::oci {

Result<ImportResult> ImportImage(store::Store& store, const Request& request, const ImportEvents& events);

// The user's own files with credentials: $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json,
// ~/.config/containers/auth.json, $DOCKER_CONFIG/config.json, ~/.docker/config.json.
std::vector<std::string> UserAuthFiles();

}  // namespace rkt::image::oci
