// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "openpgp/packets.h"

#include <gtest/gtest.h>

namespace rkt::openpgp {
namespace {

// A packet of the new format.
std::string Packet(int tag, std::string_view body) {
  return StrCat(static_cast<char>(0xc0 | tag), static_cast<char>(body.size()), body);
}
// The beginning of a signature of version 4; what follows does not matter here.
std::string SignatureBody(int type, int hash) {
  return StrCat('\x04', static_cast<char>(type), '\x16', static_cast<char>(hash), "rest");
}

TEST(Armor, IsTakenOutOfTheTextAroundIt) {
  auto data = Dearmor(
      "The block -----BEGIN PGP SIGNATURE----- is below.\n"
      "-----BEGIN PGP SIGNATURE-----\r\nVersion: 1\r\nComment: a=b\r\n\r\nTWFu\r\nTWE=\r\n-----END "
      "PGP "
      "SIGNATURE-----\r\nmore\n",
      "SIGNATURE");
  ASSERT_TRUE(data) << data.error().Text();
  EXPECT_EQ(*data, "ManMa");
}

TEST(Armor, ChecksumIsCompared) {
  const std::string begin = "-----BEGIN PGP SIGNATURE-----\n\nTWFu\n";
  const std::string end = "\n-----END PGP SIGNATURE-----\n";
  // CRC-24 of "Man", computed by gpg --enarmor.
  auto good = Dearmor(begin + "=DIjh" + end, "SIGNATURE");
  auto bad = Dearmor(begin + "=AAAA" + end, "SIGNATURE");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "the checksum of the armored data is wrong");
  EXPECT_TRUE(good) << good.error().Text();
}

TEST(Armor, WhatIsNoneSaysSo) {
  for (const char* text :
       {"", "garbage", "-----BEGIN PGP ", " -----BEGIN PGP SIGNATURE-----\n\nTWFu\n"}) {
    auto data = Dearmor(text, "SIGNATURE");
    ASSERT_FALSE(data) << text;
    EXPECT_EQ(data.error().message(), "no armored data found") << text;
  }
  EXPECT_FALSE(Dearmor("-----BEGIN PGP SIGNATURE-----\n\nTWFu\n", "SIGNATURE"));
  EXPECT_FALSE(
      Dearmor("-----BEGIN PGP SIGNATURE-----\n\nT*Fu\n-----END PGP SIGNATURE-----\n", "SIGNATURE"));
  EXPECT_FALSE(Dearmor("-----BEGIN PGP SIGNATURE-----\n\nTW==TWFu\n-----END PGP SIGNATURE-----\n",
                       "SIGNATURE"));
  EXPECT_FALSE(
      Dearmor("-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", "SIGNATURE"));
  EXPECT_FALSE(Dearmor("-----BEGIN PGP SIGNATURE-----\n\nTWFu\n-----END PGP SIGNATURE-----\n",
                       "PUBLIC KEY BLOCK"));
}

TEST(Armor, PrivateKeysAreRefusedByName) {
  auto data = Dearmor(
      "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nTWFu\n-----END PGP PRIVATE KEY BLOCK-----\n",
      "PUBLIC KEY BLOCK");
  ASSERT_FALSE(data);
  EXPECT_NE(data.error().message().find("private key"), std::string::npos);
}

TEST(Packets, LengthsOfBothFormatsAreRead) {
  std::string two_octets = StrCat("\xc2\xc0", std::string(1, '\0'), std::string(192, 'x'));
  std::string old_one =
      "\x88\x03"
      "abc";
  std::string old_two = StrCat('\x89', '\0', '\x02', "de");
  std::string five = StrCat("\xc2\xff", std::string(3, '\0'), '\x01', "f");
  std::string all = two_octets + old_one + old_two + five;
  auto packets = SplitPackets(all);
  ASSERT_TRUE(packets) << packets.error().Text();
  ASSERT_EQ(packets->size(), 4u);
  EXPECT_EQ((*packets)[0].body, std::string(192, 'x'));
  EXPECT_EQ((*packets)[1].body, "abc");
  EXPECT_EQ((*packets)[2].body, "de");
  EXPECT_EQ((*packets)[3].body, "f");
  for (const auto& packet : *packets) EXPECT_EQ(packet.tag, Tag::kSignature);
}

TEST(Packets, LengthsThatDoNotFitAreRefused) {
  EXPECT_FALSE(SplitPackets("\xc2"));
  EXPECT_FALSE(
      SplitPackets("\xc2\x05"
                   "abc"));
  EXPECT_FALSE(
      SplitPackets("\xc2\xff\xff\xff\xff\xff"
                   "abc"));
  EXPECT_FALSE(
      SplitPackets("\x8b"
                   "abc"));  // indeterminate
  EXPECT_FALSE(
      SplitPackets("\xc2\xe1"
                   "abc"));  // partial
  EXPECT_FALSE(SplitPackets("text"));
}

TEST(FirstKey, EndsWhereTheNextBegins) {
  std::string first = Packet(6, "key") + Packet(13, "me") + Packet(2, "sig") + Packet(14, "sub");
  auto key = TakeFirstKey(Packet(10, "PGP") + first + Packet(12, "x") + Packet(6, "other") +
                          Packet(13, "you"));
  ASSERT_TRUE(key) << key.error().Text();
  EXPECT_EQ(key->bytes, first);
  EXPECT_EQ(key->more, 1);
}

TEST(FirstKey, HoldsNothingElse) {
  EXPECT_FALSE(TakeFirstKey(""));
  EXPECT_FALSE(TakeFirstKey(Packet(13, "me") + Packet(6, "key")));
  EXPECT_FALSE(TakeFirstKey(Packet(5, "secret")));
  EXPECT_FALSE(TakeFirstKey(Packet(6, "key") + Packet(8, "compressed")));
  EXPECT_FALSE(TakeFirstKey(Packet(6, "key") + Packet(7, "secret")));
}

TEST(AcceptableSignatures, LeavesOutWeakHashesAndTextSignatures) {
  std::string good = Packet(2, SignatureBody(0, 8));
  auto some =
      AcceptableSignatures(Packet(2, SignatureBody(0, 2)) + good + Packet(2, SignatureBody(1, 10)));
  ASSERT_TRUE(some) << some.error().Text();
  EXPECT_EQ(*some, good);
  auto sha1 = AcceptableSignatures(Packet(2, SignatureBody(0, 2)));
  ASSERT_FALSE(sha1);
  EXPECT_NE(sha1.error().message().find("SHA-1"), std::string::npos);
  EXPECT_FALSE(AcceptableSignatures(Packet(2, SignatureBody(0, 1))));
  EXPECT_FALSE(AcceptableSignatures(Packet(2, SignatureBody(0, 3))));
  EXPECT_FALSE(AcceptableSignatures(Packet(2, SignatureBody(1, 8))));
  EXPECT_FALSE(AcceptableSignatures(Packet(2, "")));
}

TEST(AcceptableSignatures, NothingButSignaturesGetsThrough) {
  std::string good = Packet(2, SignatureBody(0, 8));
  EXPECT_FALSE(AcceptableSignatures(""));
  EXPECT_FALSE(AcceptableSignatures("garbage"));
  EXPECT_FALSE(AcceptableSignatures(good + Packet(8, "compressed")));
  EXPECT_FALSE(AcceptableSignatures(Packet(4, "one pass") + Packet(11, "literal") + good));
  std::string many;
  for (size_t i = 0; i <= kMaxSignatures; ++i) many += good;
  EXPECT_FALSE(AcceptableSignatures(many));
}

}  // namespace
}  // namespace rkt::openpgp
