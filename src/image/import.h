// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Bringing an image file into the store. The archive is read by libexec/rkt/fetch, a program of its own, so that
// this one needs no compression library: it decompresses, hashes and unpacks at the same time and reports over a
// pipe. What it writes lies under DIR/cas/tmp until everything was checked; a kill at any moment leaves nothing else.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "appc/names.h"
#include "base/result.h"
#include "image/signature/keystore.h"
#include "store/store.h"

namespace rkt::image {

struct ImportOptions {
  // Called now and then with the bytes of the archive read so far and its size (0 where unknown).
  std::function<void(uint64_t done, uint64_t total)> progress;
  // Also render the image into the tree store. Without root this is left out, whatever is asked.
  bool render = true;
  // Fetched without a version being asked for: preferred where none is asked for later.
  bool latest = false;
  // Accept it without a signature (--insecure-options=image, and stage1 images that came with rkt).
  bool insecure = false;
  // Whose signatures count otherwise.
  Keystore keystore;
  // The detached signature; empty: the image's name with ".aci" replaced by ".aci.asc".
  std::string signature;
  // The signature itself, where it did not come from a file.
  std::optional<std::string> signature_bytes;
  // What messages call the file; empty: its path.
  std::string shown_as;
  // Asked about the manifest of an image with a good signature, before the image counts as stored. Optional.
  std::function<Status(const std::string& name, const std::vector<appc::Label>& labels)> check;
};

struct ImportResult {
  std::string key;
  std::string name;
  std::string version;
  std::string tree_id;          // empty where nothing was rendered
  bool already_stored = false;  // the same bytes were there before
};

// Errors are the original's where it had one: "no type returned from DetectFileType?", "error: unknown image
// filetype", "missing manifest", "open FILE.aci.asc: no such file or directory" below "error opening signature file".
// A signature is verified over the very bytes that are imported, before the store sees any of them; who made it is said
// on standard error. Errors of that: verify.h.
// An image with dependencies is stored, and not rendered: see FetchImages.
Result<ImportResult> ImportFile(store::Store& store, const std::string& path, const ImportOptions& options);

// libexec/rkt/fetch of this installation: $EXE/../libexec/rkt/fetch, or "fetch" beside the executable.
Result<std::string> FindFetchProgram();

}  // namespace rkt::image
