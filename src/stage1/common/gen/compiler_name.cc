// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Build tool: a name for what compiles seccomp filters, a hash of the files that are its arguments: a filter that other
// code has compiled is none of ours (seccomp_cache.cc).

#include <cstdio>

#include "base/file.h"
#include "base/hash.h"

int main(int argc, char** argv) {
  rkt::Sha256 hash;
  for (int i = 1; i < argc; ++i) {
    auto text = rkt::ReadFile(argv[i]);
    if (!text) {
      std::fprintf(stderr, "%s\n", text.error().Text().c_str());
      return 1;
    }
    hash.Update(*text);
  }
  std::printf("\"%s\"\n", hash.HexDigest().substr(0, 32).c_str());
  return 0;
}
