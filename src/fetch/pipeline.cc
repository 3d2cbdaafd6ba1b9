// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/pipeline.h"

#include <thread>

#include "base/fd.h"
#include "base/hash.h"
#include "fetch/decoder.h"
#include "fetch/ring.h"

namespace rkt::fetch {

namespace {

constexpr size_t kBuffers = 16;
constexpr size_t kBufferSize = 256u << 10;
enum Reader { kHasher, kUnpacker, kReaders };

void Decompress(Decoder& decoder, Ring& ring) {
  for (;;) {
    char* buffer = ring.Acquire();
    if (buffer == nullptr) return;
    size_t filled = 0;
    while (filled < ring.buffer_size()) {
      auto n = decoder.Read(buffer + filled, ring.buffer_size() - filled);
      if (!n) return ring.Abort(std::move(n).error());
      if (*n == 0) break;
      filled += *n;
    }
    if (filled != 0) ring.Publish(filled);
    if (filled < ring.buffer_size()) return ring.Close();
  }
}

}  // namespace

Result<store::Store::Import::Stored> ImportArchive(store::Store& store, const ImportRequest& request) {
  Fd copy(request.copy);
  Input input(request.file, request.name, request.progress, request.copy);
  auto decoder = TRY(MakeDecoder(input));
  auto import = TRY(store::Store::Import::Begin(store, request.options));

  Ring ring(kBuffers, kBufferSize, kReaders);
  std::thread decompressing([&] { Decompress(*decoder, ring); });
  Sha512 hash;
  std::thread hashing([&] {
    for (;;) {
      auto piece = ring.Next(kHasher);
      if (!piece || piece->empty()) return;
      hash.Update(*piece);
    }
  });
  Status read = import.Read([&] { return ring.Next(kUnpacker); });
  if (!read) ring.Abort(read.error());
  decompressing.join();
  hashing.join();
  TRY(std::move(read));
  if (request.approve) {
    // Whatever a decoder may have left: a signature is over the whole file.
    while (!TRY(input.Peek()).empty()) input.Use(TRY(input.Peek()).size());
    copy.Close();
    TRY(request.approve(import.name(), import.labels()));
  }
  return import.Commit(hash.HexDigest());
}

}  // namespace rkt::fetch
