// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The keystore, verification through libexec/rkt/openpgp, and trusting keys.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test_gpg.h"
#include "image/signature/trust.h"

namespace rkt::image {
namespace {

const std::string kA(40, 'a');
const std::string kB(40, 'b');

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/rkt-test-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    dir_ = path;
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, dir_); }
  std::string System() const { return dir_ + "/system"; }
  std::string Local() const { return dir_ + "/local"; }
  Keystore Store() const { return Keystore(System(), Local()); }
  void Put(const std::string& config, const std::string& path, std::string_view text = "key") {
    std::string whole = StrCat(config, "/trustedkeys/", path);
    ASSERT_TRUE(MakeDirs(whole.substr(0, whole.rfind('/')), 0755));
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, whole, text, 0644, true));
  }
  // The paths below dir_, in order.
  std::vector<std::string> Keys(std::string_view name) {
    std::vector<std::string> paths;
    auto keys = Store().KeysFor(name);
    EXPECT_TRUE(keys) << keys.error().Text();
    if (keys) {
      for (const TrustedKey& key : *keys) paths.push_back(key.path.substr(dir_.size() + 1));
    }
    return paths;
  }
  std::string dir_;
};
using Paths = std::vector<std::string>;

class KeystoreFiles : public Files {};

TEST_F(KeystoreFiles, MissingDirectoriesAreEmpty) {
  EXPECT_EQ(Keys("example.com/a"), Paths{});
  EXPECT_TRUE(Keystore().KeysFor("example.com/a")->empty());
}

TEST_F(KeystoreFiles, PrefixesEndAtPathElements) {
  Put(System(), "prefix.d/example.com/ab/" + kA);
  Paths own = {"system/trustedkeys/prefix.d/example.com/ab/" + kA};
  EXPECT_EQ(Keys("example.com/ab"), own);
  EXPECT_EQ(Keys("example.com/ab/c/d"), own);
  EXPECT_EQ(Keys("example.com/abc"), Paths{});
  EXPECT_EQ(Keys("example.com/a"), Paths{});
  EXPECT_EQ(Keys("example.com"), Paths{});
}

TEST_F(KeystoreFiles, LaterPlacesReplaceEarlierOnes) {
  Put(System(), "root.d/" + kA);
  EXPECT_EQ(Keys("x"), Paths{"system/trustedkeys/root.d/" + kA});
  Put(Local(), "root.d/" + kA);
  EXPECT_EQ(Keys("x"), Paths{"local/trustedkeys/root.d/" + kA});
  Put(System(), "prefix.d/x/" + kA);
  EXPECT_EQ(Keys("x"), Paths{"system/trustedkeys/prefix.d/x/" + kA});
  Put(System(), "prefix.d/x/y/" + kB);
  EXPECT_EQ(Keys("x/y"), (Paths{"system/trustedkeys/prefix.d/x/" + kA,
                                "system/trustedkeys/prefix.d/x/y/" + kB}));
  Put(Local(), "prefix.d/x/" + kB);
  EXPECT_EQ(Keys("x/y"),
            (Paths{"system/trustedkeys/prefix.d/x/" + kA, "local/trustedkeys/prefix.d/x/" + kB}));
}

TEST_F(KeystoreFiles, EmptyFilesTakeKeysBack) {
  Put(System(), "root.d/" + kA);
  Put(System(), "prefix.d/x/" + kB);
  Put(Local(), "prefix.d/x/" + kA, "");
  EXPECT_EQ(Keys("x/y"), Paths{"system/trustedkeys/prefix.d/x/" + kB});
  // For other names it stays.
  EXPECT_EQ(Keys("z"), Paths{"system/trustedkeys/root.d/" + kA});
  // What comes before a key takes nothing back.
  Put(Local(), "root.d/" + kB, "");
  EXPECT_EQ(Keys("x"), Paths{"system/trustedkeys/prefix.d/x/" + kB});
}

TEST_F(KeystoreFiles, NamesDoNotLeadOutOfIt) {
  // A directory that anybody could have made.
  Put(dir_ + "/evil", kA);
  Put(System(), "prefix.d/x/" + kB);
  for (const char* name :
       {"x/../../../../evil/trustedkeys", "../root.d", "x/./y", "x//y", "/x", "x/", ""}) {
    EXPECT_FALSE(Store().KeysFor(name)) << name;
  }
  EXPECT_FALSE(CheckKeyPrefix("x/../y"));
  EXPECT_FALSE(CheckKeyPrefix("Upper"));
  EXPECT_FALSE(CheckKeyPrefix("x/"));
  EXPECT_TRUE(CheckKeyPrefix("example.com/a-b~c"));
  EXPECT_FALSE(Store().Add("x/../../../../evil", kA, "key"));
}

TEST_F(KeystoreFiles, Sha1IsAllowedKeyByKey) {
  Put(System(), "root.d/" + kA);
  Put(System(), "root.d/" + kB);
  Put(Local(), "sha1.d/" + kB, "");
  auto keys = Store().KeysFor("x");
  ASSERT_TRUE(keys);
  ASSERT_EQ(keys->size(), 2u);
  EXPECT_FALSE((*keys)[0].sha1_allowed);
  EXPECT_TRUE((*keys)[1].sha1_allowed);
}

TEST_F(KeystoreFiles, AddedKeysHaveTheModesWhateverTheUmaskSays) {
  mode_t old = ::umask(077);
  auto path = Store().Add("example.com/a", kA, "key text");
  auto root = Store().Add("", kB, "root key");
  ::umask(old);
  ASSERT_TRUE(path) << path.error().Text();
  ASSERT_TRUE(root) << root.error().Text();
  EXPECT_EQ(*path, Local() + "/trustedkeys/prefix.d/example.com/a/" + kA);
  EXPECT_EQ(*root, Local() + "/trustedkeys/root.d/" + kB);
  EXPECT_EQ(*ReadKeyFile(*path), "key text");
  for (const char* name :
       {"", "/trustedkeys", "/trustedkeys/prefix.d", "/trustedkeys/prefix.d/example.com",
        "/trustedkeys/prefix.d/example.com/a"}) {
    EXPECT_EQ(StatAt(AT_FDCWD, Local() + name)->st_mode & 07777, 0755u) << name;
  }
  EXPECT_EQ(StatAt(AT_FDCWD, *path)->st_mode & 07777, 0644u);
}

TEST_F(KeystoreFiles, KeysThatAreNoFilesDoNotBlock) {
  ASSERT_TRUE(MakeDirs(dir_, 0755));
  ASSERT_EQ(::mkfifo((dir_ + "/fifo").c_str(), 0644), 0);
  EXPECT_FALSE(ReadKeyFile(dir_ + "/fifo"));
  EXPECT_FALSE(ReadKeyFile(dir_));
  EXPECT_FALSE(ReadKeyFile("/dev/zero"));
}

TEST(SignatureLocation, IsBesideTheImage) {
  EXPECT_EQ(SignatureLocation("/x/a.aci"), "/x/a.aci.asc");
  EXPECT_EQ(SignatureLocation("https://h/a.aci?x=1"), "https://h/a.aci.asc?x=1");
  EXPECT_EQ(SignatureLocation("a?b.aci"), "a?b.aci.asc");
}

TEST(GroupedFingerprint, HasTenGroups) {
  EXPECT_EQ(GroupedFingerprint("5b5d5f0ac6b7228c9c5a2f6cfc6b8ffaca9fce8e"),
            "5B5D 5F0A C6B7 228C 9C5A  2F6C FC6B 8FFA CA9F CE8E");
}

class Verified : public Files {
 protected:
  void SetUp() override {
    Files::SetUp();
    if (!HaveGpg()) GTEST_SKIP() << "gpg: not installed";
    ASSERT_TRUE(FindOpenpgpProgram()) << "libexec/rkt/openpgp is not built";
    gpg_.Write("data", std::string(1 << 20, 'd'));
  }
  Result<Signer> Verify(std::string_view signature, const std::string& name = "example.com/a") {
    Fd data = TRY(Open(gpg_.Path("data"), O_RDONLY));
    return VerifyDetached(Store(), name, data.get(), signature);
  }
  TestGpg gpg_;
};

TEST_F(Verified, KeysOfTheNameCount) {
  std::string key = gpg_.MakeKey("Tester <t@example.com>");
  std::string signature = gpg_.Sign(key, "data");
  auto unknown = Verify(signature);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().Text(), "openpgp: signature made by unknown entity");
  EXPECT_TRUE(IsUnknownSigner(unknown.error()));

  ASSERT_TRUE(Store().Add("example.com/a", key, gpg_.Export(key)));
  auto signer = Verify(signature);
  ASSERT_TRUE(signer) << signer.error().Text();
  EXPECT_EQ(signer->fingerprint, key);
  EXPECT_EQ(VerifiedMessage(*signer), "signature verified:\n  Tester <t@example.com>");
  EXPECT_TRUE(Verify(signature, "example.com/a/b"));
  EXPECT_FALSE(Verify(signature, "example.com/ab"));
}

TEST_F(Verified, FileNamesMustBeTheFingerprint) {
  std::string key = gpg_.MakeKey("Tester");
  ASSERT_TRUE(Store().Add("", kA, gpg_.Export(key)));
  auto signer = Verify(gpg_.Sign(key, "data"));
  ASSERT_FALSE(signer);
  EXPECT_EQ(signer.error().Text(), StrCat("fingerprint mismatch: \"", kA, "\":\"", key, "\""));
  EXPECT_FALSE(IsUnknownSigner(signer.error()));
}

TEST_F(Verified, WhatIsNoSignatureIsRefusedBeforeAnyData) {
  for (std::string bad : {std::string(), std::string("garbage"), std::string("\xff\xff\xff")}) {
    auto verification = Verification::Start(bad);
    EXPECT_FALSE(verification) << bad;
  }
  EXPECT_FALSE(Verification::Start(std::string(kMaxSignatureSize + 1, 'x')));
}

TEST_F(Verified, BytesMayPassByAPipe) {
  std::string key = gpg_.MakeKey("Piped");
  ASSERT_TRUE(Store().Add("", key, gpg_.Export(key)));
  auto verification = Verification::Start(gpg_.Sign(key, "data"));
  ASSERT_TRUE(verification) << verification.error().Text();
  for (int i = 0; i < 16; ++i)
    ASSERT_TRUE(WriteAll(verification->data(), std::string(1 << 16, 'd')));
  verification->CloseData();
  auto signer = verification->Finish(Store(), "x");
  ASSERT_TRUE(signer) << signer.error().Text();
  EXPECT_EQ(signer->fingerprint, key);
}

TEST_F(Verified, OldKeysNeedLeaveForSha1) {
  std::string key = gpg_.MakeKey("Old", "20120101T000000", "0",
                                 "--allow-weak-digest-algos --cert-digest-algo SHA1", "rsa2048");
  ASSERT_TRUE(Store().Add("", key, gpg_.Export(key)));
  std::string signature = gpg_.Sign(key, "data");
  auto refused = Verify(signature);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kPermission);
  Put(Local(), "sha1.d/" + key, "");
  auto signer = Verify(signature);
  EXPECT_TRUE(signer) << signer.error().Text();
}

class Trusting : public Verified {
 protected:
  void SetUp() override {
    Verified::SetUp();
    if (IsSkipped()) return;
    key_ = gpg_.MakeKey("Tester <t@example.com>", "20200101T000000");
    armored_ = gpg_.Export(key_);
    file_ = dir_ + "/pub.gpg";
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, armored_, 0644));
    options_.prefix = "example.com/a";
    path_ = StrCat(Local(), "/trustedkeys/prefix.d/example.com/a/", key_);
  }
  Status Trust(const std::vector<std::string>& locations) {
    out_.clear();
    err_.clear();
    TrustDialog dialog;
    dialog.print = [this](const std::string& line) { out_ += line + "\n"; };
    dialog.notice = [this](const std::string& text) { err_ += text + "\n"; };
    if (!answers_.empty()) {
      dialog.ask = [this](const std::string& question) -> Result<std::string> {
        if (answers_.empty()) return Err(Code::kInvalid, "no more answers");
        out_ += question + "\n";
        std::string answer = answers_.front();
        answers_.erase(answers_.begin());
        return answer;
      };
    }
    return TrustKeys(Store(), locations, options_, dialog);
  }
  std::string key_, armored_, file_, path_, out_, err_;
  std::vector<std::string> answers_;
  TrustOptions options_;
};

TEST_F(Trusting, WithoutReview) {
  options_.skip_review = true;
  Status trusted = Trust({file_});
  ASSERT_TRUE(trusted) << trusted.error().Text();
  EXPECT_EQ(
      out_,
      StrCat("gpg key fingerprint is: ", GroupedFingerprint(key_),
             "\n\tTester <t@example.com>\nTrusting \"", file_,
             "\" for prefix \"example.com/a\" without fingerprint review.\nAdded key for prefix "
             "\"example.com/a\" at \"",
             path_, "\"\n"));
  EXPECT_EQ(err_, StrCat("prefix: \"example.com/a\"\nkey: \"", file_, "\"\n"));
  EXPECT_EQ(*ReadKeyFile(path_), armored_);
}

TEST_F(Trusting, AsksUntilItHearsYesOrNo) {
  answers_ = {"", "y", "YES", "yes"};
  ASSERT_TRUE(Trust({file_}));
  EXPECT_TRUE(answers_.empty());
  EXPECT_TRUE(Exists(path_));
  ASSERT_TRUE(UnlinkAt(AT_FDCWD, path_));
  answers_ = {"maybe", "no"};
  EXPECT_TRUE(Trust({file_}));
  EXPECT_FALSE(Exists(path_));
  EXPECT_NE(err_.find(StrCat("not trusting \"", file_, "\"")), std::string::npos);
}

TEST_F(Trusting, NobodyToAskIsAnError) {
  Status trusted = Trust({file_});
  ASSERT_FALSE(trusted);
  EXPECT_NE(err_.find("--skip-fingerprint-review"), std::string::npos);
  EXPECT_FALSE(Exists(path_));
}

TEST_F(Trusting, OnlyArmoredPublicKeys) {
  options_.skip_review = true;
  gpg_.Gpg("--no-armor --export " + key_);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, gpg_.Text("out"), 0644, true));
  Status binary = Trust({file_});
  ASSERT_FALSE(binary);
  EXPECT_EQ(binary.error().Innermost().message(), "no armored data found");
  gpg_.Gpg("--armor --export-secret-keys " + key_);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, gpg_.Text("out"), 0644, true));
  EXPECT_FALSE(Trust({file_}));
  EXPECT_FALSE(Trust({dir_ + "/missing"}));
  EXPECT_FALSE(Exists(Local()));
}

TEST_F(Trusting, RootKeysAndManyAtOnce) {
  options_.prefix.clear();
  options_.skip_review = true;
  std::string second = gpg_.MakeKey("Second");
  std::string other = dir_ + "/second.gpg";
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, other, gpg_.Export(second), 0644));
  ASSERT_TRUE(Trust({file_, other}));
  EXPECT_TRUE(Exists(StrCat(Local(), "/trustedkeys/root.d/", key_)));
  EXPECT_TRUE(Exists(StrCat(Local(), "/trustedkeys/root.d/", second)));
  EXPECT_NE(out_.find("Added root key at "), std::string::npos);
  EXPECT_FALSE(Trust({}));
}

TEST_F(Trusting, PlainHttpNeedsLeave) {
  options_.skip_review = true;
  bool asked = false;
  options_.fetch = [&](const std::string&, const KeyFetchOptions& fetch) -> Result<std::string> {
    asked = true;
    EXPECT_TRUE(fetch.allow_http);
    return armored_;
  };
  EXPECT_FALSE(Trust({"http://example.com/key"}));
  EXPECT_FALSE(Trust({"HTTP://example.com/key"}));
  EXPECT_FALSE(asked);
  options_.allow_http = true;
  EXPECT_TRUE(Trust({"http://example.com/key"}));
  EXPECT_TRUE(asked);
}

TEST_F(Trusting, HttpsMayBeTrustedWithoutReviewAndNothingElse) {
  options_.trust_https = true;
  options_.allow_http = true;
  options_.fetch = [&](const std::string&, const KeyFetchOptions&) -> Result<std::string> {
    return armored_;
  };
  EXPECT_FALSE(Trust({file_}));
  EXPECT_FALSE(Trust({"http://example.com/key"}));
  EXPECT_FALSE(Exists(path_));
  EXPECT_TRUE(Trust({"https://example.com/key"}));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(Trusting, DiscoveryNamesUrlsOnly) {
  options_.skip_review = true;
  options_.fetch = [&](const std::string& url, const KeyFetchOptions&) -> Result<std::string> {
    EXPECT_EQ(url, "https://example.com/key");
    return armored_;
  };
  std::vector<std::string> found = {"https://example.com/key"};
  options_.discover = [&](const std::string& prefix,
                          const KeyFetchOptions&) -> Result<std::vector<std::string>> {
    EXPECT_EQ(prefix, "example.com/a");
    return found;
  };
  EXPECT_TRUE(Trust({}));
  EXPECT_TRUE(Exists(path_));
  ASSERT_TRUE(UnlinkAt(AT_FDCWD, path_));
  found = {file_};
  EXPECT_FALSE(Trust({}));
  EXPECT_FALSE(Exists(path_));
}

TEST_F(Trusting, KeysThatWouldBeRefusedAreTold) {
  options_.skip_review = true;
  gpg_.Revoke(key_);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, gpg_.Export(key_), 0644, true));
  EXPECT_TRUE(Trust({file_}));
  EXPECT_NE(err_.find("was revoked"), std::string::npos) << err_;
}

TEST_F(Trusting, SubkeysThatSignAreShown) {
  options_.skip_review = true;
  gpg_.Gpg(StrCat("--quick-add-key ", key_, " ed25519 sign never"));
  std::string subkey = gpg_.LastSubkey(key_);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, gpg_.Export(key_), 0644, true));
  EXPECT_TRUE(Trust({file_}));
  EXPECT_NE(out_.find(StrCat("    Subkey fingerprint: ", GroupedFingerprint(subkey), "\n")),
            std::string::npos)
      << out_;
}

TEST_F(Trusting, IdentitiesDoNotSteerTheTerminal) {
  options_.skip_review = true;
  std::string key = gpg_.MakeKey(
      "Nice \xc2\x9b"
      "31m Name");
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, file_, gpg_.Export(key), 0644, true));
  EXPECT_TRUE(Trust({file_}));
  EXPECT_NE(out_.find("\\xc2\\x9b31m Name"), std::string::npos) << out_;
}

}  // namespace
}  // namespace rkt::image
