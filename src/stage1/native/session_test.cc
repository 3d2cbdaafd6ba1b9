// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/session.h"

#include <gtest/gtest.h>

#include "stage1/native/running_app.h"

namespace rkt::native {
namespace {

TEST(OutsideId, FollowsTheMapOfANamespace) {
  EXPECT_EQ(OutsideId("         0          0 4294967295\n", 1000), 1000u);
  constexpr char kMap[] = "         0     655360       1000\n      1000          5          1\n";
  EXPECT_EQ(OutsideId(kMap, 0), 655360u);
  EXPECT_EQ(OutsideId(kMap, 999), 656359u);
  EXPECT_EQ(OutsideId(kMap, 1000), 5u);
  EXPECT_EQ(OutsideId(kMap, 1001), ~uid_t{0});
  EXPECT_EQ(OutsideId("", 0), ~uid_t{0});
}

TEST(RunningApp, IsReadAsItWasWritten) {
  auto app = ParseRunning(RunningText(12, {1000, 100, {100, 4}}));
  ASSERT_TRUE(app) << app.error().Text();
  EXPECT_EQ(app->pid, 12);
  EXPECT_EQ(app->identity.uid, 1000u);
  EXPECT_EQ(app->identity.gid, 100u);
  EXPECT_EQ(app->identity.groups, (std::vector<gid_t>{100, 4}));
  for (const char* text : {"", "12", "1 0 0 0", "12 0 0", "12 -1 0 0", "12 0 0 x", "12 4294967295 0 0", "12 0 0 0 0"}) {
    EXPECT_FALSE(ParseRunning(text)) << text;
  }
}

}  // namespace
}  // namespace rkt::native
