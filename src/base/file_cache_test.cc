// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/file_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

namespace rkt {
namespace {

class FileCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/rkt-file-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    path_ = path;
    directory_ = *Open(path_, O_RDONLY | O_DIRECTORY);
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, path_); }

  FileCache Cache() { return FileCache(directory_.get(), "cache"); }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    auto entries = ListDirAt(directory_.get(), "cache");
    if (!entries) return names;
    for (const DirEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }
  std::string OnlyFile() {
    std::vector<std::string> files = Files();
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? "" : StrCat(path_, "/cache/", files[0]);
  }
  void Age(const std::string& path, int64_t seconds) {
    struct timespec times[2] = {{::time(nullptr) - seconds, 0}, {::time(nullptr) - seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  std::string Found(std::string_view origin) { return Cache().Find(origin).value_or("nothing"); }

  std::string path_;
  Fd directory_;
};

TEST_F(FileCacheTest, WhatWasKeptIsFoundForThatAlone) {
  EXPECT_EQ(Found("a"), "nothing");
  Cache().Keep("a", std::string("\0result", 7));
  EXPECT_EQ(Found("a"), std::string("\0result", 7));
  EXPECT_EQ(Found("b"), "nothing");
  struct stat st;
  ASSERT_EQ(::stat(OnlyFile().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  ASSERT_EQ(::stat(StrCat(path_, "/cache").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

// One byte changed anywhere, or the end missing.
TEST_F(FileCacheTest, DamagedFilesAreIgnoredAndReplaced) {
  Cache().Keep("origin", "result");
  std::string whole = *ReadFile(OnlyFile());
  for (size_t i = 0; i <= whole.size(); ++i) {
    std::string damaged = whole;
    if (i < whole.size()) damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    if (i == whole.size()) damaged.resize(whole.size() - 1);
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, OnlyFile(), damaged, 0600, true));
    EXPECT_EQ(Found("origin"), "nothing") << i;
    Cache().Keep("origin", "result");
    EXPECT_EQ(Found("origin"), "result") << i;
  }
}

// The name is a hash that somebody may have found another origin for.
TEST_F(FileCacheTest, AFileOfAnotherOriginIsNotBelieved) {
  Cache().Keep("another", "result");
  std::string other = OnlyFile();
  Cache().Keep("origin", "result");
  for (const std::string& name : Files()) {
    std::string file = StrCat(path_, "/cache/", name);
    if (file != other) ASSERT_EQ(::rename(other.c_str(), file.c_str()), 0);
  }
  EXPECT_EQ(Found("origin"), "nothing");
  Cache().Keep("origin", "right");
  EXPECT_EQ(Found("origin"), "right");
}

TEST_F(FileCacheTest, WhatOthersMayWriteIsNotRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Cache().Keep("origin", "result");
  std::string file = OnlyFile();
  ASSERT_EQ(::chown(file.c_str(), 1000, 1000), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  Cache().Keep("origin", "result");
  EXPECT_EQ(Found("origin"), "result");
  ASSERT_EQ(::chmod(file.c_str(), 0620), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  EXPECT_EQ(Found("origin"), "result");

  std::string cache = StrCat(path_, "/cache");
  ASSERT_EQ(::chmod(cache.c_str(), 0770), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  EXPECT_FALSE(FileCache::Collect(directory_.get(), "cache", 1, 1));
  ASSERT_EQ(::chmod(cache.c_str(), 0700), 0);
  ASSERT_EQ(::chown(cache.c_str(), 1000, 1000), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  Cache().Keep("other", "result");
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(Found("other"), "nothing");
}

TEST_F(FileCacheTest, LinksAndPipesInThePlaceOfFilesAreIgnoredAndReplaced) {
  Cache().Keep("origin", "result");
  std::string file = OnlyFile();
  std::string elsewhere = StrCat(path_, "/elsewhere");
  ASSERT_EQ(::rename(file.c_str(), elsewhere.c_str()), 0);
  ASSERT_EQ(::symlink(elsewhere.c_str(), file.c_str()), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  Cache().Keep("origin", "right");
  EXPECT_EQ(Found("origin"), "right");
  ASSERT_EQ(::unlink(file.c_str()), 0);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(Found("origin"), "nothing");  // and does not wait for a writer
  Cache().Keep("origin", "right");
  EXPECT_EQ(Found("origin"), "right");

  ASSERT_EQ(::rename(StrCat(path_, "/cache").c_str(), StrCat(path_, "/moved").c_str()), 0);
  ASSERT_EQ(::symlink("moved", StrCat(path_, "/cache").c_str()), 0);
  EXPECT_EQ(Found("origin"), "nothing");
  Cache().Keep("other", "result");
  EXPECT_EQ(Found("other"), "nothing");
}

// Some are killed in the midst of it.
TEST_F(FileCacheTest, WritersAtOnceLeaveTheWhole) {
  std::string large(100000, 'x');
  std::vector<pid_t> writers;
  for (int i = 0; i < 6; ++i) {
    pid_t pid = ::fork();
    if (pid == 0) {
      for (int round = 0; round < 200 || i % 2 == 1; ++round) Cache().Keep("origin", large);
      ::_exit(0);
    }
    writers.push_back(pid);
  }
  int found = 0;
  // Until it has met them often, or a loaded machine has had its time.
  for (time_t end = ::time(nullptr) + 20; found < 200 && ::time(nullptr) < end;) {
    auto result = Cache().Find("origin");
    if (!result) continue;
    ASSERT_EQ(*result, large);
    ++found;
  }
  for (size_t i = 1; i < writers.size(); i += 2) ::kill(writers[i], SIGKILL);
  for (pid_t writer : writers) ::waitpid(writer, nullptr, 0);
  EXPECT_EQ(Found("origin"), large);
  EXPECT_GT(found, 0);
}

TEST_F(FileCacheTest, CollectingTakesWhatNobodyUses) {
  EXPECT_TRUE(FileCache::Collect(directory_.get(), "cache", 100000, 10));  // there is none
  Cache().Keep("old", "1");
  Age(OnlyFile(), 200000);
  Cache().Keep("young", "2");
  std::string cache = StrCat(path_, "/cache");
  for (const char* name : {"0123456789abcdef.tmp.7.1", "fresh.tmp.7.2", "directory"}) {
    if (name == std::string("directory")) {
      ASSERT_EQ(::mkdir(StrCat(cache, "/", name).c_str(), 0700), 0);
    } else {
      ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(cache, "/", name), "half", 0600));
    }
    if (name != std::string("fresh.tmp.7.2")) Age(StrCat(cache, "/", name), 5000);
  }
  ASSERT_TRUE(FileCache::Collect(directory_.get(), "cache", 100000, 10));
  EXPECT_EQ(Found("old"), "nothing");
  EXPECT_EQ(Found("young"), "2");
  EXPECT_EQ(Files().size(), 2u);
  EXPECT_TRUE(Exists(StrCat(cache, "/fresh.tmp.7.2")));
}

TEST_F(FileCacheTest, UseKeepsAFile) {
  Cache().Keep("used", "1");
  Age(OnlyFile(), 200000);
  EXPECT_EQ(Found("used"), "1");
  ASSERT_TRUE(FileCache::Collect(directory_.get(), "cache", 100000, 10));
  EXPECT_EQ(Found("used"), "1");
}

TEST_F(FileCacheTest, TheOldestGoWhereThereAreTooMany) {
  for (int i = 0; i < 5; ++i) {
    std::vector<std::string> before = Files();
    Cache().Keep(StrCat("origin ", i), "result");
    for (const std::string& name : Files()) {
      if (std::find(before.begin(), before.end(), name) == before.end()) Age(StrCat(path_, "/cache/", name), 100 - i);
    }
  }
  ASSERT_TRUE(FileCache::Collect(directory_.get(), "cache", 100000, 2));
  EXPECT_EQ(Files().size(), 2u);
  EXPECT_EQ(Found("origin 2"), "nothing");
  EXPECT_EQ(Found("origin 3"), "result");
  EXPECT_EQ(Found("origin 4"), "result");
}

}  // namespace
}  // namespace rkt
