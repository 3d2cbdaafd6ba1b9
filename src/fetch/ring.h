// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A ring of buffers between one thread that fills them and several that each read all of them in order. A buffer is
// filled again when every reader is past it. Whoever fails aborts the ring, and all others stop.

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::fetch {

class Ring {
 public:
  Ring(size_t buffers, size_t buffer_size, size_t readers);

  size_t buffer_size() const { return buffer_size_; }
  // The writer: a buffer to fill, nullptr after an abort; then how much was put in, or that it was the last.
  char* Acquire();
  void Publish(size_t bytes);
  void Close();

  // A reader: the next piece, empty at the end; the one before is given back. The error that the ring was aborted with.
  Result<std::string_view> Next(size_t reader);
  // The first error counts.
  void Abort(Error error);

 private:
  const size_t buffers_, buffer_size_;
  std::unique_ptr<char[]> memory_;
  std::vector<size_t> sizes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t published_ = 0;
  std::vector<uint64_t> finished_;  // pieces that each reader is done with
  std::vector<bool> holds_;         // whether it is reading one now
  bool closed_ = false;
  std::optional<Error> error_;
};

}  // namespace rkt::fetch
