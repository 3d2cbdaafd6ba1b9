// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Making image files: image build, patch-manifest, sign.

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class ImageTools : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped()) return;
    MakeDirs(image() + "/rootfs/bin");
    WriteFile(image() + "/rootfs/bin/busybox", ReadFile("/bin/busybox"), 0755);
    ASSERT_EQ(symlink("busybox", (image() + "/rootfs/bin/sh").c_str()), 0);
    WriteManifest("example.com/made");
  }
  std::string image() const { return dir() + "/image"; }
  std::string Out(const std::string& name = "out.aci") const { return dir() + "/" + name; }
  void WriteManifest(const std::string& name) {
    ImageSpec spec{.name = name, .exec = {"/bin/sh", "-c", "echo I am $0"}};
    WriteFile(image() + "/manifest", ManifestJson(spec));
  }
  std::string Build(const Args& flags = {}, const std::string& name = "out.aci") {
    return Trim(RktOk(Args{"image", "build"} + flags + Args{image(), Out(name)}).out);
  }
  std::string Patch(const Args& flags) {
    return Trim(
        RktOk(Args{"image", "patch-manifest", "--overwrite"} + flags + Args{Out(), Out("p.aci")})
            .out);
  }
  Facts ManifestOf(const std::string& file) {
    return Facts::Parse(RunProgram({"tar", "-xOf", file, "manifest"}).out);
  }
};

TEST_F(ImageTools, ABuiltImageRuns) {
  std::string id = Build();
  EXPECT_EQ(Fetch(Out()), id);
  EXPECT_EQ(AppText(RunOk({Out()}).out), "I am /bin/sh\n");
}

TEST_F(ImageTools, EveryCompressionHoldsTheSameImage) {
  std::string id = Build({"--timestamp=0"}, "none.aci");
  for (const char* format : {"gzip", "zstd", "xz", "none"}) {
    std::string file = std::string(format) + "-2.aci";
    EXPECT_EQ(Build({"--timestamp=0", std::string("--compression=") + format}, file), id);
    EXPECT_EQ(Fetch(Out(file)), id) << format;
  }
  Output output =
      Rkt({"image", "build", "--compression=rar", image(), Out("x.aci")});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "unknown compression \"rar\"")) << output.err;
  EXPECT_FALSE(Exists(Out("x.aci")));
}

TEST_F(ImageTools, TheSameFilesGiveTheSameBytesWhereverTheyLie) {
  RunProgram({"cp", "-a", image(), dir() + "/copy"});
  // Another order of creation, other times of access and change.
  RunProgram({"sh", "-c", "cd " + dir() + "/copy/rootfs/bin && mv busybox x && mv x busybox"});
  RunProgram({"touch", "-r", image() + "/rootfs/bin", dir() + "/copy/rootfs/bin"});
  for (const char* format : {"gzip", "zstd", "xz"}) {
    std::string flag = std::string("--compression=") + format;
    Build({"--overwrite", flag});
    RktOk({"image", "build", "--overwrite", flag, dir() + "/copy", Out("copy.aci")});
    EXPECT_EQ(ReadFile(Out()), ReadFile(Out("copy.aci"))) << format;
  }
  // With a fixed time it does not matter when they were made either.
  Build({"--overwrite", "--timestamp=2017-07-14T02:40:00Z"});
  RunProgram({"touch", dir() + "/copy/rootfs/bin", dir() + "/copy/manifest"});
  RktOk({"image", "build", "--overwrite", "--timestamp=1500000000", dir() + "/copy",
         Out("copy.aci")});
  EXPECT_EQ(ReadFile(Out()), ReadFile(Out("copy.aci")));
}

TEST_F(ImageTools, LinksDevicesOwnersAndAttributesComeBack) {
  std::string root = image() + "/rootfs";
  WriteFile(root + "/file", "content", 04750);
  ASSERT_EQ(chown((root + "/file").c_str(), 3000000, 7), 0);
  ASSERT_EQ(chmod((root + "/file").c_str(), 04750), 0);
  ASSERT_EQ(link((root + "/file").c_str(), (root + "/hard").c_str()), 0);
  ASSERT_EQ(symlink("/etc/shadow", (root + "/leads-out").c_str()), 0);
  ASSERT_EQ(mkfifo((root + "/fifo").c_str(), 0600), 0);
  bool attributes = setxattr((root + "/bin").c_str(), "user.test", "v", 1, 0) == 0;
  Output sparse = RunProgram({"truncate", "-s", "300M", root + "/sparse"});
  ASSERT_EQ(sparse.code, 0);
  std::string id = Build();
  struct stat st;
  ASSERT_EQ(stat(Out().c_str(), &st), 0);
  EXPECT_LT(st.st_size, 4 << 20);
  Fetch(Out());
  RktOk({"image", "extract", id, dir() + "/back"});
  std::string back = dir() + "/back/rootfs";
  ASSERT_EQ(lstat((back + "/file").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 3000000u);
  EXPECT_EQ(st.st_gid, 7u);
  EXPECT_EQ(st.st_mode & 07777, 04750u);
  EXPECT_EQ(st.st_nlink, 2u);
  ASSERT_EQ(lstat((back + "/leads-out").c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  ASSERT_EQ(lstat((back + "/fifo").c_str(), &st), 0);
  EXPECT_TRUE(S_ISFIFO(st.st_mode));
  ASSERT_EQ(lstat((back + "/sparse").c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 300 << 20);
  char value[8];
  if (attributes) EXPECT_EQ(getxattr((back + "/bin").c_str(), "user.test", value, 8), 1);
  // And what was unpacked builds into the same image again.
  EXPECT_EQ(Trim(RktOk({"image", "build", dir() + "/back", Out("again.aci")}).out).size(),
            id.size());
}

TEST_F(ImageTools, WhatIsWrongIsNamedAndNothingIsMade) {
  auto refused = [&](const std::string& why) {
    Output output = Rkt({"image", "build", image(), Out()});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, why)) << output.err;
    EXPECT_FALSE(Exists(Out()));
  };
  WriteFile(image() + "/manifest",
            "{\n  \"acKind\": \"ImageManifest\",\n  \"acVersion\": \"0.8.11\",\n"
            "  \"name\": \"example.com/a\",\n  \"app\": {\"exec\": [\"/a\"], \"user\": 7, "
            "\"group\": \"0\"}\n}\n");
  refused("image/manifest: line 5, column 35: app.user: ");
  WriteFile(image() + "/manifest", "{\"acKind\": ");
  refused("image/manifest: Error at line 1");
  unlink((image() + "/manifest").c_str());
  refused("manifest: no such file or directory");
  ASSERT_EQ(symlink("/etc/passwd", (image() + "/manifest").c_str()), 0);
  refused("manifest");
  unlink((image() + "/manifest").c_str());
  WriteManifest("example.com/made");
  WriteFile(image() + "/Dockerfile", "x");
  refused("Dockerfile does not belong into an image");
}

TEST_F(ImageTools, AnExistingFileStaysUnlessAsked) {
  WriteFile(Out(), "mine");
  Output output = Rkt({"image", "build", image(), Out()});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "exists (try --overwrite)")) << output.err;
  EXPECT_EQ(ReadFile(Out()), "mine");
  Build({"--overwrite"});
  EXPECT_NE(ReadFile(Out()), "mine");
}

TEST_F(ImageTools, KilledInTheMiddleLeavesNothing) {
  Output big = RunProgram(
      {"sh", "-c", "head -c 100M /dev/urandom > " + image() + "/rootfs/big"});
  ASSERT_EQ(big.code, 0);
  MakeDirs(dir() + "/to");
  WriteFile(dir() + "/to/old.aci", "old");
  for (int i = 0; i < 6; ++i) {
    bool replace = i % 2 == 1;
    Background build = StartRkt({"image", "build", "--overwrite", image(),
                                 dir() + (replace ? "/to/old.aci" : "/to/new.aci")});
    SleepFor(0.05 + 0.1 * i);
    build.Kill(SIGKILL);
    build.Wait();
    EXPECT_EQ(ListDir(dir() + "/to"), std::vector<std::string>{"old.aci"});
    EXPECT_EQ(ReadFile(dir() + "/to/old.aci"), "old");
  }
}

TEST_F(ImageTools, AFileThatChangesWhileItIsReadIsAnError) {
  std::string file = image() + "/rootfs/log";
  Output big = RunProgram({"sh", "-c", "head -c 60M /dev/zero > " + file});
  ASSERT_EQ(big.code, 0);
  Background writer({"sh", "-c", "while :; do echo x >> " + file + "; done"}, {}, dir() + "/writer");
  Output output = Rkt({"image", "build", image(), Out()});
  writer.Kill(SIGKILL);
  writer.Wait();
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "\"rootfs/log\" changed while it was read")) << output.err;
  EXPECT_FALSE(Exists(Out()));
}

TEST_F(ImageTools, PatchedManifestsSayWhatWasAsked) {
  Build();
  std::string id =
      Patch({"--name=example.com/other", "--label=version=9", "--annotation=authors=me",
             "--exec=[\"/bin/sh\", \"-c\", \"echo A is $A\"]", "--environment=A=a b",
             "--user=0", "--group=0", "--supplementary-gids=5,6", "--working-directory=/bin",
             "--mount=name=data,path=/data", "--port=name=http,port=80", "--memory=64M",
             "--cpu=500m", "--capability=CAP_CHOWN,CAP_KILL",
             "--seccomp-mode=remove,errno=EPERM", "--seccomp-set=reboot"});
  Facts facts = ManifestOf(Out("p.aci"));
  EXPECT_EQ(facts["/name"], "example.com/other");
  EXPECT_EQ(facts["/app/workingDirectory"], "/bin");
  EXPECT_EQ(facts["/app/supplementaryGIDs/1"], "6");
  EXPECT_EQ(facts["/app/mountPoints/0/path"], "/data");
  EXPECT_EQ(facts["/app/ports/0/port"], "80");
  EXPECT_EQ(facts.Count("/app/isolators"), 4u) << facts.text();
  EXPECT_EQ(Fetch(Out("p.aci")), id);
  Patch({"--exec=/bin/sh -c pwd", "--working-directory=/bin"});
  EXPECT_EQ(AppText(RunOk({Out("p.aci")}).out), "/bin\n");
}

TEST_F(ImageTools, PatchingChangesTheManifestAlone) {
  Build({"--compression=zstd"});
  Patch({"--name=example.com/other"});
  EXPECT_EQ(ReadFile(Out("p.aci")).substr(0, 4), ReadFile(Out()).substr(0, 4));
  auto tree = [&](const std::string& file, const std::string& to) {
    MakeDirs(to);
    return RunProgram({"tar", "-C", to, "-xf", file}).code;
  };
  ASSERT_EQ(tree(Out(), dir() + "/one"), 0);
  ASSERT_EQ(tree(Out("p.aci"), dir() + "/two"), 0);
  EXPECT_EQ(RunProgram({"diff", "-r", dir() + "/one/rootfs", dir() + "/two/rootfs"}).code, 0);
  // In place.
  std::string id = Trim(
      RktOk({"image", "patch-manifest", "--replace", "--name=example.com/other", Out()}).out);
  EXPECT_EQ(ReadFile(Out()), ReadFile(Out("p.aci")));
  EXPECT_EQ(Fetch(Out()), id);
}

TEST_F(ImageTools, PatchesThatCannotBeLeaveEverythingAlone) {
  Build();
  std::string before = ReadFile(Out());
  auto refused = [&](const Args& flags, const std::string& why) {
    Output output = Rkt(Args{"image", "patch-manifest", "--replace"} + flags + Args{Out()});
    EXPECT_NE(output.code, 0) << output.All();
    EXPECT_TRUE(Contains(output.All(), why)) << output.All();
    EXPECT_EQ(ReadFile(Out()), before);
  };
  refused({"--name=Bad Name"}, "name");
  refused({"--memory=banana"}, "banana");
  refused({"--seccomp-mode=retain"}, "go together");
  refused({"--capability=CAP_KILL", "--revoke-capability=CAP_CHOWN"}, "exclude each other");
  refused({"--manifest=/nonexistent"}, "/nonexistent");
}

TEST_F(ImageTools, ASignedImageIsAcceptedByWhoeverTrustsTheKey) {
  REQUIRE_FACILITY("gpg", access("/usr/bin/gpg", X_OK) == 0, "not installed");
  char home[] = "/tmp/rkt-gpg-XXXXXX";
  ASSERT_NE(mkdtemp(home), nullptr);
  Options gpg{.env = {std::string("GNUPGHOME=") + home}};
  Build();
  Output none = Rkt({"image", "sign", Out()}, gpg);
  EXPECT_EQ(none.code, 254) << none.All();
  EXPECT_TRUE(Contains(none.err, "gpg could not sign the image")) << none.err;
  EXPECT_FALSE(Exists(Out("out.aci.asc")));
  for (const char* who : {"First <first@example.com>", "Second <second@example.com>"}) {
    RunProgram({"gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", who,
                "ed25519", "sign", "0"},
               gpg);
  }
  Output made = RktOk({"image", "sign", "--key=second@example.com", Out()}, gpg);
  EXPECT_EQ(Trim(made.out), Out("out.aci.asc"));
  EXPECT_TRUE(Contains(made.err, "Second <second@example.com>")) << made.err;
  EXPECT_EQ(Rkt({"image", "sign", Out()}, gpg).code, 254) << "a signature was overwritten";
  RunProgram({"gpg", "--armor", "--output", Out("pub"), "--export", "second@example.com"}, gpg);
  insecure_ = "";
  EXPECT_EQ(Rkt({"fetch", Out()}).code, 254);
  RktOk({"trust", "--skip-fingerprint-review", "--prefix=example.com/made", Out("pub")});
  RktOk({"fetch", Out()});
  RunProgram({"gpgconf", "--kill", "all"}, gpg);
  RunProgram({"rm", "-rf", home});
}

TEST_F(ImageTools, WithoutGpgSigningSaysWhatIsMissing) {
  Build();
  Output output =
      RunProgram(Args{"env", "PATH=/nonexistent"} + RktArgs({"image", "sign", Out()}));
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "gpg is not installed")) << output.err;
  EXPECT_FALSE(Exists(Out("out.aci.asc")));
}

}  // namespace
}  // namespace rkt::test
