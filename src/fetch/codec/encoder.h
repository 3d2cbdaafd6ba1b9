// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Compression in a stream. The same bytes in give the same bytes out, on every machine with the same version of the
// library: no times, no names, one thread. (That is why gzip is made by zlib: ISA-L's output depends on the processor.)

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace rkt::fetch {

class Encoder {
 public:
  using Sink = std::function<Status(std::string_view)>;
  virtual ~Encoder() = default;
  virtual Status Write(std::string_view data) = 0;
  // The end of the stream. Nothing may be written afterwards.
  virtual Status Finish() = 0;
};

// "gzip", "zstd", "xz". kInvalid: unknown compression "x"
Result<std::unique_ptr<Encoder>> MakeEncoder(std::string_view format, Encoder::Sink sink);

}  // namespace rkt::fetch
