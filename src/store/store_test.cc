// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/hash.h"
#include "store/state.h"
#include "store/test_images.h"

namespace rkt::store {
namespace {

std::string Image(std::string_view name, std::string_view version = {}, std::string_view content = "data",
                  std::string_view more = {}) {
  TestArchive archive;
  archive.File("manifest", TestManifest(name, version, more));
  archive.Add(TestEntry("rootfs", TarType::kDirectory)).File("rootfs/file", content);
  return archive.Finish();
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::Open(dir_.path() + "/data");
    ASSERT_TRUE(store) << store.error().Text();
    store_.emplace(*std::move(store));
  }
  Store::Import::Stored Import(const std::string& bytes, Store::Import::Options options = {}) {
    options.unpack = options.unpack && ::geteuid() == 0;
    auto stored = ImportBytes(*store_, bytes, options);
    EXPECT_TRUE(stored) << stored.error().Text();
    return stored ? *stored : Store::Import::Stored();
  }
  std::string Cas(std::string_view path) { return StrCat(dir_.path(), "/data/cas/", path); }
  size_t Temporaries() { return ListDirAt(AT_FDCWD, Cas("tmp")).value_or({}).size(); }

  TestDir dir_;
  std::optional<Store> store_;
};

TEST_F(StoreTest, AnImportedImageIsNamedByItsHashAndFoundByName) {
  std::string bytes = Image("example.com/a", "1.0");
  auto stored = Import(bytes);
  EXPECT_EQ(stored.key, "sha512-" + Sha512Hex(bytes).substr(0, 64));
  EXPECT_FALSE(stored.already_stored);
  EXPECT_EQ(ReadFile(Cas(BlobPath(stored.key))).value_or(""), bytes);
  struct stat st;
  ASSERT_EQ(::stat(Cas(BlobPath(stored.key)).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(Cas(ManifestPath(stored.key)).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0660u);
  ASSERT_EQ(::stat(Cas("tree").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u) << "nobody else walks into set-uid programs of images";
  EXPECT_EQ(store_->FindImage({"example.com/a", {}}).value_or(""), stored.key);
  EXPECT_EQ(store_->FindImage({"example.com/a", {{"version", "1.0"}}}).value_or(""), stored.key);
  auto missing = store_->FindImage({"a", {{"version", "2"}}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_EQ(missing.error().message(),
            "cannot find aci satisfying name: \"a\" and labels: [{\"version\" \"2\"}] in the local store");
  EXPECT_EQ(store_->ResolveKey(stored.key.substr(0, 12)).value_or(""), stored.key);
  EXPECT_EQ(store_->ResolveKey(stored.key + "ffff").value_or(""), stored.key) << "what is too long is cut";
  EXPECT_EQ(store_->ResolveKey("sha512-a").error().message(), "image ID too short: \"sha512-a\"");
  std::string other = stored.key[7] == '0' ? "sha512-1111" : "sha512-0000";
  EXPECT_EQ(store_->ResolveKey(other).error().message(), StrCat("no image IDs found for \"", other, "\""));
  EXPECT_EQ(Temporaries(), 0u);
}

TEST_F(StoreTest, LatestIsPreferredWhereNoVersionIsAskedFor) {
  Store::Import::Options latest;
  latest.latest = true;
  auto one = Import(Image("a", "1"));
  auto two = Import(Image("a", "2"), latest);
  auto three = Import(Image("a", "3"));
  EXPECT_EQ(store_->FindImage({"a", {}}).value_or(""), two.key);
  EXPECT_EQ(store_->FindImage({"a", {{"version", "1"}}}).value_or(""), one.key);
  Import(Image("a", "2"));  // again, and now with its version asked for
  Import(Image("a", "1"));
  EXPECT_EQ(store_->FindImage({"a", {}}).value_or(""), one.key) << "else the newest import";
  (void)three;
}

TEST_F(StoreTest, TheSameImageAgainChangesOnlyItsRow) {
  std::string bytes = Image("a");
  auto first = Import(bytes);
  auto before = store_->GetInfo(first.key);
  struct stat old_blob, new_blob;
  ASSERT_EQ(::stat(Cas(BlobPath(first.key)).c_str(), &old_blob), 0);
  auto second = Import(bytes);
  EXPECT_TRUE(second.already_stored);
  EXPECT_EQ(second.key, first.key);
  ASSERT_EQ(::stat(Cas(BlobPath(first.key)).c_str(), &new_blob), 0);
  EXPECT_EQ(old_blob.st_ino, new_blob.st_ino);
  auto after = store_->GetInfo(first.key);
  ASSERT_TRUE(before && after);
  EXPECT_GT(after->import_time_ns, before->import_time_ns);
  EXPECT_EQ(store_->ListImages()->size(), 1u);
  EXPECT_EQ(Temporaries(), 0u);
}

TEST_F(StoreTest, RefusedArchivesLeaveNothing) {
  TestArchive none, twice, broken;
  none.File("rootfs/f", "x");
  twice.File("manifest", TestManifest("a")).File("rootfs/f", "x").File("manifest", TestManifest("b"));
  broken.File("manifest", "{\"acKind\":\"PodManifest\"}").File("rootfs/f", "x");
  std::string cut = Image("a").substr(0, 2000);
  for (const std::string& bytes : {none.Finish(), twice.Finish(), broken.Finish(), cut}) {
    EXPECT_FALSE(ImportBytes(*store_, bytes, {::geteuid() == 0, false}));
    EXPECT_EQ(Temporaries(), 0u);
    EXPECT_EQ(store_->ListImages()->size(), 0u);
    EXPECT_EQ(ListDirAt(AT_FDCWD, Cas("blob/sha512")).value_or({}).size(), 0u);
  }
}

TEST_F(StoreTest, RemovingWaitsForReadersAndKeepsTrees) {
  auto stored = Import(Image("a"));
  auto reading = store_->OpenForReading(stored.key);
  ASSERT_TRUE(reading);
  std::atomic<bool> removed = false;
  std::thread remover([&] {
    EXPECT_TRUE(store_->RemoveImage(stored.key));
    removed = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(removed);
  EXPECT_TRUE(Exists(Cas(BlobPath(stored.key))));
  reading = Err(Code::kInternal, "done");
  remover.join();
  EXPECT_FALSE(Exists(Cas(BlobPath(stored.key))));
  EXPECT_FALSE(Exists(Cas(ManifestPath(stored.key))));
  EXPECT_EQ(store_->RemoveImage(stored.key).error().code(), Code::kNotFound);
  EXPECT_EQ(store_->IsRendered(stored.tree_id), !stored.tree_id.empty());
}

TEST_F(StoreTest, OnlyReadingTheBlobCountsAsUse) {
  auto stored = Import(Image("a"));
  timespec old[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, Cas(BlobPath(stored.key)).c_str(), old, 0), 0);
  ASSERT_TRUE(store_->ReadManifest(stored.key));
  ASSERT_TRUE(store_->FindImage({"a", {}}));
  EXPECT_EQ(store_->GetInfo(stored.key)->last_used_ns, 1000'000'000'000);
  ASSERT_TRUE(store_->OpenForReading(stored.key));
  EXPECT_GT(store_->GetInfo(stored.key)->last_used_ns, 1000'000'000'000);
}

TEST_F(StoreTest, ADamagedOrMissingIndexIsMadeAnew) {
  auto a = Import(Image("a", "1"));
  auto b = Import(Image("b", "2"));
  for (const char* damage : {"", "garbage", "rktindex 1 9999999999 000000000001 000000000001\n"}) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, Cas("index"), damage, 0660, true));
    EXPECT_EQ(store_->FindImage({"a", {{"version", "1"}}}).value_or(""), a.key) << damage;
    EXPECT_EQ(store_->ListImages()->size(), 2u);
  }
  ASSERT_EQ(::unlink(Cas("index").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", Cas("index").c_str()), 0);
  EXPECT_EQ(store_->FindImage({"b", {}}).value_or(""), b.key);
  struct stat st;
  ASSERT_EQ(::lstat(Cas("index").c_str(), &st), 0);
  EXPECT_TRUE(S_ISREG(st.st_mode));
  ASSERT_EQ(::unlink(Cas("index").c_str()), 0);
  ASSERT_EQ(::unlink(Cas(ManifestPath(a.key)).c_str()), 0);  // the blob has it too
  ASSERT_TRUE(store_->RebuildIndex());
  EXPECT_EQ(store_->ListImages()->size(), 2u);
  EXPECT_EQ(store_->ReadManifest(a.key)->name, "a");
}

TEST_F(StoreTest, WhatKilledImportsLeftIsCollectedAndWhatLivingOnesWriteIsNot) {
  std::string bytes = Image("a");
  pid_t pid = ::fork();
  if (pid == 0) {
    auto import = Store::Import::Begin(*store_, {false, false});
    if (!import || !import->Read(StringSource(bytes))) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  int status;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Temporaries(), 1u);
  auto living = Store::Import::Begin(*store_, {false, false});
  ASSERT_TRUE(living);
  EXPECT_EQ(Temporaries(), 1u) << "the dead one's is gone, the new one's is there";
  ASSERT_TRUE(store_->CollectTemporary());
  EXPECT_EQ(Temporaries(), 1u);
  ASSERT_TRUE(living->Read(StringSource(bytes)));
  ASSERT_TRUE(living->Commit(Sha512Hex(bytes)));
  // Killed between the renames and the row: a blob that no row names.
  std::string orphan = "sha512-" + Sha512Hex("orphan").substr(0, 64);
  ASSERT_TRUE(MakeDirs(Cas(BlobPath(orphan).substr(0, BlobPath(orphan).rfind('/'))), 0770));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, Cas(BlobPath(orphan)), "x", 0600));
  EXPECT_EQ(store_->ListImages()->size(), 1u);
  ASSERT_TRUE(store_->CollectOrphans());
  EXPECT_FALSE(Exists(Cas(BlobPath(orphan))));
  EXPECT_EQ(store_->ListImages()->size(), 1u);
  EXPECT_TRUE(store_->FindImage({"a", {}}));
}

TEST_F(StoreTest, ManyImportsOfTheSameAndOfOthersAtOnceAllSucceed) {
  std::vector<pid_t> children;
  for (int i = 0; i < 12; ++i) {
    pid_t pid = ::fork();
    if (pid == 0) {
      auto store = Store::Open(dir_.path() + "/data");
      bool good = store && ImportBytes(*store, Image("same"), {::geteuid() == 0, false}) &&
                  ImportBytes(*store, Image(StrCat("other-", i)), {::geteuid() == 0, false});
      ::_exit(good ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(store_->ListImages()->size(), 13u);
  EXPECT_EQ(Temporaries(), 0u);
}

TEST_F(StoreTest, TenThousandImagesAreFoundWithoutAWalk) {
  std::vector<IndexRow> rows;
  for (int i = 0; i < 10000; ++i) {
    IndexRow row;
    row.key = "sha512-" + Sha256Hex(std::to_string(i));
    row.name = StrCat("example.com/image-", i);
    row.labels = {{"version", "1"}, {"os", "linux"}, {"arch", "amd64"}};
    rows.push_back(row);
  }
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, Cas("index"), WriteIndex(rows), 0660, true));
  auto stored = Import(Image("wanted"));
  // Without its blobs an image is not there, and nothing but the asked one is looked at.
  EXPECT_FALSE(store_->FindImage({"example.com/image-77", {}}));
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(store_->FindImage({"wanted", {}}).value_or(""), stored.key);
  auto each = (std::chrono::steady_clock::now() - begin) / 100;
  EXPECT_LT(each, std::chrono::milliseconds(5)) << "reading all rows takes some 10 ms";
}

// --- trees

class TreeTest : public StoreTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "trees need root";
    StoreTest::SetUp();
  }
  std::string Rootfs(const std::string& tree, std::string_view path) {
    return StrCat(store_->TreeRootfsPath(tree), "/", path);
  }
  Store::Verification Verify(const std::string& key) {
    auto verified = store_->VerifyTree(key);
    EXPECT_TRUE(verified) << verified.error().Text();
    return verified ? *verified : Store::Verification{};
  }
};

TEST_F(TreeTest, AnImportRendersWhatStandsAlone) {
  auto stored = Import(Image("a"));
  EXPECT_EQ(stored.tree_id, "deps-sha512-" + Sha512Hex(stored.key).substr(0, 64));
  EXPECT_EQ(store_->TreeId(stored.key).value_or(""), stored.tree_id);
  EXPECT_TRUE(store_->IsRendered(stored.tree_id));
  EXPECT_EQ(ReadFile(Rootfs(stored.tree_id, "file")).value_or(""), "data");
  EXPECT_EQ(ReadFile(store_->TreePath(stored.tree_id) + "/image").value_or(""), stored.key);
  EXPECT_EQ(ReadFile(store_->TreePath(stored.tree_id) + "/manifest").value_or(""), TestManifest("a"));
  EXPECT_EQ(store_->GetInfo(stored.key)->tree_size, 4);
  ASSERT_TRUE(store_->RemoveTree(stored.tree_id));
  EXPECT_EQ(store_->GetInfo(stored.key)->tree_size, 0);
  EXPECT_EQ(store_->RenderTree(stored.key).value_or(""), stored.tree_id);
  EXPECT_EQ(store_->GetInfo(stored.key)->tree_size, 4);
  EXPECT_EQ(ReadFile(Rootfs(stored.tree_id, "file")).value_or(""), "data");
}

TEST_F(TreeTest, UpperImagesWinAndWhitelistsLimit) {
  TestArchive base;
  base.File("manifest", TestManifest("base"));
  TarEntry etc = TestEntry("rootfs/etc", TarType::kDirectory);
  etc.mode = 0711;
  base.Add(etc).File("rootfs/etc/a", "base").File("rootfs/etc/b", "base").File("rootfs/under", "base");
  base.File("rootfs/dir/x", "base").Add(TestEntry("rootfs/gone/", TarType::kDirectory)).File("rootfs/gone/y", "base");
  auto base_image = Import(base.Finish());
  EXPECT_FALSE(base_image.tree_id.empty());

  TestArchive top;
  top.File("manifest", TestManifest("top", {}, R"("dependencies":[{"imageName":"base"}])"));
  top.File("rootfs/etc/a", "top").File("rootfs/dir", "a file where the base has a directory");
  top.Add(TestEntry("rootfs/under", TarType::kSymlink, "/etc/a"));
  auto top_image = Import(top.Finish());
  EXPECT_TRUE(top_image.tree_id.empty()) << "rendered when its dependencies are there";
  auto tree = store_->RenderTree(top_image.key);
  ASSERT_TRUE(tree) << tree.error().Text();
  EXPECT_EQ(*tree, "deps-sha512-" + Sha512Hex(top_image.key + "," + base_image.key).substr(0, 64));
  EXPECT_EQ(ReadFile(Rootfs(*tree, "etc/a")).value_or(""), "top");
  EXPECT_EQ(ReadFile(Rootfs(*tree, "etc/b")).value_or(""), "base");
  EXPECT_EQ(ReadFile(Rootfs(*tree, "dir")).value_or(""), "a file where the base has a directory");
  EXPECT_EQ(ReadFile(Rootfs(*tree, "gone/y")).value_or(""), "base");
  struct stat st;
  ASSERT_EQ(::lstat(Rootfs(*tree, "under").c_str(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  ASSERT_EQ(::lstat(Rootfs(*tree, "etc").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0711u) << "a directory that the top only filled";
  EXPECT_EQ(Verify(top_image.key).state, Store::TreeState::kIntact);

  TestArchive limited;
  limited.File("manifest", TestManifest("limited", {}, R"("dependencies":[{"imageName":"base"}],)"
                                                       R"("pathWhitelist":["/etc","/etc/b","/own"])"));
  limited.File("rootfs/own", "own").File("rootfs/not-listed", "own");
  auto limited_image = Import(limited.Finish());
  tree = store_->RenderTree(limited_image.key);
  ASSERT_TRUE(tree) << tree.error().Text();
  EXPECT_TRUE(Exists(Rootfs(*tree, "own")));
  EXPECT_FALSE(Exists(Rootfs(*tree, "not-listed")));
  EXPECT_TRUE(Exists(Rootfs(*tree, "etc/b")));
  EXPECT_FALSE(Exists(Rootfs(*tree, "etc/a")));
  EXPECT_FALSE(Exists(Rootfs(*tree, "gone")));
  EXPECT_EQ(Verify(limited_image.key).state, Store::TreeState::kIntact);
}

TEST_F(TreeTest, TwoImportsInOneProcessGiveTheUmaskBack) {
  mode_t old = ::umask(027);
  {
    auto first = Store::Import::Begin(*store_, {true, false});
    auto second = Store::Import::Begin(*store_, {true, false});
    ASSERT_TRUE(first && second);
    first = Err(Code::kInternal, "the one that began first ends first");
  }
  EXPECT_EQ(::umask(old), 027u);
}

TEST_F(TreeTest, LaterDependenciesComeFirstInTheId) {
  auto a = Import(Image("dep-a", {}, "a"));
  auto b = Import(Image("dep-b", {}, "b"));
  auto top = Import(Image("top", {}, "top", R"("dependencies":[{"imageName":"dep-a"},{"imageName":"dep-b"}])"));
  EXPECT_EQ(store_->TreeId(top.key).value_or(""),
            "deps-sha512-" + Sha512Hex(top.key + "," + b.key + "," + a.key).substr(0, 64));
}

TEST_F(TreeTest, CyclesAndMissingDependenciesAreErrors) {
  auto missing = Import(Image("m", {}, "x", R"("dependencies":[{"imageName":"nowhere"}])"));
  EXPECT_EQ(store_->RenderTree(missing.key).error().code(), Code::kNotFound);
  auto one = Import(Image("one", {}, "x", R"("dependencies":[{"imageName":"two"}])"));
  Import(Image("two", {}, "x", R"("dependencies":[{"imageName":"one"}])"));
  auto tree = store_->RenderTree(one.key);
  ASSERT_FALSE(tree);
  EXPECT_NE(tree.error().Text().find("depends on itself"), std::string::npos);
}

TEST_F(TreeTest, HardLinksDoNotCrossImages) {
  Import(Image("base", {}, "base"));
  TestArchive top;
  top.File("manifest", TestManifest("top", {}, R"("dependencies":[{"imageName":"base"}])"));
  top.Add(TestEntry("rootfs/link", TarType::kHardLink, "rootfs/file"));
  auto image = Import(top.Finish());
  auto tree = store_->RenderTree(image.key);
  ASSERT_FALSE(tree);
  EXPECT_NE(tree.error().Text().find("does not come from the same image"), std::string::npos) << tree.error().Text();
  EXPECT_EQ(Temporaries(), 0u);
}

TEST_F(TreeTest, EveryChangeOfATreeIsFound) {
  TestArchive archive;
  archive.File("manifest", TestManifest("a"));
  TarEntry tool = TestEntry("rootfs/bin/tool");
  tool.mode = 04755;
  archive.Add(tool, std::string(300000, 'x')).Add(TestEntry("rootfs/bin/same", TarType::kHardLink, "rootfs/bin/tool"));
  archive.Add(TestEntry("rootfs/run", TarType::kDirectory));
  archive.Add(TestEntry("rootfs/var/run", TarType::kSymlink, "/run")).File("rootfs/var/run/through", "x");
  archive.Add(TestEntry("rootfs/fifo", TarType::kFifo));
  auto stored = Import(archive.Finish());
  auto path = [&](std::string_view name) { return Rootfs(stored.tree_id, name); };
  EXPECT_EQ(Verify(stored.key).state, Store::TreeState::kIntact);
  std::function<void()> changes[] = {
      [&] { (void)WriteFileAt(AT_FDCWD, path("extra"), "x", 0644); },
      [&] { ::unlink(path("run/through").c_str()); },
      [&] { ::chmod(path("bin/tool").c_str(), 0755); },
      [&] { ::chmod(path("bin").c_str(), 0777); },
      [&] { ::chmod(path("").c_str(), 0777); },
      [&] { ::lchown(path("var/run").c_str(), 5, 0); },
      [&] { ::unlink(path("var/run").c_str()), ::symlink("/ruX", path("var/run").c_str()); },
      [&] {
        Fd file(::open(path("bin/tool").c_str(), O_WRONLY));
        EXPECT_EQ(::pwrite(file.get(), "y", 1, 299999), 1);
      },
      [&] { ::unlink(path("bin/same").c_str()), (void)WriteFileAt(AT_FDCWD, path("bin/same"), "x", 04755); },
      [&] { ::unlink((store_->TreePath(stored.tree_id) + "/manifest").c_str()); },
  };
  int number = 0;
  for (auto& change : changes) {
    change();
    auto verified = Verify(stored.key);
    EXPECT_EQ(verified.state, Store::TreeState::kDamaged) << "change " << number;
    EXPECT_TRUE(verified.detail.starts_with("wrong tree hash: ")) << verified.detail;
    ASSERT_TRUE(store_->RebuildTree(stored.key));
    EXPECT_EQ(Verify(stored.key).state, Store::TreeState::kIntact) << "after change " << number;
    ++number;
  }
  ASSERT_TRUE(store_->RemoveTree(stored.tree_id));
  EXPECT_EQ(Verify(stored.key).state, Store::TreeState::kNotRendered);
}

TEST_F(TreeTest, ADamagedBlobIsNeverRendered) {
  auto stored = Import(Image("a"), {.unpack = false});
  Fd blob(::open(Cas(BlobPath(stored.key)).c_str(), O_WRONLY));
  // The content of a file, then the end mark of the archive.
  for (off_t place : {512 * 4, 512 * 5}) {
    ASSERT_EQ(::pwrite(blob.get(), "DATA", 4, place), 4);
    auto tree = store_->RenderTree(stored.key);
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error().code(), Code::kCorrupt);
    EXPECT_EQ(store_->ListTrees()->size(), 0u);
    EXPECT_EQ(store_->VerifyTree(stored.key).error().code(), Code::kCorrupt);
  }
}

TEST_F(TreeTest, TheHashOfATreeFollowsTheOriginalsFormula) {
  TestArchive archive;
  archive.File("manifest", TestManifest("a"));
  archive.File("rootfs/a<b", "one").Add(TestEntry("rootfs/l", TarType::kSymlink, "a<b"));
  archive.Add(TestEntry("rootfs/h", TarType::kHardLink, "rootfs/a<b"));
  auto stored = Import(archive.Finish());
  ASSERT_EQ(Verify(stored.key).state, Store::TreeState::kIntact);
  auto entry = [](std::string_view name, int mode, int size, int type, std::string_view link) {
    return StrCat("{\"Name\":\"", name, "\",\"Mode\":", mode, ",\"UID\":0,\"GID\":0,\"Size\":", size, ",\"Typeflag\":",
                  type, ",\"Linkname\":\"", link, "\",\"Devmajor\":0,\"Devminor\":0,\"Xattrs\":[]}");
  };
  std::string text = entry("rootfs", 0755, 0, '5', "") + entry("rootfs/a\\u003cb", 0644, 3, '0', "") + "one" +
                     entry("rootfs/h", 0644, 0, '1', "rootfs/a\\u003cb") +
                     entry("rootfs/l", 0777, 0, '2', "a\\u003cb");
  EXPECT_EQ(ReadFile(store_->TreePath(stored.tree_id) + "/hash").value_or(""), "sha512-" + Sha512Hex(text).substr(0, 64));
}

TEST_F(TreeTest, UnusedTreesGoAndLockedOnesStay) {
  auto a = Import(Image("a")), b = Import(Image("b")), c = Import(Image("c"));
  auto lock = store_->LockTree(b.tree_id);
  ASSERT_TRUE(lock);
  std::vector<std::string> gone;
  ASSERT_TRUE(store_->RemoveUnusedTrees({a.tree_id}, [&](const std::string& id) { gone.push_back(id); },
                                        [](const std::string&, const Error&) { FAIL(); }));
  EXPECT_EQ(gone, std::vector<std::string>{c.tree_id});
  EXPECT_TRUE(store_->IsRendered(a.tree_id));
  EXPECT_TRUE(store_->IsRendered(b.tree_id));
  EXPECT_FALSE(store_->IsRendered(c.tree_id));
  EXPECT_EQ(store_->GetInfo(c.key)->tree_size, 0);
}

TEST_F(TreeTest, ManyRendersOfOneTreeAtOnceMakeItOnce) {
  auto stored = Import(Image("a"), {.unpack = false});
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    pid_t pid = ::fork();
    if (pid == 0) {
      auto store = Store::Open(dir_.path() + "/data");
      ::_exit(store && store->RenderTree(stored.key) ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(store_->ListTrees()->size(), 1u);
  EXPECT_EQ(Temporaries(), 0u);
}

TEST_F(TreeTest, ACopyHasEverythingOfTheTree) {
  TestArchive archive;
  archive.File("manifest", TestManifest("a"));
  TarEntry tool = TestEntry("rootfs/bin/tool");
  tool.mode = 06755;
  tool.uid = 3;
  TarEntry null = TestEntry("rootfs/dev/null", TarType::kCharDevice);
  null.dev_major = 1;
  null.dev_minor = 3;
  archive.Add(tool, "x").Add(TestEntry("rootfs/bin/h", TarType::kHardLink, "rootfs/bin/tool")).Add(null);
  archive.Add(TestEntry("rootfs/l", TarType::kSymlink, "bin"));
  auto stored = Import(archive.Finish());
  std::string copy = dir_.path() + "/copy";
  ASSERT_TRUE(MakeDirs(copy, 0755));
  auto copied = store_->CopyTree(stored.tree_id, copy);
  ASSERT_TRUE(copied) << copied.error().Text();
  Fd fd = *Open(copy, O_RDONLY | O_DIRECTORY);
  auto layers = ListLayers(*store_, stored.key);
  ASSERT_TRUE(layers);
  auto difference = CompareTree(*store_, *layers, fd.get());
  ASSERT_TRUE(difference) << difference.error().Text();
  EXPECT_FALSE(difference->has_value()) << **difference;
  struct stat st;
  ASSERT_EQ(::stat((copy + "/bin/tool").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtim.tv_sec, 1500000000);
}

}  // namespace
}  // namespace rkt::store
