// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/user_namespace.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mount.h"

namespace rkt {
namespace {

TEST(IdRange, IsShiftAndCount) {
  auto range = ParseIdRange("65536:100");
  ASSERT_TRUE(range);
  EXPECT_EQ(*range, (IdRange{65536, 100}));
  EXPECT_EQ(FormatIdRange(*range), "65536:100");
  EXPECT_EQ(range->Outside(99), 65635u);
  EXPECT_TRUE(range->HasOutside(65536));
  EXPECT_TRUE(range->HasOutside(65635));
  EXPECT_FALSE(range->HasOutside(65636));
  EXPECT_FALSE(range->HasOutside(65535));
  EXPECT_EQ(range->Inside(65540), 4u);
}

TEST(IdRange, RefusesWhatMapsTheHostsRootOrNothing) {
  for (const char* text : {"", "1", "1:", ":1", "0:65536", "65536:0", "-1:5", "1:-5", "a:b", "1:2:3", "4294967295:1",
                           "4294967294:2", "65536:4294967295", "18446744073709551616:1", " 1:1"}) {
    EXPECT_FALSE(ParseIdRange(text)) << text;
  }
  EXPECT_TRUE(ParseIdRange("4294967294:1"));
}

TEST(UserNamespace, MapsAMountAndNotTheFiles) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  char directory[] = "/tmp/user-namespace-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, std::string(directory) + "/file", "x", 0644));
  ASSERT_EQ(::chown((std::string(directory) + "/file").c_str(), 7, 8), 0);
  auto space = MakeUserNamespace({1000000, 65536});
  ASSERT_TRUE(space) << space.error().Text();
  auto mount = CloneMount(AT_FDCWD, directory, false);
  ASSERT_TRUE(mount);
  Status mapped = MapMount(mount->get(), space->get(), false);
  ASSERT_TRUE(mapped) << mapped.error().Text();
  auto st = StatAt(mount->get(), "file");
  ASSERT_TRUE(st);
  EXPECT_EQ(st->st_uid, 1000007u);
  EXPECT_EQ(st->st_gid, 1000008u);
  // Root of the host is nobody there: what it makes belongs to whom it says.
  EXPECT_FALSE(WriteFileAt(mount->get(), "mine", "", 0644));
  {
    auto owner = FileOwner::Become(1000003, 1000004);
    ASSERT_TRUE(owner);
    EXPECT_TRUE(WriteFileAt(mount->get(), "mine", "", 0644));
  }
  st = StatAt(AT_FDCWD, std::string(directory) + "/mine");
  ASSERT_TRUE(st);
  EXPECT_EQ(st->st_uid, 3u);
  EXPECT_EQ(st->st_gid, 4u);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, std::string(directory) + "/own", "", 0644));
  EXPECT_EQ(StatAt(AT_FDCWD, std::string(directory) + "/own")->st_uid, 0u);
  EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, directory));
}

}  // namespace
}  // namespace rkt
