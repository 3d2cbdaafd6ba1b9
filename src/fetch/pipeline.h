// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The import of one file: a thread decompresses, one hashes, the caller's unpacks and writes the blob. All read the
// same few buffers, so that memory does not grow with the image.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/import.h"
#include "store/store.h"

namespace rkt::fetch {

struct ImportRequest {
  int file = -1;
  std::string name;  // of the file, for messages
  store::Store::Import::Options options;
  std::function<void(uint64_t bytes)> progress;
  // All bytes of the file go to this descriptor as they are read (-1: nowhere), and it is closed at the end.
  int copy = -1;
  // Asked when everything was read, before anything is put in place; an error ends the import.
  std::function<Status(const std::string& image_name, const std::vector<appc::Label>& labels)> approve;
};
Result<store::Store::Import::Stored> ImportArchive(store::Store& store, const ImportRequest& request);

}  // namespace rkt::fetch
