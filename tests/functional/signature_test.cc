// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Signed images: rkt trust, the keystore, verification on import. Keys and signatures are gpg's.

#include <sys/stat.h>
#include <unistd.h>

#include <cctype>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Signed : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped()) return;
    REQUIRE_FACILITY("gpg", access("/usr/bin/gpg", X_OK) == 0, "not installed");
    insecure_ = "";
    char path[] = "/tmp/rkt-gpg-XXXXXX";  // short: a socket lies in it
    ASSERT_NE(mkdtemp(path), nullptr);
    home_ = path;
    key_ = MakeKey("Tester <t@example.com>");
    image_ = WriteImage("a.aci", ImageSpec{.name = "example.com/a/b"});
    Sign(key_, image_);
  }
  void TearDown() override {
    if (!home_.empty()) {
      RunProgram({"gpgconf", "--kill", "all"}, {.env = {"GNUPGHOME=" + home_}});
      RunProgram({"rm", "-rf", home_});
    }
    PodTest::TearDown();
  }
  std::string Gpg(const Args& args) {
    Output output = RunProgram(Args{"gpg", "--batch", "--yes", "--no-tty", "--quiet",
                                    "--passphrase", "", "--pinentry-mode", "loopback"} +
                                   args,
                               {.env = {"GNUPGHOME=" + home_}});
    EXPECT_EQ(output.code, 0) << output.All();
    return output.out;
  }
  // Makes a key and exports it to a file of the name `pub` in the directory of the test.
  std::string MakeKey(const std::string& identity, const std::string& pub = "pub.gpg",
                      const Args& options = {}) {
    Gpg(options + Args{"--quick-generate-key", identity, "ed25519", "sign", "0"});
    std::string list = Gpg({"--with-colons", "--list-keys", "=" + identity});
    size_t at = list.find("\nfpr:::::::::");
    std::string fingerprint = list.substr(at + 13, 40);
    for (char& c : fingerprint) c = static_cast<char>(std::tolower(c));
    Gpg({"--armor", "--output", dir() + "/" + pub, "--export", fingerprint});
    return fingerprint;
  }
  void Sign(const std::string& key, const std::string& file) {
    Gpg({"--armor", "--output", file + ".asc", "-u", key, "--detach-sign", file});
  }
  std::string Local() const { return dir() + "/config-local/trustedkeys"; }
  std::string PrefixKey(const std::string& prefix) const {
    return Local() + "/prefix.d/" + prefix + "/" + key_;
  }
  void Trust(const std::string& prefix) {
    RktOk({"trust", "--prefix=" + prefix, "--skip-fingerprint-review", dir() + "/pub.gpg"});
  }
  void ExpectStored(bool stored) {
    Output blobs = RunProgram({"find", data() + "/cas/blob", "-type", "f"});
    EXPECT_EQ(blobs.out.empty(), !stored) << blobs.out;
    EXPECT_TRUE(ListDir(data() + "/cas/tmp").empty());
  }
  void ExpectRefused(const std::string& image, const std::string& why) {
    Output output = Rkt({"fetch", image});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, why)) << output.err;
    EXPECT_EQ(output.out, "");
    ExpectStored(false);
  }

  std::string home_, key_, image_;
};

TEST_F(Signed, TrustedSignatureIsAcceptedAndItsMakerNamed) {
  Trust("example.com/a");
  Output output = RktOk({"fetch", image_});
  EXPECT_EQ(output.err, "image: signature verified:\n  Tester <t@example.com>\n");
  EXPECT_EQ(output.out.size(), 40u);
  ExpectStored(true);
}

TEST_F(Signed, UnknownKeyIsRefusedWithAHint) {
  Output output = Rkt({"fetch", image_});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "rkt trust --prefix=")) << output.err;
  EXPECT_TRUE(Contains(output.err, "fetch: openpgp: signature made by unknown entity\n"))
      << output.err;
  ExpectStored(false);
}

TEST_F(Signed, PrefixesEndAtPathElements) {
  Trust("example.com/a");
  std::string other = WriteImage("b.aci", ImageSpec{.name = "example.com/ab"});
  Sign(key_, other);
  ExpectRefused(other, "signature made by unknown entity");
  Trust("example.com/ab");
  RktOk({"fetch", other});
}

TEST_F(Signed, SignatureOverAnotherFileIsRefused) {
  Trust("example.com");
  std::string other = WriteImage("b.aci", ImageSpec{.name = "example.com/a/c"});
  RunProgram({"cp", image_ + ".asc", other + ".asc"});
  ExpectRefused(other, "invalid signature");
  // The same tar, compressed otherwise, is another file too.
  RunProgram(
      {"sh", "-c", "cp $0 $1 && printf x >> $1 && cp $0.asc $1.asc", image_, dir() + "/more.aci"});
  ExpectRefused(dir() + "/more.aci", "");
}

TEST_F(Signed, MissingEmptyAndGarbledSignatures) {
  Trust("example.com");
  std::string signature = image_ + ".asc";
  WriteFile(signature, "");
  ExpectRefused(image_, "signature is empty");
  WriteFile(signature, "no signature\n");
  ExpectRefused(image_, "no armored data found");
  unlink(signature.c_str());
  ExpectRefused(image_, "fetch: open " + signature + ": no such file or directory\n");
  ASSERT_EQ(mkfifo(signature.c_str(), 0644), 0);
  ExpectRefused(image_, "");
}

TEST_F(Signed, SignatureFileMayBeNamed) {
  Trust("example.com");
  rename((image_ + ".asc").c_str(), (dir() + "/elsewhere").c_str());
  EXPECT_EQ(Rkt({"fetch", image_}).code, 254);
  RktOk({"fetch", image_, "--signature=" + dir() + "/elsewhere"});
  EXPECT_EQ(Rkt({"fetch", "--signature=" + dir() + "/elsewhere", image_}).code, 254);
}

TEST_F(Signed, RunVerifiesToo) {
  Output refused = Rkt(PrepareArgs({image_}));
  EXPECT_EQ(refused.code, 254);
  EXPECT_TRUE(Contains(refused.err, "signature made by unknown entity")) << refused.err;
}

TEST_F(Signed, EmptyFileMasksAKeyAndAnotherNameIsAnError) {
  std::string system = dir() + "/config-system/trustedkeys/root.d";
  RunProgram({"mkdir", "-p", system, Local() + "/root.d"});
  RunProgram({"cp", dir() + "/pub.gpg", system + "/" + key_});
  RktOk({"fetch", image_});
  RktOk({"image", "rm", "example.com/a/b"});
  WriteFile(Local() + "/root.d/" + key_, "");
  ExpectRefused(image_, "signature made by unknown entity");
  unlink((Local() + "/root.d/" + key_).c_str());
  RunProgram({"mv", system + "/" + key_, system + "/aaaa"});
  ExpectRefused(image_, "fingerprint mismatch: \"aaaa\":\"" + key_ + "\"");
}

TEST_F(Signed, RevokedKeyIsRefused) {
  RunProgram({"sh", "-c", "sed 's/^:-----/-----/' $0/openpgp-revocs.d/*.rev > $0/rev", home_});
  Gpg({"--import", home_ + "/rev"});
  Gpg({"--armor", "--output", dir() + "/pub.gpg", "--export", key_});
  Trust("example.com");
  ExpectRefused(image_, "was revoked");
}

TEST_F(Signed, WhatIsReadIsWhatIsVerified) {
  // Somebody keeps swapping the file for one that nobody signed.
  Trust("example.com");
  std::string evil = WriteImage("evil.aci", ImageSpec{.name = "example.com/a/evil"});
  Background swapper({"sh", "-c", "cp $0 $2.good; while :; do cat $1 > $2; cat $2.good > $2; done",
                      image_, evil, image_},
                     {}, dir() + "/swapper");
  for (int i = 0; i < 20; ++i) (void)Rkt({"fetch", image_});
  swapper.Kill(9);
  swapper.Wait();
  Output list = RktOk({"image", "list", "--fields=name", "--no-legend"});
  EXPECT_FALSE(Contains(list.out, "evil")) << list.out;
}

TEST_F(Signed, TrustWritesTheKeyUnderItsFingerprint) {
  Output output = RktOk({"trust", "--prefix=example.com/a", "--skip-fingerprint-review", "pub.gpg"},
                        {.directory = dir()});
  std::string path = PrefixKey("example.com/a");
  EXPECT_EQ(output.err, "pubkey: prefix: \"example.com/a\"\nkey: \"pub.gpg\"\n");
  EXPECT_TRUE(Contains(output.out, "gpg key fingerprint is: ")) << output.out;
  EXPECT_TRUE(
      Contains(output.out,
               "\n\tTester <t@example.com>\nTrusting \"pub.gpg\" for prefix \"example.com/a\" "
               "without fingerprint review.\nAdded key for prefix \"example.com/a\" at \"" +
                   path + "\"\n"))
      << output.out;
  EXPECT_EQ(ModeOf(path), 0644u);
  EXPECT_EQ(ReadFile(path), ReadFile(dir() + "/pub.gpg"));
}

TEST_F(Signed, TrustNeedsPrefixOrRootAndNotBoth) {
  std::string pub = dir() + "/pub.gpg";
  EXPECT_EQ(Rkt({"trust", pub}).code, 254);
  EXPECT_EQ(Rkt({"trust", "--root", "--prefix=a", pub}).code, 254);
  EXPECT_EQ(Rkt({"trust", "--prefix=a/../../b", "--skip-fingerprint-review", pub}).code, 254);
  EXPECT_EQ(
      Rkt({"trust", "--prefix=a", "--skip-fingerprint-review", "http://127.0.0.1:9/key"}).code,
      254);
  EXPECT_FALSE(Exists(Local()));
  insecure_ = "image";
  Output output = Rkt({"trust", "--root", "--skip-fingerprint-review", pub});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "could not get the keystore")) << output.err;
  insecure_ = "";
  RktOk({"trust", "--root", "--skip-fingerprint-review", pub});
  EXPECT_TRUE(Exists(Local() + "/root.d/" + key_));
}

TEST_F(Signed, TrustWithoutATerminalNeedsTheReviewSkipped) {
  Output output = Rkt({"trust", "--prefix=example.com", dir() + "/pub.gpg"}, {.input = "yes\n"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "--skip-fingerprint-review")) << output.err;
  EXPECT_FALSE(Exists(PrefixKey("example.com")));
}

TEST_F(Signed, TrustAsksOnATerminal) {
  {
    Terminal terminal(RktArgs({"trust", "--prefix=example.com", dir() + "/pub.gpg"}), {});
    ASSERT_TRUE(terminal.Expect("Are you sure you want to trust this key (yes/no)?"))
        << terminal.screen();
    terminal.Type("perhaps\n");
    ASSERT_TRUE(terminal.Expect("Are you sure you want to trust this key (yes/no)?"))
        << terminal.screen();
    terminal.Type("no\n");
    EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
    EXPECT_TRUE(Contains(terminal.screen(), "pubkey: not trusting \"")) << terminal.screen();
    EXPECT_FALSE(Exists(PrefixKey("example.com")));
  }
  Terminal terminal(RktArgs({"trust", "--prefix=example.com", dir() + "/pub.gpg"}), {});
  ASSERT_TRUE(terminal.Expect("(yes/no)?"));
  terminal.Type("yes\n");
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
  EXPECT_TRUE(Exists(PrefixKey("example.com")));
}

}  // namespace
}  // namespace rkt::test
