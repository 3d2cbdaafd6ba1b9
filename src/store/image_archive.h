// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// An image's tar, read once: the manifest wherever it stands, and the entries beneath rootfs/ with their names
// checked and cleaned. What is neither is passed over.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/tar.h"

namespace rkt::store {

// A path of an archive without "./", doubled and trailing slashes; empty for the archive's root. kInvalid for names
// that are empty or absolute, or have a ".." or a NUL in them.
Result<std::string> CleanEntryPath(std::string_view name);

class ImageArchive {
 public:
  explicit ImageArchive(TarReader::Source source) : reader_(std::move(source)) {}

  // Goes to the next entry beneath rootfs/ (or rootfs itself). False at the end of the archive. Errors are kInvalid
  // and name the entry; among them a manifest that comes twice or is no regular file, a rootfs that is no directory.
  Result<bool> Next();
  const TarEntry& entry() const { return reader_.entry(); }
  // Relative to rootfs, empty for rootfs itself.
  const std::string& path() const { return path_; }
  // The target of a hard link, relative to rootfs.
  const std::string& link_path() const { return link_path_; }
  TarReader& reader() { return reader_; }
  // The manifest's bytes once they came by.
  const std::optional<std::string>& manifest() const { return manifest_; }
  // Reads what follows the last entry. kInvalid: missing manifest.
  Status Finish();

 private:
  Status ReadManifest();
  TarReader reader_;
  std::string path_, link_path_;
  std::optional<std::string> manifest_;
};

}  // namespace rkt::store
