// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/remote_record.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <thread>

#include "base/duration.h"
#include "base/file.h"

namespace rkt::image {
namespace {

TEST(MaxAge, IsReadFromCacheControl) {
  EXPECT_EQ(MaxAge(""), 0u);
  EXPECT_EQ(MaxAge("max-age=60"), 60u);
  EXPECT_EQ(MaxAge("public, Max-Age=60"), 60u);
  EXPECT_EQ(MaxAge("max-age=0"), 0u);
  EXPECT_EQ(MaxAge("max-age=060"), 0u);
  EXPECT_EQ(MaxAge("max-age=-1"), 0u);
  EXPECT_EQ(MaxAge("max-age=6x"), 0u);
  EXPECT_EQ(MaxAge("max-age=99999999999999999999999"), 0u);
  EXPECT_EQ(MaxAge("max-age=60,no-cache"), 0u);
  EXPECT_EQ(MaxAge("no-store,max-age=60"), 60u);
  EXPECT_EQ(MaxAge("s-maxage=60"), 0u);
}

TEST(ShownUrl, TellsNoPassword) {
  EXPECT_EQ(ShownUrl("https://me:p@ss@h:1/a@b?c"), "https://h:1/a@b?c");
  EXPECT_EQ(ShownUrl("https://h/a@b"), "https://h/a@b");
  EXPECT_EQ(ShownUrl("https://me@h"), "https://h");
  EXPECT_EQ(ShownUrl("nothing"), "nothing");
}

TEST(RemoteRecord, IsFreshForItsAge) {
  RemoteRecord record{.max_age_s = 10, .download_ns = 100 * kSecond};
  EXPECT_TRUE(record.IsFresh(100 * kSecond));
  EXPECT_TRUE(record.IsFresh(109 * kSecond));
  EXPECT_FALSE(record.IsFresh(110 * kSecond));
  EXPECT_FALSE(record.IsFresh(99 * kSecond)) << "the clock was set back";
  record.max_age_s = 0;
  EXPECT_FALSE(record.IsFresh(100 * kSecond));
  record.max_age_s = UINT64_MAX;
  EXPECT_TRUE(record.IsFresh(INT64_MAX));
}

class Partial : public ::testing::Test {
 protected:
  Partial() {
    EXPECT_NE(::mkdtemp(dir_), nullptr);
    store_.emplace(store::Store::Open(dir_).value());
  }
  ~Partial() override {
    store_.reset();
    (void)RemoveTreeAt(AT_FDCWD, dir_);
  }
  char dir_[32] = "/tmp/rkt-partial-XXXXXX";
  std::optional<store::Store> store_;
  const std::string url_ = "https://h/a.aci";
};

TEST_F(Partial, SurvivesTheCollectionOfLeftOversAndOldOnesDoNot) {
  std::string path;
  {
    auto partial = PartialDownload::Lock(*store_, url_, {});
    ASSERT_TRUE(partial);
    ASSERT_TRUE(WriteAll(partial->fd(), "half"));
    partial->WriteEtag("\"e\"");
    path = partial->path();
  }
  ASSERT_TRUE(store_->CollectTemporary());
  EXPECT_EQ(ReadFile(path).value(), "half");
  EXPECT_EQ(PartialDownload::Lock(*store_, url_, {})->ReadEtag(), "\"e\"");
  struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
  for (const std::string& file : {path, path + ".etag"})
    ::utimensat(AT_FDCWD, file.c_str(), old, 0);
  ASSERT_TRUE(store_->CollectTemporary());
  EXPECT_FALSE(Exists(path));
  EXPECT_FALSE(Exists(path + ".etag"));
}

TEST_F(Partial, WaitersGetAFileThatStillHasItsName) {
  auto first = PartialDownload::Lock(*store_, url_, {});
  ASSERT_TRUE(first);
  bool waited = false;
  std::string path;
  std::thread waiter([&] {
    auto second = PartialDownload::Lock(*store_, url_, [&] { waited = true; });
    ASSERT_TRUE(second);
    ASSERT_TRUE(WriteAll(second->fd(), "new"));
    path = second->path();
  });
  ::usleep(100'000);
  first->Remove();
  first = Err(Code::kInternal, "gone");
  waiter.join();
  EXPECT_TRUE(waited);
  EXPECT_EQ(ReadFile(path).value(), "new");
}

TEST_F(Partial, LinksAreNotFollowed) {
  auto partial = PartialDownload::Lock(*store_, url_, {});
  std::string path = partial->path();
  partial->Remove();
  partial = Err(Code::kInternal, "gone");
  ASSERT_EQ(::symlink("/etc/passwd", path.c_str()), 0);
  EXPECT_FALSE(PartialDownload::Lock(*store_, url_, {}));
}

TEST_F(Partial, RecordsAreForgottenWithTheirImages) {
  RemoteRecord record{.key = "sha512-" + std::string(64, 'a'), .etag = "e"};
  ASSERT_TRUE(WriteRemote(*store_, url_, record));
  EXPECT_FALSE(ReadRemote(*store_, url_)) << "no such image is stored";
  EXPECT_FALSE(ReadRemote(*store_, "https://h/b.aci"));
  ASSERT_EQ(ListDirAt(store_->cas_fd(), "remote")->size(), 1u);
  ASSERT_TRUE(CollectRemotes(*store_));
  EXPECT_TRUE(ListDirAt(store_->cas_fd(), "remote")->empty());
}

}  // namespace
}  // namespace rkt::image
