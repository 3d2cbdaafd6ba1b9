// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The one place that calls functions which OpenSSL 3 marks as deprecated; see the header for why.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <vector>

namespace rkt {

struct Sha512::Context {
  SHA512_CTX ctx;
};
Sha512::Sha512() : context_(std::make_unique<Context>()) { SHA512_Init(&context_->ctx); }
Sha512::~Sha512() = default;
Sha512::Sha512(Sha512&&) noexcept = default;
Sha512& Sha512::operator=(Sha512&&) noexcept = default;
void Sha512::Update(std::string_view data) { SHA512_Update(&context_->ctx, data.data(), data.size()); }
std::string Sha512::HexDigest() {
  unsigned char digest[SHA512_DIGEST_LENGTH];
  SHA512_Final(digest, &context_->ctx);
  return HexEncode(digest, sizeof digest);
}

struct Sha256::Context {
  SHA256_CTX ctx;
};
Sha256::Sha256() : context_(std::make_unique<Context>()) { SHA256_Init(&context_->ctx); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
void Sha256::Update(std::string_view data) { SHA256_Update(&context_->ctx, data.data(), data.size()); }
std::string Sha256::HexDigest() {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256_Final(digest, &context_->ctx);
  return HexEncode(digest, sizeof digest);
}

std::string Sha512Hex(std::string_view data) {
  Sha512 hash;
  hash.Update(data);
  return hash.HexDigest();
}

std::string Sha256Hex(std::string_view data) {
  Sha256 hash;
  hash.Update(data);
  return hash.HexDigest();
}

Status HashFd(int fd, Sha512& hash, uint64_t offset) {
  std::vector<char> buffer(256u << 10);
  for (;;) {
    ssize_t n = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("read");
    }
    if (n == 0) return {};
    hash.Update({buffer.data(), static_cast<size_t>(n)});
    offset += static_cast<uint64_t>(n);
  }
}

}  // namespace rkt
