// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// SHA-512 and SHA-256 of data that comes piece by piece. Goes straight to libcrypto's block functions: the general
// interface would initialize providers at every start of a program.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rkt {

class Sha512 {
 public:
  Sha512();
  ~Sha512();
  Sha512(Sha512&&) noexcept;
  Sha512& operator=(Sha512&&) noexcept;
  void Update(std::string_view data);
  // 128 hexadecimal digits. The object is spent afterwards.
  std::string HexDigest();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::string_view data);
  // 64 hexadecimal digits. The object is spent afterwards.
  std::string HexDigest();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha512Hex(std::string_view data);
std::string Sha256Hex(std::string_view data);

// Reads the file from `offset` to its end and adds all of it.
Status HashFd(int fd, Sha512& hash, uint64_t offset = 0);

}  // namespace rkt
