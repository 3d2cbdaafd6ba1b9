// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace rkt {
namespace {

class RemovedTree : public testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is such a place: there are many files.
    path_ = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/rkt-file-test-XXXXXX" : "/tmp/rkt-file-test-XXXXXX";
    ASSERT_NE(::mkdtemp(path_.data()), nullptr);
    auto opened = Open(path_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(opened);
    dir_ = *std::move(opened);
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit_), 0);
  }
  void TearDown() override {
    ::setrlimit(RLIMIT_NOFILE, &limit_);
    (void)RemoveTreeAt(AT_FDCWD, path_);
  }
  // name/name/name..., with a file in each.
  void MakeDeep(const std::string& name, int depth) {
    Fd at = *DupFd(dir_.get());
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
      auto next = OpenAt(at.get(), name, O_RDONLY | O_DIRECTORY);
      ASSERT_TRUE(next);
      at = *std::move(next);
      ASSERT_TRUE(WriteFileAt(at.get(), "file", "", 0644));
    }
  }

  std::string path_;
  Fd dir_;
  rlimit limit_ = {};
};

TEST_F(RemovedTree, MayBeDeeperThanDescriptorsAreLeft) {
  MakeDeep("d", 500);
  // What is moved out of the way meets such a name.
  ASSERT_TRUE(MakeDirAt(dir_.get(), "d/.removed.1", 0755));
  ASSERT_TRUE(WriteFileAt(dir_.get(), "d/.removed.1/file", "", 0644));
  rlimit few = limit_;
  few.rlim_cur = 100;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  Status removed = RemoveTreeAt(dir_.get(), "d");
  EXPECT_TRUE(removed) << removed.error().Text();
  EXPECT_FALSE(ExistsAt(dir_.get(), "d"));
  EXPECT_TRUE(ListDirAt(AT_FDCWD, path_)->empty());
}

// In a process of its own, whose memory is measured.
TEST_F(RemovedTree, MayHaveMoreEntriesThanMemory) {
  constexpr int kFiles = 40000;  // whose names take 10 MB
  ASSERT_TRUE(MakeDirAt(dir_.get(), "d", 0755));
  Fd dir = *OpenAt(dir_.get(), "d", O_RDONLY | O_DIRECTORY);
  std::string name(250, 'x');
  for (int i = 0; i < kFiles; ++i) {
    snprintf(name.data(), 9, "%08d", i);
    name[8] = 'x';
    ASSERT_EQ(::mknodat(dir.get(), name.c_str(), S_IFREG | 0600, 0), 0);
  }
  pid_t child = ::fork();
  if (child == 0) {
    rusage before, after;
    ::getrusage(RUSAGE_SELF, &before);
    bool removed = static_cast<bool>(RemoveTreeAt(dir_.get(), "d"));
    ::getrusage(RUSAGE_SELF, &after);
    ::_exit(!removed ? 100 : static_cast<int>(std::min((after.ru_maxrss - before.ru_maxrss) >> 10, 99l)));
  }
  int status;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_FALSE(ExistsAt(dir_.get(), "d"));
  EXPECT_NE(WEXITSTATUS(status), 100);
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
  EXPECT_LT(WEXITSTATUS(status), 6) << "MiB more than before";
#endif
}

TEST_F(RemovedTree, LinksAreRemovedAndNotFollowed) {
  ASSERT_TRUE(MakeDirAt(dir_.get(), "kept", 0755));
  ASSERT_TRUE(WriteFileAt(dir_.get(), "kept/file", "", 0644));
  ASSERT_TRUE(MakeDirAt(dir_.get(), "d", 0755));
  ASSERT_EQ(::symlinkat("../kept", dir_.get(), "d/link"), 0);
  EXPECT_TRUE(RemoveTreeAt(dir_.get(), "d"));
  EXPECT_FALSE(ExistsAt(dir_.get(), "d"));
  EXPECT_TRUE(ExistsAt(dir_.get(), "kept/file"));
}

TEST_F(RemovedTree, OneThatIsNotThereIsRemoved) { EXPECT_TRUE(RemoveTreeAt(dir_.get(), "nothing")); }

}  // namespace
}  // namespace rkt
