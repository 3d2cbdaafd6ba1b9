// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Archives made by somebody who wants more than to be unpacked: the host, the store and other
// images stay as they are, whether the import fails (then naming the entry) or succeeds.

#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Hostile : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    MakeDirs(dir() + "/host");
    WriteFile(dir() + "/host/file", "untouched\n", 0640);
    victim_ = Fetch(JudgeAci());
  }
  static Tar Start() {
    Tar tar;
    tar.File("manifest", ManifestJson({.name = "example.com/hostile"})).Dir("rootfs");
    return tar;
  }
  size_t CountImages() {
    return Facts::Parse(RktOk({"image", "list", "--format=json"}).out).Count("");
  }
  // What must hold afterwards, whatever became of the import.
  Output Import(const std::string& tar, double timeout = 30) {
    size_t images = CountImages();
    Output output = Rkt({"fetch", WriteImage("hostile.aci", tar)}, {.timeout = timeout});
    EXPECT_FALSE(output.timed_out);
    EXPECT_EQ(output.signal, 0) << output.All();
    EXPECT_EQ(ReadFile(dir() + "/host/file"), "untouched\n");
    EXPECT_EQ(ModeOf(dir() + "/host/file"), 0640u);
    EXPECT_EQ(ListDir(dir() + "/host"), Args{"file"});
    EXPECT_FALSE(Exists("/rkt-escaped"));
    EXPECT_FALSE(Exists(data() + "/escaped") || Exists(data() + "/cas/escaped") ||
                 Exists(data() + "/cas/tree/escaped"));
    EXPECT_TRUE(Contains(RktOk({"image", "verify", victim_}).out, "successfully verified"));
    if (output.code != 0) {
      EXPECT_EQ(output.code, 254) << output.All();
      EXPECT_EQ(CountImages(), images) << "nothing half imported";
    }
    return output;
  }
  void Refused(const std::string& tar, const std::string& entry) {
    Output output = Import(tar);
    EXPECT_EQ(output.code, 254) << entry << "\n" << output.All();
    EXPECT_TRUE(Contains(output.err, entry)) << "the entry is not named: " << entry << "\n"
                                             << output.err;
  }
  std::string victim_;
};

TEST_F(Hostile, NamesThatLeadOut) {
  for (const char* name : {"../escaped", "rootfs/../../escaped", "rootfs/a/../../../escaped",
                           "/rkt-escaped", "rootfs/.."}) {
    Import(Start().File(name, "x").Finish());
  }
  Refused(Start().File("rootfs/../../../../escaped-here", "x").Finish(), "escaped-here");
}

TEST_F(Hostile, WritingThroughALink) {
  Import(Start()
             .Symlink("rootfs/out", dir() + "/host")
             .File("rootfs/out/file", "overwritten\n")
             .Finish());
  Import(Start()
             .Symlink("rootfs/out", "../../../../../../../.." + dir() + "/host")
             .File("rootfs/out/new", "x")
             .Finish());
  Import(Start()
             .Symlink("rootfs/file", dir() + "/host/file")
             .File("rootfs/file", "overwritten\n")
             .Finish());
  Import(Start()
             .Symlink("rootfs/up", "..")
             .File("rootfs/up/up", "x")
             .File("rootfs/up/manifest", "x")
             .Finish());
  Import(Tar()
             .File("manifest", ManifestJson({.name = "example.com/hostile"}))
             .Symlink("rootfs", dir() + "/host")
             .File("rootfs/file", "overwritten\n")
             .Finish());
}

TEST_F(Hostile, ModesAndOwnersThroughALink) {
  Tar tar = Start();
  tar.Symlink("rootfs/out", dir() + "/host");
  tar.Add({.name = "rootfs/out/", .type = '5', .mode = 0777, .uid = 99, .gid = 99});
  Import(tar.Finish());
  struct stat st;
  ASSERT_EQ(stat((dir() + "/host").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 0u);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
}

TEST_F(Hostile, HardLinksToFilesOfTheHost) {
  std::string file = dir() + "/host/file";
  Import(Start().HardLink("rootfs/link", file).File("rootfs/link", "overwritten\n").Finish());
  Import(Start().HardLink("rootfs/link", "../../../../../../../.." + file).Finish());
  Import(Start()
             .Symlink("rootfs/s", file)
             .HardLink("rootfs/link", "rootfs/s")
             .File("rootfs/link", "x")
             .Finish());
  Import(Start().HardLink("rootfs/self", "rootfs/self").Finish());
  Refused(Start().HardLink("rootfs/early", "rootfs/later").File("rootfs/later", "x").Finish(),
          "early");
  struct stat st;
  ASSERT_EQ(lstat(file.c_str(), &st), 0);
  EXPECT_EQ(st.st_nlink, 1u);
}

TEST_F(Hostile, OddNames) {
  Import(Start().File("rootfs/new\nline", "x").Finish());
  Import(Start().File("", "x").Finish());
  Import(Start().File(".", "x").Finish());
  Import(Start().File("rootfs/" + std::string(300, 'n'), "x").Finish());
  Import(Start().File("rootfs/" + std::string(9000, 'n'), "x").Finish());
  std::string deep = "rootfs";
  for (int i = 0; i < 3000; i++) deep += "/d";
  Import(Start().File(deep, "x").Finish());
  Output output = Import(Start().File("rootfs/\x1b[31mred/..", "x").Finish());
  EXPECT_FALSE(Contains(output.err, "\x1b[31m"))
      << "terminal escapes of an archive are not printed";
}

TEST_F(Hostile, ManifestInOddShapes) {
  const std::string good = ManifestJson({.name = "example.com/hostile"});
  Import(Tar().Dir("rootfs").Symlink("manifest", dir() + "/host/file").Finish());
  Import(Tar().Dir("rootfs").Dir("manifest").Finish());
  Import(Tar()
             .File("manifest", good)
             .File("manifest", ManifestJson({.name = "example.com/other"}))
             .Dir("rootfs")
             .Finish());
  Import(Tar().Dir("rootfs").File("rootfs/x", "x").File("manifest", good).Finish());
  Import(Tar().File("manifest", std::string(80 << 20, ' ')).Dir("rootfs").Finish());
  Import(Tar().File("manifest", std::string(1 << 20, '[')).Dir("rootfs").Finish());
}

TEST_F(Hostile, FileThatBecomesADirectoryAndBack) {
  Import(Start().File("rootfs/x", "x").Dir("rootfs/x").File("rootfs/x/y", "y").Finish());
  Import(Start().Dir("rootfs/x").File("rootfs/x/y", "y").File("rootfs/x", "x").Finish());
}

TEST_F(Hostile, TruncatedAndLyingArchives) {
  std::string whole = Start().File("rootfs/a", std::string(100000, 'a')).Finish();
  Import(whole.substr(0, whole.size() / 2));
  Import(Start().Add({.name = "rootfs/a", .content = "x", .size = 1L << 32}).Finish());
  std::string tar = WriteImage("cut.tar", JudgeTar());
  for (const char* tool : {"gzip -1", "bzip2 -1", "xz -0", "zstd -q -1"}) {
    ASSERT_EQ(
        RunProgram(
            {"sh", "-c", std::string(tool) + " < " + tar + " | head -c 200000 > " + dir() + "/cut"})
            .code,
        0);
    Output output = Import(ReadFile(dir() + "/cut"));
    EXPECT_EQ(output.code, 254) << tool << "\n" << output.All();
  }
  std::string damaged = Start().File("rootfs/a", "x").Finish();
  damaged[100] = '9';
  EXPECT_EQ(Import(damaged).code, 254);
}

TEST_F(Hostile, AbsurdExtendedHeaders) {
  Tar tar = Start();
  tar.Add({.name = "rootfs/a",
           .content = "x",
           .pax = {{"SCHILY.xattr.user.big", std::string(70000, 'x')}}});
  Import(tar.Finish());
  tar = Start();
  tar.Add({.name = "rootfs/a", .content = "x", .pax = {{"path", "../../../../escaped"}}});
  Import(tar.Finish());
  tar = Start();
  tar.Add({.name = "rootfs/a", .content = "x", .pax = {{"size", "99999999999999999999"}}});
  Import(tar.Finish());
  tar = Start();
  tar.Add({.name = "rootfs/a", .content = "x", .pax = {{"comment", std::string(64 << 20, 'c')}}});
  Import(tar.Finish());
  Import(Start().Raw(std::string("rootfs/x") + std::string(504, '\xff')).Finish());
}

TEST_F(Hostile, BombNeedsNoMemory) {
  // Half a gigabyte of zeros in half a megabyte.
  std::string bomb = dir() + "/bomb.aci";
  WriteImage("head", Start().Add({.name = "rootfs/zeros", .size = 1L << 29}).Finish());
  ASSERT_EQ(RunProgram({"sh", "-c",
                        "(head -c -1024 " + dir() +
                            "/head; head -c 536871936 /dev/zero) | gzip -1 > " + bomb})
                .code,
            0);
  Output output = Rkt({"fetch", bomb});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_LT(output.max_rss_kb, 64 << 10);
}

TEST_F(Hostile, PrivilegesInTheArchiveStayInTheStore) {
  Tar tar = Start();
  tar.Add({.name = "rootfs/suid", .content = "x", .mode = 04755});
  tar.Add({.name = "rootfs/disk", .type = '4', .mode = 0666, .major = 254, .minor = 0});
  EXPECT_EQ(Import(tar.Finish()).code, 0);
  // Other users cannot walk there.
  Options nobody;
  nobody.uid = 65534;
  EXPECT_NE(
      RunProgram({"/bin/busybox", "find", data() + "/cas/tree", "-name", "suid"}, nobody).code, 0);
  EXPECT_EQ(RunProgram({"/bin/busybox", "find", data() + "/cas/tree", "-name", "suid"}, nobody).out,
            "");
}

TEST_F(Hostile, ImportsOfOneImageAtOnceAgree) {
  std::string file = WriteImage("same.aci", ImageSpec{.name = "example.com/same"});
  std::vector<Background> fetches;
  for (int i = 0; i < 8; i++) fetches.push_back(StartRkt({"fetch", "--full", file}));
  std::string id;
  for (Background& fetch : fetches) {
    Output output = fetch.Wait();
    EXPECT_EQ(output.code, 0) << output.All();
    if (id.empty()) id = output.out;
    EXPECT_EQ(output.out, id);
  }
  EXPECT_TRUE(Contains(RktOk({"image", "verify", Trim(id)}).out, "successfully verified"));
}

}  // namespace
}  // namespace rkt::test
