// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/hash.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"

namespace rkt {
namespace {

// Vectors of FIPS 180-4.
TEST(Hash, KnownDigestsComeOut) {
  EXPECT_EQ(Sha512Hex("abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, PiecesGiveWhatTheWholeGives) {
  std::string text(1000003, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31);
  Sha512 hash;
  for (size_t at = 0; at < text.size(); at += 4099) {
    hash.Update(std::string_view(text).substr(at, 4099));
  }
  EXPECT_EQ(hash.HexDigest(), Sha512Hex(text));
}

TEST(Hash, FilesAreReadFromTheOffsetWhateverThePosition) {
  Fd file(::memfd_create("hash", MFD_CLOEXEC));
  ASSERT_TRUE(file);
  ASSERT_TRUE(WriteAll(file.get(), "....abc"));
  Sha512 hash;
  ASSERT_TRUE(HashFd(file.get(), hash, 4));
  EXPECT_EQ(hash.HexDigest(), Sha512Hex("abc"));
}

}  // namespace
}  // namespace rkt
