// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Edits of manifests, archives that are patched, directories that become images.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "image/make/build.h"
#include "image/make/manifest_edits.h"
#include "image/make/output_file.h"
#include "image/make/patch.h"
#include "store/test_images.h"

namespace rkt::image {
namespace {

using store::TestArchive;
using store::TestDir;
using store::TestEntry;
using store::TestManifest;

std::string Edited(const ManifestEdits& edits, const std::string& text = TestManifest("example.com/a", "1")) {
  auto edited = EditManifest(text, edits);
  EXPECT_TRUE(edited) << edited.error().Text();
  return edited ? *edited : "";
}

TEST(ManifestEdits, NothingToDoLeavesTheBytesAlone) {
  std::string text = StrCat(" ", TestManifest("example.com/a"), "\n");
  EXPECT_EQ(Edited({}, text), text);
}

TEST(ManifestEdits, EachEditChangesItsMemberAndKeepsUnknownOnes) {
  ManifestEdits edits;
  edits.name = "example.com/b";
  edits.remove_labels = {"version"};
  edits.labels = {{"channel", "beta"}};
  edits.annotations = {{"authors", "me"}};
  edits.exec = std::vector<std::string>{"/bin/sh", "-c", "a b"};
  edits.user = "7";
  edits.environment = {{"A", "1"}, {"B", "2"}};
  edits.mounts = {*ParseMount("name=data,path=/data,readOnly=true")};
  edits.ports = {*ParsePort("name=http,port=80")};
  edits.isolators = {*appc::MakeMemory("64M"), *ParseSeccomp("remove,errno=EPERM", "reboot,mount")};
  auto manifest = appc::ParseImageManifest(Edited(edits, TestManifest("example.com/a", "1", R"("x":{"y":[1]})")));
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->name, "example.com/b");
  EXPECT_EQ(manifest->version(), "");
  EXPECT_EQ(*manifest->Find("channel"), "beta");
  EXPECT_EQ(*appc::FindAnnotation(manifest->annotations, "authors"), "me");
  ASSERT_TRUE(manifest->app);
  EXPECT_EQ(manifest->app->exec, (std::vector<std::string>{"/bin/sh", "-c", "a b"}));
  EXPECT_EQ(manifest->app->user, "7");
  EXPECT_EQ(manifest->app->group, "0");
  EXPECT_EQ(*appc::FindVariable(manifest->app->environment, "B"), "2");
  EXPECT_TRUE(manifest->app->mount_points.at(0).read_only);
  EXPECT_EQ(manifest->app->ports.at(0).protocol, "tcp");
  EXPECT_EQ(appc::MemoryLimit(manifest->app->isolators), 64'000'000);
  EXPECT_EQ(appc::GetSeccomp(manifest->app->isolators).at(0).set, (std::vector<std::string>{"reboot", "mount"}));
  ASSERT_EQ(manifest->unknown.size(), 1u);
  EXPECT_EQ(manifest->unknown[0].key, "x");
}

TEST(ManifestEdits, ASetOfCapabilitiesTakesThePlaceOfEither) {
  ManifestEdits retain, remove;
  retain.exec = std::vector<std::string>{"/a"};
  retain.isolators = {*appc::MakeCapabilities(true, {"CAP_CHOWN"})};
  remove.isolators = {*appc::MakeCapabilities(false, {"CAP_KILL"})};
  auto manifest = appc::ParseImageManifest(Edited(remove, Edited(retain)));
  ASSERT_TRUE(manifest);
  auto capabilities = appc::GetCapabilities(manifest->app->isolators);
  EXPECT_FALSE(capabilities.retain);
  EXPECT_EQ(*capabilities.remove, std::vector<std::string>{"CAP_KILL"});
}

TEST(ManifestEdits, WhatTheEditsMakeIsChecked) {
  ManifestEdits edits;
  edits.name = "Not A Name";
  auto edited = EditManifest(TestManifest("example.com/a"), edits);
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().code(), Code::kInvalid);
  edits = {};
  edits.user = "1";
  edited = EditManifest(TestManifest("example.com/a"), edits);
  ASSERT_FALSE(edited);
  EXPECT_NE(edited.error().Text().find("no app"), std::string::npos);
}

TEST(ManifestEdits, ValuesOfFlagsAreRead) {
  EXPECT_EQ(*ParseExec("/bin/a  b c"), (std::vector<std::string>{"/bin/a", "b", "c"}));
  EXPECT_EQ(*ParseExec(R"(["/bin/a", "b c"])"), (std::vector<std::string>{"/bin/a", "b c"}));
  EXPECT_FALSE(ParseExec(R"(["/bin/a", 1])"));
  EXPECT_EQ(*ParseGids("1,20"), (std::vector<uint32_t>{1, 20}));
  EXPECT_FALSE(ParseGids("1,x"));
  EXPECT_FALSE(ParseMount("name=data"));
  EXPECT_FALSE(ParseMount("name=data,path=/d,mode=1"));
  EXPECT_FALSE(ParsePort("name=http"));
  EXPECT_FALSE(ParsePort("name=http,port=70000"));
  EXPECT_FALSE(ParseSeccomp("keep", "a"));
  EXPECT_FALSE(ParseAssignment("novalue"));
}

TEST(Timestamp, SecondsAndRfc3339) {
  EXPECT_EQ(*ParseTimestamp("0"), 0);
  EXPECT_EQ(*ParseTimestamp("2017-07-14T02:40:00Z"), 1500000000);
  EXPECT_EQ(*ParseTimestamp("2017-07-14T02:40:00.25Z"), 1500000000);
  EXPECT_EQ(*ParseTimestamp("2017-07-14T04:40:00+02:00"), 1500000000);
  for (const char* bad : {"", "now", "2017-07-14", "2017-07-14T02:40:00", "2017-07-14T02:40:00.Z", "1x"}) {
    EXPECT_FALSE(ParseTimestamp(bad)) << bad;
  }
}

class MakeTest : public testing::Test {
 protected:
  std::string Path(std::string_view name) const { return StrCat(dir_.path(), "/", name); }
  void Write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, Path(name), content, 0644, true));
  }
  std::string Read(const std::string& name) { return ReadFile(Path(name)).value_or("(missing)"); }
  std::string Patch(const std::string& name, const ManifestEdits& edits) {
    PatchOptions options;
    options.edits = edits;
    options.overwrite = true;
    auto key = PatchImage(Path(name), Path("out.aci"), options);
    EXPECT_TRUE(key) << key.error().Text();
    return key ? *key : "";
  }
  TestDir dir_;
};

TEST_F(MakeTest, PatchingKeepsAllOtherBytes) {
  // The manifest in the middle, other entries long and short, something behind the end mark.
  TestArchive before, middle, after;
  std::string big(300'000, 'x');
  before.File("rootfs/big", big).File("rootfs/odd", "12345");
  after.File("rootfs/last", "end");
  middle.File("manifest", TestManifest("example.com/a"));
  auto entries = [](const std::string& tar) { return tar.substr(0, tar.size() - 2 * kTarBlock); };
  std::string tail = after.Finish() + std::string(7 * kTarBlock, '\0');
  std::string head = entries(before.Finish());
  Write("in.aci", head + entries(middle.Finish()) + tail);
  ManifestEdits edits;
  edits.name = "example.com/much/longer/name/so-that-the-size-changes";
  edits.annotations = {{"authors", std::string(600, 'a')}};
  std::string key = Patch("in.aci", edits);
  std::string out = Read("out.aci");
  ASSERT_GT(out.size(), head.size() + tail.size());
  EXPECT_EQ(out.substr(0, head.size()), head);
  EXPECT_EQ(out.substr(out.size() - tail.size()), tail);
  EXPECT_EQ(key, StrCat("sha512-", Sha512Hex(out).substr(0, 64)));
  EXPECT_NE(out.find("so-that-the-size-changes"), std::string::npos);
}

TEST_F(MakeTest, PatchingWithoutChangesGivesTheSameArchive) {
  TestArchive archive;
  archive.File("manifest", TestManifest("example.com/a")).File("rootfs/a", "a");
  Write("in.aci", archive.Finish());
  Patch("in.aci", {});
  EXPECT_EQ(Read("out.aci"), Read("in.aci"));
}

TEST_F(MakeTest, ArchivesThatAreNoImagesAreRefusedAndNothingIsMade) {
  TestArchive none, twice;
  none.File("rootfs/a", "a");
  twice.File("manifest", TestManifest("example.com/a")).File("./manifest", TestManifest("example.com/b"));
  Write("none.aci", none.Finish());
  Write("twice.aci", twice.Finish());
  Write("cut.aci", twice.Finish().substr(0, 700));
  Write("text.aci", "hello\n");
  for (auto [name, why] : {std::pair("none.aci", "missing manifest"), std::pair("twice.aci", "comes twice"),
                           std::pair("cut.aci", ""), std::pair("text.aci", "DetectFileType")}) {
    auto key = PatchImage(Path(name), Path("bad.aci"), {});
    ASSERT_FALSE(key) << name;
    EXPECT_NE(key.error().Text().find(why), std::string::npos) << key.error().Text();
    EXPECT_FALSE(Exists(Path("bad.aci")));
  }
}

TEST_F(MakeTest, AnOutputThatWasNotCommittedLeavesNothing) {
  {
    auto file = OutputFile::Create(Path("a"), false);
    ASSERT_TRUE(file);
    EXPECT_TRUE(WriteAll(file->fd(), "half"));
  }
  EXPECT_TRUE(ListDirAt(AT_FDCWD, dir_.path())->empty());
  Write("a", "old");
  auto refused = OutputFile::Create(Path("a"), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kExists);
  auto file = OutputFile::Create(Path("a"), true);
  ASSERT_TRUE(file);
  EXPECT_TRUE(WriteAll(file->fd(), "new"));
  EXPECT_EQ(Read("a"), "old");
  EXPECT_TRUE(file->Commit());
  EXPECT_EQ(Read("a"), "new");
  EXPECT_EQ(ListDirAt(AT_FDCWD, dir_.path())->size(), 1u);
}

TEST_F(MakeTest, ABuiltImageHoldsWhatTheDirectoryHolds) {
  ASSERT_TRUE(MakeDirs(Path("image/rootfs/dir"), 0755));
  Write("image/manifest", TestManifest("example.com/a"));
  Write("image/rootfs/dir/file", "content");
  Write("image/rootfs/b", "");
  ASSERT_EQ(::link(Path("image/rootfs/dir/file").c_str(), Path("image/rootfs/z").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", Path("image/rootfs/link").c_str()), 0);
  ASSERT_EQ(::mkfifo(Path("image/rootfs/fifo").c_str(), 0600), 0);
  BuildOptions options;
  options.compression = Compression::kNone;
  options.tree.timestamp = 5;
  options.tree.owner = std::pair(3u, 4u);
  auto key = BuildImage(Path("image"), Path("out.aci"), options);
  ASSERT_TRUE(key) << key.error().Text();
  std::string bytes = Read("out.aci");
  EXPECT_EQ(*key, StrCat("sha512-", Sha512Hex(bytes).substr(0, 64)));
  TarReader reader(store::StringSource(bytes));
  std::vector<std::string> seen;
  for (;;) {
    auto more = reader.Next();
    ASSERT_TRUE(more) << more.error().Text();
    if (!*more) break;
    const TarEntry& entry = reader.entry();
    seen.push_back(StrCat(entry.name, " ", TarTypeName(entry.type), " ", entry.link_name));
    EXPECT_EQ(entry.mtime, 5);
    if (entry.name != "manifest") EXPECT_EQ(std::pair(entry.uid, entry.gid), std::pair(3u, 4u));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "manifest file ", "rootfs directory ", "rootfs/b file ", "rootfs/dir directory ",
                      "rootfs/dir/file file ", "rootfs/fifo fifo ", "rootfs/link symlink /etc/passwd",
                      "rootfs/z hard link rootfs/dir/file"}));
}

TEST_F(MakeTest, WhatCannotBeInAnImageIsNamed) {
  ASSERT_TRUE(MakeDirs(Path("image/rootfs"), 0755));
  Write("image/manifest", R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"Bad Name"})");
  auto key = BuildImage(Path("image"), Path("out.aci"), {});
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().Text().find("manifest: line 1, column 55: name: "), std::string::npos) << key.error().Text();
  Write("image/manifest", TestManifest("example.com/a"));
  Write("image/README", "x");
  key = BuildImage(Path("image"), Path("out.aci"), {});
  ASSERT_FALSE(key);
  EXPECT_NE(key.error().Text().find("README does not belong"), std::string::npos);
  EXPECT_FALSE(Exists(Path("out.aci")));
}

}  // namespace
}  // namespace rkt::image
