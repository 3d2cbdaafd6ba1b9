// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The import as a whole, and what is left of it when it is killed, when the disk is full, when two do the same at once.

#include "fetch/pipeline.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "base/hash.h"
#include "fetch/ring.h"
#include "fetch/test_compress.h"
#include "store/test_images.h"

namespace rkt::fetch {
namespace {

using store::Store;
using store::TestArchive;
using store::TestDir;
using store::TestEntry;
using store::TestManifest;

// Some megabytes in many files; the manifest at the end.
std::string BigImage(size_t files, size_t bytes) {
  std::mt19937 random(7);
  TestArchive archive;
  archive.Add(TestEntry("rootfs", TarType::kDirectory));
  for (size_t i = 0; i < files; ++i) {
    std::string content(bytes, '\0');
    for (char& c : content) c = static_cast<char>(random() % 64);
    archive.File(StrCat("rootfs/d", i % 10, "/f", i), content);
  }
  archive.File("manifest", TestManifest("example.com/big"));
  return archive.Finish();
}

Result<Store::Import::Stored> Import(Store& store, std::string_view file) {
  Fd fd = FileOf(file);
  ImportRequest request;
  request.file = fd.get();
  request.name = "test.aci";
  request.options.unpack = ::geteuid() == 0;
  return ImportArchive(store, request);
}

// Everything the store says it has is whole, and nothing else is in it.
void ExpectWhole(Store& store, const std::string& data) {
  EXPECT_TRUE(store.CollectTemporary());
  EXPECT_TRUE(store.CollectOrphans());
  auto images = store.ListImages();
  ASSERT_TRUE(images) << images.error().Text();
  size_t blobs = 0;
  for (const DirEntry& group : ListDirAt(AT_FDCWD, data + "/cas/blob/sha512").value_or({})) {
    blobs += ListDirAt(AT_FDCWD, data + "/cas/blob/sha512/" + group.name).value_or({}).size();
  }
  EXPECT_EQ(blobs, images->size());
  EXPECT_EQ(ListDirAt(AT_FDCWD, data + "/cas/tmp").value_or({}).size(), 0u);
  for (const store::ImageInfo& image : *images) {
    auto verified = store.VerifyTree(image.key);
    ASSERT_TRUE(verified) << verified.error().Text();
    EXPECT_NE(verified->state, Store::TreeState::kDamaged) << verified->detail;
  }
  for (const std::string& tree : store.ListTrees().value_or({})) EXPECT_TRUE(store.IsRendered(tree));
}

TEST(Pipeline, EveryCompressionGivesTheSameImage) {
  TestDir dir;
  auto store = Store::Open(dir.path());
  ASSERT_TRUE(store);
  std::string image = BigImage(30, 30000);
  std::string key = "sha512-" + Sha512Hex(image).substr(0, 64);
  bool first = true;
  for (const std::string& file : {image, Gzip(image), Bzip2(image), Xz(image), Zstd(image)}) {
    auto stored = Import(*store, file);
    ASSERT_TRUE(stored) << stored.error().Text();
    EXPECT_EQ(stored->key, key);
    EXPECT_EQ(stored->already_stored, !first);
    first = false;
  }
  ExpectWhole(*store, dir.path());
}

TEST(Pipeline, KilledAtAnyMomentLeavesTheStoreWhole) {
  TestDir dir;
  std::string image = BigImage(100, 20000);
  std::string file = Gzip(image);
  std::mt19937 random(std::random_device{}());
  int killed = 0;
  for (int round = 0; round < 60; ++round) {
    std::string data = StrCat(dir.path(), "/", round / 10);  // some rounds meet what earlier ones left
    pid_t pid = ::fork();
    if (pid == 0) {
      auto store = Store::Open(data);
      ::_exit(store && Import(*store, file) ? 0 : 1);
    }
    ::usleep(random() % 40000);
    ::kill(pid, SIGKILL);
    int status;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) ++killed;
    auto store = Store::Open(data);
    ASSERT_TRUE(store) << store.error().Text();
    auto images = store->ListImages();
    ASSERT_TRUE(images) << images.error().Text();
    EXPECT_LE(images->size(), 1u);
    if (round % 10 == 9) {
      EXPECT_TRUE(Import(*store, file));
      ExpectWhole(*store, data);
    }
  }
  EXPECT_GT(killed, 5) << "the moments were all too late";
}

TEST(Pipeline, TwoOfTheSameAtOnceBothSucceed) {
  TestDir dir;
  std::string file = Gzip(BigImage(50, 20000));
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    pid_t pid = ::fork();
    if (pid == 0) {
      auto store = Store::Open(dir.path());
      ::_exit(store && Import(*store, file) ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  auto store = Store::Open(dir.path());
  ASSERT_TRUE(store);
  EXPECT_EQ(store->ListImages()->size(), 1u);
  ExpectWhole(*store, dir.path());
}

// In a mount namespace of its own with a small tmpfs; 77 from the child: not permitted here.
constexpr int kNotPermitted = 77;
int ImportOnSmallDisk(const std::string& dir, const std::string& file, const char* options, bool expect_error) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", dir.c_str(), "tmpfs", 0, options) != 0) {
    return kNotPermitted;
  }
  auto store = Store::Open(dir + "/data");
  if (!store) return 2;
  auto stored = Import(*store, file);
  if (expect_error == stored.has_value()) return 3;
  if (!expect_error) return 0;
  if (stored.error().err() != ENOSPC) {
    std::fprintf(stderr, "%s\n", stored.error().Text().c_str());
    return 4;
  }
  const std::string& inner = stored.error().Innermost().message();
  if (inner.find("no space left on device") == std::string::npos ||
      (inner.find("\"d") == std::string::npos && inner.find("/cas/tmp/") == std::string::npos &&
       inner.find("index") == std::string::npos && inner.find("tree") == std::string::npos &&
       inner.find("manifest") == std::string::npos && inner.find("mkdir") == std::string::npos)) {
    std::fprintf(stderr, "names no file: %s\n", inner.c_str());
    return 5;
  }
  auto tmp = ListDirAt(AT_FDCWD, dir + "/data/cas/tmp");
  if (!tmp || !tmp->empty()) return 6;
  auto images = store->ListImages();
  if (!images || !images->empty()) return 7;
  if (!ListDirAt(AT_FDCWD, dir + "/data/cas/tree").value_or({}).empty()) return 8;
  return 0;
}

TEST(Pipeline, AFullDiskIsAClearErrorAndNothingStays) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  TestDir dir;
  std::string file = Gzip(BigImage(50, 20000));
  // Full while the blob or a file of the tree is written; inodes gone instead of space; and one that suffices.
  struct Case {
    const char* options;
    bool error;
  };
  for (Case disk : {Case{"size=256k", true}, Case{"size=1m", true}, Case{"size=1900k", true},
                    Case{"size=16m,nr_inodes=24", true}, Case{"size=16m,nr_inodes=70", true}, Case{"size=16m", false}}) {
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(ImportOnSmallDisk(dir.path(), file, disk.options, disk.error));
    int status;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == kNotPermitted) GTEST_SKIP() << "mounting is not permitted";
    EXPECT_EQ(status, 0) << disk.options << ": step " << WEXITSTATUS(status);
  }
}

TEST(Pipeline, ABombTakesNoMemory) {
  // A gigabyte of zeros from a megabyte: the archive breaks off at once where it is no tar, and a manifest of that size
  // is refused by its header.
  TarEntry manifest = TestEntry("manifest");
  manifest.size = uint64_t{1} << 30;
  std::string header;
  TarWriter writer([&](std::string_view data) -> Status {
    header.append(data);
    return {};
  });
  ASSERT_TRUE(writer.Begin(manifest));
  std::string file = Gzip(header), zeros = Gzip(std::string(16u << 20, '\0'));
  for (int i = 0; i < 64; ++i) file += zeros;
  TestDir dir;
  auto store = Store::Open(dir.path());
  ASSERT_TRUE(store);
  rusage before, after;
  ::getrusage(RUSAGE_SELF, &before);
  auto stored = Import(*store, file);
  ::getrusage(RUSAGE_SELF, &after);
  ASSERT_FALSE(stored);
  EXPECT_NE(stored.error().Text().find("a manifest of 1073741824 bytes"), std::string::npos) << stored.error().Text();
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 32 << 10) << "KiB";
  ExpectWhole(*store, dir.path());
}

TEST(Ring, EveryReaderGetsEverythingInOrder) {
  Ring ring(3, 16, 2);
  std::string got[2];
  std::thread readers[2];
  for (size_t i = 0; i < 2; ++i) {
    readers[i] = std::thread([&, i] {
      for (;;) {
        auto piece = ring.Next(i);
        if (!piece || piece->empty()) return;
        got[i].append(*piece);
      }
    });
  }
  std::string sent;
  for (int i = 0; i < 1000; ++i) {
    std::string piece = std::to_string(i);
    std::copy(piece.begin(), piece.end(), ring.Acquire());
    ring.Publish(piece.size());
    sent += piece;
  }
  ring.Close();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(got[0], sent);
  EXPECT_EQ(got[1], sent);
}

TEST(Ring, AnAbortEndsEverybodyAndTheFirstErrorCounts) {
  Ring ring(2, 16, 1);
  ring.Acquire();
  ring.Publish(1);
  ring.Abort(Err(Code::kInvalid, "first"));
  ring.Abort(Err(Code::kInvalid, "second"));
  EXPECT_EQ(ring.Acquire(), nullptr);
  EXPECT_EQ(ring.Next(0).error().message(), "first");
}

}  // namespace
}  // namespace rkt::fetch
