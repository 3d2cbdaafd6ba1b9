// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What counts as a good signature, with keys and signatures made by gpg.

#include "openpgp/verify.h"

#include <gtest/gtest.h>

#include <ctime>

#include "base/test_gpg.h"
#include "openpgp/packets.h"

namespace rkt::openpgp {
namespace {

uint64_t At(int year, int month = 1, int day = 1) {
  struct tm date = {};
  date.tm_year = year - 1900;
  date.tm_mon = month - 1;
  date.tm_mday = day;
  return static_cast<uint64_t>(::timegm(&date));
}
uint64_t Today() { return static_cast<uint64_t>(::time(nullptr)); }

class Verifying : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HaveGpg()) GTEST_SKIP() << "gpg: not installed";
    gpg_.Write("data", std::string(100000, 'd'));
    gpg_.Write("other", std::string(100000, 'e'));
  }
  // The verdict over the file: the signer's fingerprint, or the error.
  Result<std::string> Verify(const std::vector<std::string>& keys, const std::string& signature,
                             uint64_t now = Today(), const std::string& file = "data",
                             bool sha1 = false) {
    Keyring keyring = TRY(Keyring::Create());
    std::string acceptable = TRY(AcceptableSignatures(signature));
    Fd data = TRY(Open(gpg_.Path(file), O_RDONLY));
    auto signer = VerifyDetached(keyring, acceptable, data.get(), now, [&]() -> Status {
      for (const std::string& key : keys) TRY(keyring.Add(key, sha1));
      return {};
    });
    if (signer) identities_ = keyring.Identities(*signer);
    return signer;
  }
  void ExpectRefused(const Result<std::string>& verdict, Code code, const std::string& why) {
    ASSERT_FALSE(verdict) << "accepted as by " << *verdict;
    EXPECT_EQ(verdict.error().code(), code) << verdict.error().Text();
    EXPECT_NE(verdict.error().Text().find(why), std::string::npos) << verdict.error().Text();
  }
  void ExpectAccepted(const Result<std::string>& verdict, const std::string& key) {
    ASSERT_TRUE(verdict) << verdict.error().Text();
    EXPECT_EQ(*verdict, key);
  }

  TestGpg gpg_;
  std::vector<std::string> identities_;
};

TEST_F(Verifying, GoodSignaturesOfUsualKeysAreAccepted) {
  for (const char* algorithm : {"ed25519", "rsa2048", "nistp256", "dsa2048"}) {
    std::string key =
        gpg_.MakeKey(StrCat("Tester ", algorithm, " <t@example.com>"), "", "0", "", algorithm);
    std::string keys = gpg_.Export(key);
    for (const char* options : {"--armor", "--no-armor", "--armor --digest-algo SHA256",
                                "--armor --digest-algo SHA384"}) {
      std::string signature = gpg_.Sign(key, "data", "", options);
      ExpectAccepted(Verify({keys}, signature), key);
      EXPECT_EQ(identities_,
                std::vector<std::string>{StrCat("Tester ", algorithm, " <t@example.com>")});
      EXPECT_TRUE(gpg_.GpgvAccepts(keys, signature, "data")) << gpg_.Text("err");
      ExpectRefused(Verify({keys}, signature, Today(), "other"), Code::kCorrupt,
                    "invalid signature");
      EXPECT_FALSE(gpg_.GpgvAccepts(keys, signature, "other"));
    }
  }
}

TEST_F(Verifying, SignaturesOfOthersAreOfUnknownEntities) {
  std::string mine = gpg_.MakeKey("Mine");
  std::string theirs = gpg_.MakeKey("Theirs");
  std::string signature = gpg_.Sign(theirs, "data");
  ExpectRefused(Verify({}, signature), Code::kNotFound, "signature made by unknown entity");
  ExpectRefused(Verify({gpg_.Export(mine)}, signature), Code::kNotFound,
                "signature made by unknown entity");
  ExpectAccepted(Verify({gpg_.Export(mine), gpg_.Export(theirs)}, signature), theirs);
}

TEST_F(Verifying, OnlyTheFirstKeyOfAFileCounts) {
  std::string first = gpg_.MakeKey("A first");
  std::string second = gpg_.MakeKey("B second");
  gpg_.Gpg(StrCat("--armor --export ", first, " ", second));
  std::string both = gpg_.Text("out");
  Keyring keyring = *Keyring::Create();
  auto added = keyring.Add(both, false);
  ASSERT_TRUE(added) << added.error().Text();
  EXPECT_EQ(added->more, 1);
  std::string other = added->fingerprint == first ? second : first;
  ExpectAccepted(Verify({both}, gpg_.Sign(added->fingerprint, "data")), added->fingerprint);
  ExpectRefused(Verify({both}, gpg_.Sign(other, "data")), Code::kNotFound, "unknown entity");
}

TEST_F(Verifying, ExpiredKeysAreRefusedEvenForSignaturesOfTheirTime) {
  std::string key = gpg_.MakeKey("Short", "20200101T000000", "1y");
  std::string signature = gpg_.Sign(key, "data", "20200601T000000");
  std::string keys = gpg_.Export(key);
  ExpectAccepted(Verify({keys}, signature, At(2020, 7)), key);
  ExpectRefused(Verify({keys}, signature), Code::kPermission, "has expired on 2020-12-31");
}

TEST_F(Verifying, RevokedKeysAreRefusedEvenForSignaturesFromBefore) {
  std::string key = gpg_.MakeKey("Revoked", "20200101T000000");
  std::string signature = gpg_.Sign(key, "data", "20200601T000000");
  ExpectAccepted(Verify({gpg_.Export(key)}, signature), key);
  gpg_.Revoke(key);
  ExpectRefused(Verify({gpg_.Export(key)}, signature), Code::kPermission, "was revoked");
}

TEST_F(Verifying, RevocationsCountWhateverTheirHash) {
  gpg_.Write("gpg.conf", "cert-digest-algo SHA256\n");
  std::string key = gpg_.MakeKey("Revoked by SHA-1", "20200101T000000", "0", "", "rsa2048");
  std::string signature = gpg_.Sign(key, "data", "20200601T000000");
  ExpectAccepted(Verify({gpg_.Export(key)}, signature), key);
  // The certificate anew, over SHA-1.
  EXPECT_TRUE(gpg_.Run(
      StrCat("printf 'y\\n0\\n\\ny\\n' | gpg --no-tty --command-fd 0 --yes --passphrase '' "
             "--pinentry-mode loopback --allow-weak-digest-algos --cert-digest-algo SHA1 "
             "--faked-system-time 20200701T000000! --output rev --gen-revoke ",
             key)))
      << gpg_.Text("err");
  gpg_.Gpg("--list-packets rev");
  ASSERT_NE(gpg_.Text("out").find("digest algo 2,"), std::string::npos) << gpg_.Text("out");
  gpg_.Gpg("--allow-weak-digest-algos --import rev");
  ExpectRefused(Verify({gpg_.Export(key)}, signature), Code::kPermission, "was revoked");
}

TEST_F(Verifying, TimesMustFollowEachOther) {
  std::string key = gpg_.MakeKey("Timely", "20200101T000000");
  std::string keys = gpg_.Export(key);
  std::string signature = gpg_.Sign(key, "data", "20200601T000000");
  ExpectRefused(Verify({keys}, signature, At(2019)), Code::kPermission, "was made in the future");
  ExpectRefused(Verify({keys}, signature, At(2020, 3)), Code::kPermission,
                "signature was made in the future");
  ExpectAccepted(Verify({keys}, signature, At(2020, 7)), key);
  std::string early = gpg_.Sign(key, "data", "20190601T000000",
                                "--armor --ignore-time-conflict --ignore-valid-from");
  ExpectRefused(Verify({keys}, early), Code::kPermission, "older than its key");
}

TEST_F(Verifying, ExpiredSignaturesAreRefused) {
  std::string key = gpg_.MakeKey("Brief", "20200101T000000");
  std::string signature =
      gpg_.Sign(key, "data", "20200601T000000", "--armor --default-sig-expire 10d");
  ExpectAccepted(Verify({gpg_.Export(key)}, signature, At(2020, 6, 5)), key);
  ExpectRefused(Verify({gpg_.Export(key)}, signature), Code::kPermission, "signature has expired");
}

TEST_F(Verifying, WeakHashesOverDataAreRefusedWhateverTheirDate) {
  std::string key = gpg_.MakeKey("Weak", "20150101T000000", "0", "", "rsa2048");
  for (const char* hash : {"SHA1", "RIPEMD160", "MD5"}) {
    std::string signature =
        gpg_.Sign(key, "data", "20160601T000000",
                  StrCat("--armor --allow-weak-digest-algos --digest-algo ", hash));
    ExpectRefused(Verify({gpg_.Export(key)}, signature, Today(), "data", /*sha1=*/true),
                  Code::kInvalid, "proves nothing any more");
  }
}

TEST_F(Verifying, KeysHeldTogetherBySha1AreRefusedUnlessAllowed) {
  const std::string weak = "--allow-weak-digest-algos --cert-digest-algo SHA1";
  std::string old = gpg_.MakeKey("Old", "20120101T000000", "0", weak, "rsa2048");
  std::string signature = gpg_.Sign(old, "data");
  std::string keys = gpg_.Export(old);
  ExpectRefused(Verify({keys}, signature), Code::kPermission, "SHA-1");
  ExpectAccepted(Verify({keys}, signature, Today(), "data", /*sha1=*/true), old);
  // Nobody had to use it any more for this one.
  std::string young = gpg_.MakeKey("Young", "20240601T000000", "0", weak, "rsa2048");
  ExpectRefused(
      Verify({gpg_.Export(young)}, gpg_.Sign(young, "data"), Today(), "data", /*sha1=*/true),
      Code::kPermission, "SHA-1");
  // What one key is allowed, the next is not.
  Keyring keyring = *Keyring::Create();
  ASSERT_TRUE(keyring.Add(keys, true));
  std::string second = gpg_.MakeKey("Second", "20120101T000000", "0", weak, "rsa2048");
  ASSERT_TRUE(keyring.Add(gpg_.Export(second), false));
  EXPECT_TRUE(keyring.CheckSigner(old, Today()));
  EXPECT_FALSE(keyring.CheckSigner(second, Today()));
}

TEST_F(Verifying, SigningSubkeysCountWhileTheyAreGood) {
  std::string key = gpg_.MakeKey("With subkeys", "20200101T000000");
  gpg_.Gpg(StrCat("--quick-add-key ", key, " ed25519 sign 1y"), "20200102T000000");
  std::string subkey = gpg_.LastSubkey(key);
  std::string signature = gpg_.Sign(subkey + "!", "data", "20200601T000000");
  std::string keys = gpg_.Export(key);
  ExpectAccepted(Verify({keys}, signature, At(2020, 7)), key);
  ExpectRefused(Verify({keys}, signature), Code::kPermission, "has expired");

  gpg_.Gpg(StrCat("--quick-add-key ", key, " ed25519 sign never"), "20200103T000000");
  std::string other = gpg_.LastSubkey(key);
  std::string second = gpg_.Sign(other + "!", "data", "20200601T000000");
  ExpectAccepted(Verify({gpg_.Export(key)}, second), key);
  EXPECT_TRUE(gpg_.Run(StrCat("printf 'key ", other,
                              "\\nrevkey\\ny\\n0\\n\\ny\\nsave\\n' | gpg --no-tty --command-fd 0 "
                              "--passphrase '' --pinentry-mode loopback --edit-key ",
                              key)))
      << gpg_.Text("err");
  ExpectRefused(Verify({gpg_.Export(key)}, second), Code::kPermission, "was revoked");
  // The primary key is untouched by what became of its subkeys.
  ExpectAccepted(Verify({gpg_.Export(key)}, gpg_.Sign(key + "!", "data")), key);
}

TEST_F(Verifying, ShorteningTheLifeOfASubkeyCounts) {
  std::string key = gpg_.MakeKey("Shortened", "20200101T000000");
  gpg_.Gpg(StrCat("--quick-add-key ", key, " ed25519 sign never"), "20200102T000000");
  std::string subkey = gpg_.LastSubkey(key);
  std::string signature = gpg_.Sign(subkey + "!", "data", "20200601T000000");
  // The old binding without a limit stays in the key, behind the new one.
  std::string before = gpg_.Export(key);
  gpg_.Gpg(StrCat("--quick-set-expire ", key, " 1y ", subkey), "20200701T000000");
  std::string after = gpg_.Export(key);
  auto binary = Dearmor(before, "PUBLIC KEY BLOCK");
  auto old_packets = SplitPackets(*binary);
  std::string merged = *Dearmor(after, "PUBLIC KEY BLOCK");
  merged += old_packets->back().whole;
  gpg_.Write("merged", merged);
  gpg_.Gpg("--enarmor merged");
  std::string armored =
      ReplaceAll(gpg_.Text("merged.asc"), "PGP ARMORED FILE", "PGP PUBLIC KEY BLOCK");
  ExpectAccepted(Verify({armored}, signature, At(2020, 8)), key);
  ExpectRefused(Verify({armored}, signature), Code::kPermission, "has expired");
}

// The subkey's own signature that it belongs to the primary key, taken out of the binding.
std::string WithoutConsent(const std::string& key) {
  std::string out;
  auto packets = SplitPackets(key);
  for (const Packet& packet : *packets) {
    auto head = ReadSignatureHead(packet.body);
    if (packet.tag != Tag::kSignature || !head || head->type != 0x18) {
      out += packet.whole;
      continue;
    }
    std::string_view body = packet.body;
    size_t hashed =
        static_cast<size_t>(static_cast<uint8_t>(body[4]) << 8 | static_cast<uint8_t>(body[5]));
    size_t start = 6 + hashed;
    size_t unhashed = static_cast<size_t>(static_cast<uint8_t>(body[start]) << 8 |
                                          static_cast<uint8_t>(body[start + 1]));
    std::string stripped =
        StrCat(body.substr(0, start), '\0', '\0', body.substr(start + 2 + unhashed));
    EXPECT_GT(unhashed, 32u) << "gpg keeps it elsewhere now";
    out += StrCat('\xc2', '\xff', '\0', '\0', static_cast<char>(stripped.size() >> 8),
                  static_cast<char>(stripped.size() & 0xff), stripped);
  }
  return out;
}

TEST_F(Verifying, SubkeysMustHaveAgreedToBelongToTheKey) {
  std::string key = gpg_.MakeKey("Adopter", "20200101T000000");
  gpg_.Gpg(StrCat("--quick-add-key ", key, " ed25519 sign never"), "20200102T000000");
  std::string subkey = gpg_.LastSubkey(key);
  std::string signature = gpg_.Sign(subkey + "!", "data");
  std::string stripped = WithoutConsent(*Dearmor(gpg_.Export(key), "PUBLIC KEY BLOCK"));
  gpg_.Write("stripped", stripped);
  gpg_.Gpg("--enarmor stripped");
  std::string armored =
      ReplaceAll(gpg_.Text("stripped.asc"), "PGP ARMORED FILE", "PGP PUBLIC KEY BLOCK");
  ExpectRefused(Verify({armored}, signature), Code::kPermission, "");
  EXPECT_FALSE(gpg_.GpgvAccepts(armored, signature, "data"));
}

TEST_F(Verifying, KeysWithoutIdentityAreRefused) {
  std::string key = gpg_.MakeKey("Nobody", "20200101T000000");
  std::string signature = gpg_.Sign(key, "data");
  std::string bare;
  auto binary = Dearmor(gpg_.Export(key), "PUBLIC KEY BLOCK");
  auto packets = SplitPackets(*binary);
  for (const Packet& packet : *packets) {
    if (packet.tag == Tag::kPublicKey) bare += packet.whole;
    // Somebody else's name, to which the signature does not bind the key.
    if (packet.tag == Tag::kUserId) bare += StrCat('\xcd', '\x03', "Eve");
    if (packet.tag == Tag::kSignature) bare += packet.whole;
  }
  gpg_.Write("bare", bare);
  gpg_.Gpg("--enarmor bare");
  std::string armored =
      ReplaceAll(gpg_.Text("bare.asc"), "PGP ARMORED FILE", "PGP PUBLIC KEY BLOCK");
  ExpectRefused(Verify({armored}, signature), Code::kPermission, "");
}

TEST_F(Verifying, OtherKindsOfSignaturesAreRefused) {
  std::string key = gpg_.MakeKey("Odd");
  std::string keys = gpg_.Export(key);
  gpg_.Write("text", "a line\n");
  ExpectRefused(Verify({keys}, gpg_.Sign(key, "text", "", "--armor --textmode"), Today(), "text"),
                Code::kInvalid, "not over binary data");
  gpg_.Gpg(StrCat("--armor --output - --clear-sign -u ", key, " data"));
  EXPECT_FALSE(Verify({keys}, StrCat("x\n", gpg_.Text("out").substr(0, 100))));
  gpg_.Gpg(StrCat("--no-armor --output - --sign -u ", key, " data"));
  EXPECT_FALSE(Verify({keys}, gpg_.Text("out")));
  EXPECT_FALSE(Verify({keys}, keys));
  EXPECT_FALSE(Verify({keys}, gpg_.Text("data")));
}

TEST_F(Verifying, OneGoodSignatureAmongUnknownOnesIsEnoughAndAForgeryIsNot) {
  std::string mine = gpg_.MakeKey("Mine");
  std::string theirs = gpg_.MakeKey("Theirs");
  std::string good = gpg_.Sign(mine, "data", "", "--no-armor");
  std::string unknown = gpg_.Sign(theirs, "data", "", "--no-armor");
  std::string forged = gpg_.Sign(mine, "other", "", "--no-armor");
  std::string keys = gpg_.Export(mine);
  ExpectAccepted(Verify({keys}, unknown + good), mine);
  ExpectAccepted(Verify({keys}, good + unknown), mine);
  ExpectRefused(Verify({keys}, good + forged), Code::kCorrupt, "invalid signature");
  ExpectRefused(Verify({keys}, forged + good), Code::kCorrupt, "invalid signature");
  ExpectRefused(Verify({keys}, unknown + forged), Code::kCorrupt, "invalid signature");
}

TEST_F(Verifying, DamagedSignaturesNeverPass) {
  std::string key = gpg_.MakeKey("Damaged");
  std::string keys = gpg_.Export(key);
  std::string signature = gpg_.Sign(key, "data", "", "--no-armor");
  for (size_t size = 0; size < signature.size(); size += 5) {
    EXPECT_FALSE(Verify({keys}, signature.substr(0, size))) << size;
  }
  // The hashed part and the signature itself; in between lies the key's id, which is only a hint.
  auto packets = SplitPackets(signature);
  std::string_view body = (*packets)[0].body;
  size_t header = static_cast<size_t>(body.data() - signature.data());
  size_t hashed = 6 + static_cast<uint8_t>(body[5]);
  for (size_t at = 0; at < signature.size(); ++at) {
    if (at >= header + hashed && at + 64 < signature.size()) continue;
    std::string damaged = signature;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(Verify({keys}, damaged)) << at;
  }
}

}  // namespace
}  // namespace rkt::openpgp
