// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Every archive here is unpacked into DIR/root, beside which lies DIR/outside: whatever the archive says, that stays
// as it was.

#include "store/extract.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "store/image_archive.h"
#include "store/test_images.h"

namespace rkt::store {
namespace {

class Extract : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "unpacking needs root";
    ASSERT_TRUE(MakeDirs(dir_.path() + "/root", 0755));
    ASSERT_TRUE(MakeDirs(dir_.path() + "/outside", 0755));
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, dir_.path() + "/outside/secret", "untouched", 0600));
  }
  void TearDown() override {
    if (::geteuid() != 0) return;
    auto names = ListDirAt(AT_FDCWD, dir_.path() + "/outside");
    ASSERT_TRUE(names);
    EXPECT_EQ(names->size(), 1u);
    std::string secret = ReadFile(dir_.path() + "/outside/secret").value_or("");
    EXPECT_EQ(secret, "untouched");
    struct stat st;
    ASSERT_EQ(::stat((dir_.path() + "/outside/secret").c_str(), &st), 0);
    EXPECT_EQ(st.st_nlink, 1u);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
  }

  Status Unpack(const std::string& archive) {
    ImageArchive image(StringSource(archive));
    Extractor extractor(TRY(Open(dir_.path() + "/root", O_RDONLY | O_DIRECTORY)));
    while (TRY(image.Next())) {
      TRY(extractor.Put(image.path(), image.entry(), image.link_path(), image.reader()));
    }
    TRY(image.Finish());
    return extractor.Finish();
  }
  Status Unpack(TestArchive& archive) {
    archive.File("manifest", "{}");
    return Unpack(archive.Finish());
  }
  void ExpectRefused(TestArchive& archive, std::string_view word) {
    Status status = Unpack(archive);
    ASSERT_FALSE(status) << "was accepted, expected: " << word;
    EXPECT_NE(status.error().Text().find(word), std::string::npos) << status.error().Text();
  }
  std::string Root(std::string_view path) { return StrCat(dir_.path(), "/root/", path); }
  struct stat Stat(std::string_view path) {
    struct stat st = {};
    EXPECT_EQ(::lstat(Root(path).c_str(), &st), 0) << path;
    return st;
  }

  TestDir dir_;
};

TEST_F(Extract, OwnersModesTimesLinksAndDevicesArrive) {
  TestArchive archive;
  TarEntry tool = TestEntry("rootfs/bin/tool");
  tool.mode = 04755;
  tool.uid = 7;
  tool.gid = 8;
  tool.mtime = 1000;
  tool.mtime_ns = 5000;
  TarEntry directory = TestEntry("rootfs/bin", TarType::kDirectory);
  directory.mode = 01770;
  directory.gid = 9;
  directory.mtime = 2000;
  TarEntry link = TestEntry("rootfs/bin/sh", TarType::kSymlink, "tool");
  link.uid = 11;
  link.mtime = 3000;
  TarEntry null = TestEntry("rootfs/dev/null", TarType::kCharDevice);
  null.mode = 0666;
  null.dev_major = 1;
  null.dev_minor = 3;
  archive.Add(directory).Add(tool, "data").Add(link).Add(null);
  archive.Add(TestEntry("rootfs/bin/same", TarType::kHardLink, "./rootfs/bin/tool"));
  archive.Add(TestEntry("rootfs/fifo", TarType::kFifo));
  archive.File("elsewhere/file", "ignored");
  ASSERT_TRUE(Unpack(archive));
  struct stat st = Stat("bin/tool");
  EXPECT_EQ(st.st_mode, S_IFREG | 04755u);
  EXPECT_EQ(st.st_uid, 7u);
  EXPECT_EQ(st.st_gid, 8u);
  EXPECT_EQ(st.st_mtim.tv_sec, 1000);
  EXPECT_EQ(st.st_mtim.tv_nsec, 5000);
  EXPECT_EQ(st.st_nlink, 2u);
  EXPECT_EQ(Stat("bin/same").st_ino, st.st_ino);
  st = Stat("bin");
  EXPECT_EQ(st.st_mode, S_IFDIR | 01770u);
  EXPECT_EQ(st.st_gid, 9u);
  EXPECT_EQ(st.st_mtim.tv_sec, 2000) << "set after the files were written";
  st = Stat("bin/sh");
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  EXPECT_EQ(st.st_uid, 11u);
  EXPECT_EQ(st.st_mtim.tv_sec, 3000);
  st = Stat("dev/null");
  EXPECT_EQ(st.st_mode, S_IFCHR | 0666u);
  EXPECT_EQ(st.st_rdev, ::makedev(1, 3));
  EXPECT_EQ(Stat("dev").st_mode, S_IFDIR | 0755u) << "a missing parent is made";
  EXPECT_TRUE(S_ISFIFO(Stat("fifo").st_mode));
  EXPECT_FALSE(Exists(Root("file")));
}

TEST_F(Extract, OnlyCapabilitiesAndUserAttributesAreKept) {
  TestArchive archive;
  TarEntry file = TestEntry("rootfs/f");
  std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  file.uid = 5;  // chown takes capabilities away, so they must come after it
  file.xattrs = {{"security.capability", capability}, {"trusted.overlay.opaque", "y"}, {"security.ima", "x"}};
  archive.Add(file, "x");
  ASSERT_TRUE(Unpack(archive));
  char value[64];
  EXPECT_EQ(::lgetxattr(Root("f").c_str(), "security.capability", value, sizeof value), 20);
  EXPECT_LT(::lgetxattr(Root("f").c_str(), "trusted.overlay.opaque", value, sizeof value), 0);
  EXPECT_LT(::lgetxattr(Root("f").c_str(), "security.ima", value, sizeof value), 0);
}

TEST_F(Extract, WritingThroughASymlinkStaysInside) {
  TestArchive archive;
  archive.Add(TestEntry("rootfs/up", TarType::kSymlink, "../outside"));
  archive.File("rootfs/up/secret", "changed");
  // ".." of the root is the root, and there is no directory of that name in it.
  ExpectRefused(archive, "up");
  TestArchive absolute;
  absolute.Add(TestEntry("rootfs/abs", TarType::kSymlink, dir_.path() + "/outside"));
  absolute.File("rootfs/abs/secret", "changed");
  ExpectRefused(absolute, "abs");
  TestArchive climbing;
  climbing.Add(TestEntry("rootfs/outside", TarType::kDirectory));
  climbing.Add(TestEntry("rootfs/climb", TarType::kSymlink, "../../../../outside"));
  climbing.File("rootfs/climb/secret", "inside");
  ASSERT_TRUE(Unpack(climbing));
  EXPECT_EQ(ReadFile(Root("outside/secret")).value_or(""), "inside");
}

TEST_F(Extract, ASymlinkInTheWayIsReplacedNotFollowed) {
  TestArchive archive;
  archive.Add(TestEntry("rootfs/f", TarType::kSymlink, dir_.path() + "/outside/secret"));
  archive.File("rootfs/f", "file");
  archive.Add(TestEntry("rootfs/d", TarType::kSymlink, dir_.path() + "/outside"));
  archive.Add(TestEntry("rootfs/d", TarType::kDirectory));
  archive.File("rootfs/d/x", "x");
  ASSERT_TRUE(Unpack(archive));
  EXPECT_TRUE(S_ISREG(Stat("f").st_mode));
  EXPECT_TRUE(S_ISDIR(Stat("d").st_mode));
}

TEST_F(Extract, AbsoluteLinksInsideTheImageLeadIntoIt) {
  TestArchive archive;
  archive.Add(TestEntry("rootfs/run", TarType::kDirectory));
  archive.Add(TestEntry("rootfs/var/run", TarType::kSymlink, "/run"));
  archive.File("rootfs/var/run/pid", "1");
  ASSERT_TRUE(Unpack(archive));
  EXPECT_EQ(ReadFile(Root("run/pid")).value_or(""), "1");
}

TEST_F(Extract, NamesThatLeadElsewhereAreRefused) {
  for (const char* name : {"rootfs/../outside/x", "../outside/x", "rootfs/a/../../../outside/x", "/rootfs/x",
                           "/etc/passwd", ".."}) {
    TestArchive archive;
    archive.File(name, "x");
    ExpectRefused(archive, "image entry");
  }
  TestArchive empty;
  empty.File("", "x");
  ExpectRefused(empty, "empty name");
  TestArchive dot;
  dot.File(".", "x");
  ExpectRefused(dot, "archive's root");
  TestArchive nul;
  nul.File(std::string("rootfs/") + std::string(200, 'a') + std::string("\0b", 2) + std::string(90, 'c'), "x");
  ExpectRefused(nul, "NUL");
}

TEST_F(Extract, OddButHarmlessNamesStayInside) {
  TestArchive archive;
  archive.Add(TestEntry("./", TarType::kDirectory));
  archive.File("./rootfs//a\nb", "newline");
  archive.File("rootfs/.../\x1b[2J", "escape");
  ASSERT_TRUE(Unpack(archive));
  EXPECT_EQ(ReadFile(Root("a\nb")).value_or(""), "newline");
  EXPECT_EQ(ReadFile(Root(".../\x1b[2J")).value_or(""), "escape");
}

TEST_F(Extract, HardLinksLeadToEarlierEntriesOfRootfsOnly) {
  std::pair<const char*, const char*> cases[] = {
      {"rootfs/later", "does not come before it"},   {"../outside/secret", "\"..\""},
      {"rootfs/../../outside/secret", "\"..\""},      {"/etc/passwd", "absolute"},
      {"manifest", "outside of rootfs"},              {"rootfs", "outside of rootfs"},
      {"rootfs/l/secret", "does not come before it"}, {"rootfs/dir", "to \"dir\""},
      {"rootfs/h", "to itself"},
  };
  for (auto [target, word] : cases) {
    TestArchive archive;
    archive.Add(TestEntry("rootfs/dir", TarType::kDirectory));
    archive.Add(TestEntry("rootfs/l", TarType::kSymlink, "../outside"));
    archive.Add(TestEntry("rootfs/h", TarType::kHardLink, target));
    archive.File("rootfs/later", "x");
    ExpectRefused(archive, word);
  }
  TestArchive link;  // to a symlink: the link itself gets a second name
  link.Add(TestEntry("rootfs/s", TarType::kSymlink, dir_.path() + "/outside/secret"));
  link.Add(TestEntry("rootfs/t", TarType::kHardLink, "rootfs/s"));
  ASSERT_TRUE(Unpack(link));
  EXPECT_TRUE(S_ISLNK(Stat("t").st_mode));
}

TEST_F(Extract, AFileThatBecomesADirectoryAndBackEndsAsTheLastEntry) {
  TestArchive archive;
  TarEntry directory = TestEntry("rootfs/x", TarType::kDirectory);
  directory.mode = 0711;
  archive.File("rootfs/x", "file").Add(directory).File("rootfs/x/y/z", "deep").File("rootfs/x", "file again");
  archive.File("rootfs/p", "file").Add(TestEntry("rootfs/p", TarType::kDirectory)).File("rootfs/p/q", "q");
  ASSERT_TRUE(Unpack(archive));
  EXPECT_EQ(ReadFile(Root("x")).value_or(""), "file again");
  EXPECT_EQ(Stat("x").st_mode, S_IFREG | 0644u) << "the mode of the directory that was must not hit the file";
  EXPECT_EQ(ReadFile(Root("p/q")).value_or(""), "q");
}

TEST_F(Extract, ADirectoryReplacedByALinkKeepsItsModeToItself) {
  TestArchive archive;
  TarEntry open = TestEntry("rootfs/d", TarType::kDirectory);
  open.mode = 0777;
  archive.Add(open).File("rootfs/d/f", "x");
  archive.Add(TestEntry("rootfs/target", TarType::kDirectory));
  archive.Add(TestEntry("rootfs/d", TarType::kSymlink, "target"));
  ASSERT_TRUE(Unpack(archive));
  EXPECT_EQ(Stat("target").st_mode, S_IFDIR | 0755u);
}

TEST_F(Extract, ManifestTwiceOrOfAnotherKindIsRefused) {
  TestArchive twice;
  twice.File("manifest", "{}").File("rootfs/f", "x").File("./manifest", "{}");
  EXPECT_NE(Unpack(twice.Finish()).error().Text().find("manifest comes twice"), std::string::npos);
  for (TarType type : {TarType::kSymlink, TarType::kDirectory, TarType::kHardLink, TarType::kFifo}) {
    TestArchive archive;
    archive.Add(TestEntry("manifest", type, "rootfs/f"));
    EXPECT_NE(Unpack(archive.Finish()).error().Text().find("the manifest is a"), std::string::npos);
  }
  TestArchive after;
  after.File("rootfs/f", "x").File("manifest", "{}");
  EXPECT_TRUE(Unpack(after.Finish())) << "behind the rootfs it is as good";
  TestArchive none;
  none.File("rootfs/f", "x");
  EXPECT_NE(Unpack(none.Finish()).error().Text().find("missing manifest"), std::string::npos);
  TestArchive link;
  link.Add(TestEntry("rootfs", TarType::kSymlink, "../outside"));
  ExpectRefused(link, "rootfs is a symlink");
}

}  // namespace
}  // namespace rkt::store
