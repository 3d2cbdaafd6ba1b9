// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "stage1/fly/arguments.h"
#include "stage1/fly/mounts.h"

namespace rkt::fly {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kUuid[] = "6cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5";

TEST(FlyArguments, TellsWhatItIgnoresAndRefusesWhatItCannotDo) {
  auto run = ParseRunArguments({"/run", "--debug", "--net=host", "--hostname=x", "--mds-token=t",
                                "--interactive", "--dns-conf-mode=resolv=host,hosts=stage0",
                                "--disable-paths", kUuid});
  ASSERT_TRUE(run) << run.error().Text();
  EXPECT_TRUE(run->debug);
  EXPECT_EQ(run->resolv_mode, "host");
  EXPECT_EQ(run->hosts_mode, "stage0");
  EXPECT_EQ(run->uuid, kUuid);
  EXPECT_EQ(run->metadata_token, "t");
  EXPECT_THAT(run->ignored, ElementsAre("hostname"));

  auto refused = ParseRunArguments({"/run", "--private-users=65536:65536", kUuid});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnsupported);
  EXPECT_NE(refused.error().message().find("--private-users=false"), std::string::npos) << "what to do";
  EXPECT_FALSE(ParseRunArguments({"/run", "--net=host"}));
  EXPECT_FALSE(ParseRunArguments({"/run", "--dns-conf-mode=resolv=sometimes", kUuid}));
}

TEST(FlyArguments, EnterTakesTheCommandAsItIs) {
  auto enter =
      ParseEnterArguments({"/enter", "--pid=12", "--appname=a", "--", "/bin/sh", "-c", "--pid=1"});
  ASSERT_TRUE(enter) << enter.error().Text();
  EXPECT_EQ(enter->pid, 12);
  EXPECT_EQ(enter->app, "a");
  EXPECT_THAT(enter->command, ElementsAre("/bin/sh", "-c", "--pid=1"));
  EXPECT_FALSE(ParseEnterArguments({"/enter", "--pid=0", "--appname=a", "--", "x"}));
  EXPECT_FALSE(ParseEnterArguments({"/enter", "--pid=12", "--appname=a", "--"}));
}

class FlyMounts : public ::testing::Test {
 protected:
  void SetUp() override {
    pod_.volumes.push_back({.name = "data", .source = "/srv"});
    pod_.apps.push_back({.name = "app"});
  }
  Result<std::vector<MountStep>> Plan() { return PlanMounts(pod_, pod_.apps[0], section_); }
  appc::PodManifest pod_;
  appc::App section_;
};

TEST_F(FlyMounts, VolumesFollowTheHostsDirectories) {
  section_.mount_points.push_back({.name = "data", .path = "/data/", .read_only = true});
  auto steps = Plan();
  ASSERT_TRUE(steps) << steps.error().Text();
  ASSERT_EQ(steps->size(), 5u);
  EXPECT_EQ((*steps)[0], (MountStep{MountStep::Kind::kBind, "/dev", "/dev", true, false}));
  EXPECT_EQ((*steps)[3].kind, MountStep::Kind::kTmpfs);
  EXPECT_EQ((*steps)[4], (MountStep{MountStep::Kind::kBind, "/srv", "/data", false, true}));
}

TEST_F(FlyMounts, TheVolumesOwnWordOnReadOnlyAndRecursiveCounts) {
  pod_.volumes[0].read_only = false;
  pod_.volumes[0].recursive = true;
  section_.mount_points.push_back({.name = "data", .path = "/data", .read_only = true});
  auto steps = Plan();
  ASSERT_TRUE(steps);
  EXPECT_EQ(steps->back(), (MountStep{MountStep::Kind::kBind, "/srv", "/data", true, false}));
}

TEST_F(FlyMounts, WhatFlyCannotMountFails) {
  section_.mount_points.push_back({.name = "other", .path = "/other"});
  EXPECT_THAT(Plan().error().message(), HasSubstr("no volume for mount point \"other\""));
  section_.mount_points.clear();
  pod_.apps[0].mounts = {{.volume = "data", .path = "/a"}, {.volume = "data", .path = "/b"}};
  EXPECT_EQ(Plan().error().message(), "duplicate mount given: \"data\"");
  pod_.apps[0].mounts.pop_back();
  pod_.volumes[0].kind = appc::Volume::Kind::kEmpty;
  EXPECT_EQ(Plan().error().code(), Code::kUnsupported);
}

TEST(FlyTargets, AreMadeBeneathTheRootWhateverTheLinksSay) {
  char name[] = "/tmp/fly_test.XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  std::string dir = name;
  ASSERT_TRUE(MakeDirs(dir + "/root/a", 0755));
  ASSERT_EQ(::symlink("/", (dir + "/root/abs").c_str()), 0);
  ASSERT_EQ(::symlink("../../..", (dir + "/root/a/up").c_str()), 0);
  Fd root = *Open(dir + "/root", O_PATH | O_DIRECTORY);
  EXPECT_TRUE(OpenTarget(root.get(), "/abs/x/y", true));
  EXPECT_TRUE(Exists(dir + "/root/x/y"));
  EXPECT_TRUE(OpenTarget(root.get(), "/a/up/z/file", false));
  EXPECT_TRUE(Exists(dir + "/root/z/file"));
  EXPECT_FALSE(Exists("/x/y"));
  (void)RemoveTreeAt(AT_FDCWD, dir);
}

}  // namespace
}  // namespace rkt::fly
