// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// One image on its way into the store: fed the uncompressed archive in a stream, it writes the blob, finds the manifest
// and unpacks the tree, all below cas/tmp; Commit moves that into place. Dropped before, it leaves nothing.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/tar.h"
#include "store/extract.h"
#include "store/store.h"

namespace rkt::store {

class Store::Import {
 public:
  struct Options {
    bool unpack = true;   // make the tree as well; needs root
    bool latest = false;  // ImageInfo::latest
    uint64_t more_bytes = 0;  // of what belongs to the image beside the blob: ImageInfo::size has them too
  };
  // The store must outlive this. Removes what dead imports left behind first.
  static Result<Import> Begin(Store& store, const Options& options);
  Import(Import&&) noexcept;
  Import& operator=(Import&&) noexcept;
  ~Import();

  // Reads the archive to its end. An image with dependencies or a path whitelist is not unpacked: its tree is rendered
  // when that is asked for. Errors are the archive's (kInvalid), the source's, or of writing (they name the file).
  Status Read(const TarReader::Source& source);

  // The image's name and labels, once the archive was read.
  const std::string& name() const;
  const std::vector<appc::Label>& labels() const;

  struct Stored {
    std::string key;
    std::string name;
    std::string version;
    std::string tree_id;  // empty where no tree was made
    bool already_stored = false;
  };
  // `sha512` is the archive's digest, 128 hex digits. Puts all in place, the index's row last; for an image that is
  // stored already only the row changes. What fails on the way is taken back.
  Result<Stored> Commit(const std::string& sha512);

 private:
  struct State;
  explicit Import(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rkt::store
