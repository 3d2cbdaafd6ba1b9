// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Compressed archives in and out, by way of libexec/rkt/codec: this program links no compression library.

#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/result.h"

namespace rkt::image {

enum class Compression { kNone, kGzip, kZstd, kXz, kOther };
// "gzip", "zstd", "xz", "none". kInvalid: unknown compression "x"
Result<Compression> ParseCompression(std::string_view word);
// By the file's first bytes; the file's offset stays where it is. kOther: no format that we write.
Result<Compression> CompressionOf(int file);

// Reads an archive, whatever it is compressed with. The file's offset moves.
class ArchiveInput {
 public:
  // `name` is for messages. The errors of reading are those of an import.
  static Result<ArchiveInput> Open(int file, const std::string& name);
  // The next piece, empty at the end; valid until the next call.
  Result<std::string_view> Read();

 private:
  explicit ArchiveInput(std::string name) : name_(std::move(name)), buffer_(256u << 10, '\0') {}
  std::string name_, buffer_;
  Fd data_, messages_;
  std::optional<Child> codec_;
  bool ended_ = false;
};

// Writes an archive into a file and works out the image's key meanwhile.
class ArchiveOutput {
 public:
  static Result<ArchiveOutput> Open(int file, const std::string& name, Compression compression);
  Status Write(std::string_view data);
  // Writes what is left. Gives the key of all that was written.
  Result<std::string> Finish();

 private:
  explicit ArchiveOutput(std::string name) : name_(std::move(name)) {}
  Status Flush();
  std::string name_, buffer_;
  Fd data_, messages_;
  std::optional<Child> codec_;
  Sha512 hash_;
};

}  // namespace rkt::image
