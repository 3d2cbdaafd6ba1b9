// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Decompression in a stream, behind one interface: gzip, bzip2, xz, zstd, or nothing at all. What a file is, its first
// bytes say. Each decoder refuses a file that is cut or has something else behind its end, and keeps its memory small
// whatever the file says.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::fetch {

// The file being read, in pieces.
class Input {
 public:
  // `name` is for messages; `on_read` hears how many bytes were read so far. All that is read goes to the descriptor
  // `copy` as well (-1: none), for one who verifies these very bytes; that nobody reads there any more is no error.
  Input(int fd, std::string name, std::function<void(uint64_t)> on_read = {}, int copy = -1);
  // What a function gives in pieces, empty at the end.
  Input(std::function<Result<std::string_view>()> source, std::string name);
  // What was read and not used yet. Reads on when that is empty; empty after that: the end.
  Result<std::string_view> Peek();
  void Use(size_t bytes) { pending_.remove_prefix(bytes); }
  // The first `size` bytes (fewer where the file is shorter), before anything was used.
  Result<std::string_view> Head(size_t size);

 private:
  int fd_;
  std::function<Result<std::string_view>()> source_;
  std::string name_;
  // Reads the file once, into the buffer from `offset` on.
  Result<size_t> Fill(size_t offset);

  std::function<void(uint64_t)> on_read_;
  int copy_;
  std::string buffer_;
  std::string_view pending_;
  uint64_t total_ = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Up to `size` bytes; 0 is the end.
  virtual Result<size_t> Read(char* data, size_t size) = 0;
};

// kInvalid: "no type returned from DetectFileType?" for text and empty files, "error: unknown image filetype" for others
// that are no image; a tar must say "ustar".
Result<std::unique_ptr<Decoder>> MakeDecoder(Input& input);
// For layers: what is not compressed is taken for a tar.
Result<std::unique_ptr<Decoder>> MakeLayerDecoder(Input& input);

}  // namespace rkt::fetch
