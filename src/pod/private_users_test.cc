// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "pod/private_users.h"

#include <gtest/gtest.h>

namespace rkt::pod {
namespace {

constexpr uint32_t kFirst = 0x00080000;

TEST(PrivateUsers, FirstFreeBlockFromWhereTheSearchBegins) {
  auto range = ChooseRange({}, {}, 0);
  ASSERT_TRUE(range);
  EXPECT_EQ(*range, (IdRange{kFirst, 65536}));
  EXPECT_EQ(ChooseRange({}, {}, 3)->shift, kFirst + 3 * 65536);
  EXPECT_EQ(ChooseRange({}, {{kFirst, 65536}, {kFirst + 65536, 65536}}, 0)->shift, kFirst + 2 * 65536);
  // A range that lies across two blocks takes both.
  EXPECT_EQ(ChooseRange({}, {{kFirst + 1, 65536}}, 0)->shift, kFirst + 2 * 65536);
  EXPECT_GE(ChooseRange({}, {}, 0xffffffff)->shift, kFirst);
}

TEST(PrivateUsers, KeepsAwayFromWhatTheHostGaveToOthers) {
  HostIds host;
  host.subuid = "alice:524288:65536\nbroken\n# comment\nbob:x:65536\n";
  host.subgid = "alice:589824:1\n";
  host.passwd = "root:x:0:0::/:/bin/sh\nbig:x:655361:1::/:/bin/sh\n";
  host.group = "big:x:786431:\n";
  EXPECT_EQ(ChooseRange(host, {}, 0)->shift, kFirst + 4 * 65536u);
}

TEST(PrivateUsers, UsesTheBlocksThatBothFilesGiveToRkt) {
  HostIds host;
  host.subuid = "rkt:1000000:300000\n";
  host.subgid = "rkt:1000100:200000\nalice:1:5\n";
  EXPECT_EQ(ChooseRange(host, {}, 0)->shift, 1000100u);
  EXPECT_EQ(ChooseRange(host, {}, 1)->shift, 1065636u);
  EXPECT_EQ(ChooseRange(host, {{1000100, 65536}}, 0)->shift, 1065636u);
  auto none = ChooseRange(host, {{1000100, 65536}, {1065636, 65536}, {1131172, 65536}}, 0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kNotFound);
}

TEST(PrivateUsers, NamesTheFileThatSaysTooLittleOfRkt) {
  EXPECT_NE(ChooseRange({.subuid = "rkt:1:65536"}, {}, 0).error().Text().find("/etc/subgid has no range for \"rkt\""),
            std::string::npos);
  EXPECT_NE(ChooseRange({.subgid = "rkt:1:65536"}, {}, 0).error().Text().find("/etc/subuid has no range for \"rkt\""),
            std::string::npos);
  auto damaged = ChooseRange({.subuid = "rkt:1:65536", .subgid = "rkt:1:many"}, {}, 0);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), Code::kInvalid);
  EXPECT_NE(damaged.error().Text().find("/etc/subgid"), std::string::npos);
}

}  // namespace
}  // namespace rkt::pod
