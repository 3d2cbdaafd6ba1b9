// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/plan.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "pod/paths.h"

namespace rkt::native {
namespace {

using Kind = MountStep::Kind;

const MountStep* Find(const AppPlan& app, Kind kind, std::string_view target) {
  for (const MountStep& step : app.mounts) {
    if (step.kind == kind && step.target == target) return &step;
  }
  return nullptr;
}

size_t IndexOf(const AppPlan& app, std::string_view target) {
  for (size_t i = 0; i < app.mounts.size(); ++i) {
    if (app.mounts[i].target == target && app.mounts[i].kind != Kind::kDirectory) return i;
  }
  return app.mounts.size();
}

TEST(SystemMounts, WithoutAFilterOnlyBoundNodesOpenDevices) {
  AppPlan unfiltered;
  AddSystemMounts(unfiltered, RunOptions{}, false, false);
  const MountStep* dev = Find(unfiltered, Kind::kDev, "dev");
  ASSERT_NE(dev, nullptr);
  EXPECT_TRUE(dev->attributes & MOUNT_ATTR_NODEV);

  sock_filter filter[1] = {};
  AppPlan filtered;
  filtered.seccomp = filter;
  AddSystemMounts(filtered, RunOptions{}, false, false);
  EXPECT_FALSE(Find(filtered, Kind::kDev, "dev")->attributes & MOUNT_ATTR_NODEV);
}

TEST(SystemMounts, HidesAndProtectsUnlessPathsAreInsecure) {
  AppPlan app;
  AddSystemMounts(app, RunOptions{}, false, false);
  for (const char* path : HiddenPaths()) {
    const MountStep* step = Find(app, Kind::kBind, path);
    ASSERT_NE(step, nullptr) << path;
    EXPECT_TRUE(step->attributes & MOUNT_ATTR_RDONLY) << path;
  }
  for (const char* path : ReadOnlyPaths()) EXPECT_NE(Find(app, Kind::kReadOnly, path), nullptr) << path;
  EXPECT_LT(IndexOf(app, "proc"), IndexOf(app, "proc/kcore"));
  EXPECT_LT(IndexOf(app, "sys"), IndexOf(app, "sys/firmware"));

  AppPlan open;
  RunOptions insecure;
  insecure.disable_paths = true;
  AddSystemMounts(open, insecure, false, false);
  EXPECT_EQ(Find(open, Kind::kBind, "proc/kcore"), nullptr);
  EXPECT_EQ(Find(open, Kind::kReadOnly, "proc/sysrq-trigger"), nullptr);
  EXPECT_FALSE(Find(open, Kind::kFilesystem, "sys")->attributes & MOUNT_ATTR_RDONLY);
}

TEST(SystemMounts, AUsersMountOnSysSuppressesOurs) {
  AppPlan app;
  AddSystemMounts(app, RunOptions{}, true, false);
  EXPECT_EQ(Find(app, Kind::kFilesystem, "sys"), nullptr);
  EXPECT_EQ(Find(app, Kind::kBind, "sys/firmware"), nullptr);
  EXPECT_NE(Find(app, Kind::kFilesystem, "proc"), nullptr);
}

// A pod directory with one app whose root holds /bin/tool.
class PodPlanTest : public testing::Test {
 protected:
  PodPlanTest() {
    char name[] = "/tmp/rkt-plan-XXXXXX";
    dir_ = ::mkdtemp(name);
    root_ = StrCat(dir_, "/", pod::kStage1Rootfs, "/", pod::AppRootfs("a"));
    EXPECT_TRUE(MakeDirs(root_ + "/bin", 0755));
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, root_ + "/bin/tool", "#!", 0755));
    fd_ = *Open(dir_, O_RDONLY | O_DIRECTORY);
    options_.uuid = "6733c088-a507-4694-aabf-edbe4fc5266f";
    options_.net = {"none"};
    options_.ipc = "auto";
    appc::RuntimeApp app;
    app.name = "a";
    app.app.emplace();
    app.app->exec = {"/bin/tool"};
    app.app->user = app.app->group = "0";
    manifest_.apps.push_back(app);
  }
  ~PodPlanTest() override { (void)RemoveTreeAt(AT_FDCWD, dir_); }
  Result<PodPlan> Plan() { return MakePodPlan(fd_.get(), manifest_, options_); }
  std::string dir_, root_;
  Fd fd_;
  appc::PodManifest manifest_;
  RunOptions options_;
};

TEST_F(PodPlanTest, RootKeepsTheDefaultCapabilitiesAndMayGainPrivileges) {
  auto plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  const AppPlan& app = plan->apps[0];
  EXPECT_EQ(app.capabilities, 0xa80425fbu);
  EXPECT_FALSE(app.main.no_new_privileges);
  EXPECT_FALSE(app.seccomp.empty());
  EXPECT_EQ(plan->hostname, "rkt-6733c088-a507-4694-aabf-edbe4fc5266f");
}

TEST_F(PodPlanTest, AFilterForcesNoNewPrivilegesOnOtherUsers) {
  manifest_.apps[0].app->user = "1000";
  auto plan = Plan();
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->apps[0].main.no_new_privileges);
  options_.disable_seccomp = true;
  plan = Plan();
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->apps[0].main.no_new_privileges);
  EXPECT_TRUE(plan->apps[0].seccomp.empty());
}

TEST_F(PodPlanTest, AMissingBareProgramIsRefusedBeforeAnythingRuns) {
  manifest_.apps[0].app->exec = {"absent"};
  auto plan = Plan();
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().Text().find("unable to find \"absent\""), std::string::npos) << plan.error().Text();
}

TEST_F(PodPlanTest, MountsTakeReadOnlyFromTheVolumeFirst) {
  appc::Volume volume;
  volume.name = "data";
  volume.kind = appc::Volume::Kind::kEmpty;
  volume.read_only = false;
  manifest_.volumes = {volume};
  appc::MountPoint point;
  point.name = "data";
  point.path = "/data//db/";
  point.read_only = true;
  manifest_.apps[0].app->mount_points = {point};
  auto plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  const MountStep* step = Find(plan->apps[0], Kind::kVolume, "data/db");
  ASSERT_NE(step, nullptr);
  EXPECT_FALSE(step->attributes & MOUNT_ATTR_RDONLY);
  EXPECT_TRUE(step->attributes & MOUNT_ATTR_NODEV);
  EXPECT_TRUE(plan->warnings.empty());
  manifest_.volumes[0].read_only.reset();
  plan = Plan();
  ASSERT_TRUE(plan);
  EXPECT_TRUE(Find(plan->apps[0], Kind::kVolume, "data/db")->attributes & MOUNT_ATTR_RDONLY);
}

TEST_F(PodPlanTest, AnUnfilledMountPointGetsAnEmptyVolumeAndAWarning) {
  appc::MountPoint point;
  point.name = "cache";
  point.path = "/cache";
  manifest_.apps[0].app->mount_points = {point};
  auto plan = Plan();
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->volumes.size(), 1u);
  EXPECT_TRUE(plan->volumes[0].empty);
  EXPECT_EQ(plan->volumes[0].source, "sharedVolumes/a-cache");
  EXPECT_EQ(plan->warnings.size(), 1u);
}

TEST_F(PodPlanTest, OuterMountsComeBeforeInnerOnesAndPathsAreCleaned) {
  appc::Volume volume;
  volume.name = "v";
  volume.source = "/tmp";
  manifest_.volumes = {volume};
  appc::Mount inner, outer;
  inner.volume = outer.volume = "v";
  inner.path = "/a/b";
  outer.path = "/a";
  manifest_.apps[0].mounts = {inner, outer};
  auto plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  EXPECT_LT(IndexOf(plan->apps[0], "a"), IndexOf(plan->apps[0], "a/b"));
  EXPECT_EQ(plan->volumes.size(), 1u);
  manifest_.apps[0].mounts[0].path = "/a/.././/../etc/";
  plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  EXPECT_NE(Find(plan->apps[0], Kind::kVolume, "etc"), nullptr);
  manifest_.apps[0].mounts[0].path = "/a/..";
  EXPECT_FALSE(Plan()) << "the root itself is no target";
}

TEST_F(PodPlanTest, VolumesThatMountsCarryAreTheSameOnlyWhereTheyAreAlike) {
  appc::Mount one, two, three;
  for (appc::Mount* mount : {&one, &two, &three}) {
    mount->volume = "v";
    mount->app_volume.emplace();
    mount->app_volume->name = "v";
    mount->app_volume->source = "/tmp";
  }
  two.app_volume->source = "/usr";
  one.path = "/one";
  two.path = "/two";
  three.path = "/three";
  manifest_.apps[0].mounts = {one, two, three};
  auto plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  ASSERT_EQ(plan->volumes.size(), 2u);
  EXPECT_EQ(plan->volumes[1].source, "/usr");
  EXPECT_STREQ(Find(plan->apps[0], Kind::kVolume, "one")->source, Find(plan->apps[0], Kind::kVolume, "three")->source);
  EXPECT_STRNE(Find(plan->apps[0], Kind::kVolume, "one")->source, Find(plan->apps[0], Kind::kVolume, "two")->source);
}

TEST_F(PodPlanTest, EmptyVolumesOfOneNameMustAgree) {
  appc::Mount one, two;
  for (appc::Mount* mount : {&one, &two}) {
    mount->volume = "v";
    mount->app_volume.emplace();
    mount->app_volume->name = "v";
    mount->app_volume->kind = appc::Volume::Kind::kEmpty;
  }
  one.path = "/one";
  two.path = "/two";
  two.app_volume->read_only = true;
  manifest_.apps[0].mounts = {one, two};
  EXPECT_TRUE(Plan());
  manifest_.apps[0].mounts[1].app_volume->mode = "0700";
  auto plan = Plan();
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().Text().find("differ"), std::string::npos);
}

TEST_F(PodPlanTest, OnlyADeviceThatMayNotBeWrittenTakesAPolicy) {
  appc::Volume null;
  null.name = "null";
  null.source = "/dev/null";
  manifest_.volumes = {null};
  appc::Mount mount;
  mount.volume = "null";
  mount.path = "/dev/mine";
  manifest_.apps[0].mounts = {mount};
  auto plan = Plan();
  ASSERT_TRUE(plan) << plan.error().Text();
  EXPECT_FALSE(Find(plan->apps[0], Kind::kVolume, "dev/mine")->attributes & MOUNT_ATTR_NODEV);
  EXPECT_TRUE(plan->apps[0].devices.empty());
  manifest_.volumes[0].read_only = true;
  plan = Plan();
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->apps[0].devices.size(), 1u);
  EXPECT_EQ(plan->apps[0].devices[0], (cgroup::DeviceRule{.block = false, .major = 1, .minor = 3, .write = false}));
  options_.disable_paths = true;
  plan = Plan();
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->apps[0].devices.empty());
}

TEST_F(PodPlanTest, StopSignalsComeFromTheAppThenFromTheDockerImage) {
  auto image = [&](const std::string& annotations) {
    EXPECT_TRUE(MakeDirs(StrCat(dir_, "/", pod::AppInfoDir("a")), 0755));
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, StrCat(dir_, "/", pod::AppImageManifest("a")),
                            StrCat(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"x.example/a",)",
                                   R"("labels":[{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],)",
                                   R"("annotations":[)", annotations, "]}"),
                            0644, true));
  };
  EXPECT_EQ(Plan()->apps[0].stop_signal, SIGTERM) << "without an image manifest";
  image(R"({"name":"appc.io/docker/stopsignal","value":"SIGQUIT"})");
  EXPECT_EQ(Plan()->apps[0].stop_signal, SIGQUIT);
  appc::SetAnnotation(manifest_.apps[0].annotations, "coreos.com/rkt/stage2/stop-signal", "USR1");
  EXPECT_EQ(Plan()->apps[0].stop_signal, SIGUSR1);
  appc::SetAnnotation(manifest_.apps[0].annotations, "coreos.com/rkt/stage2/stop-signal", "NOPE");
  auto plan = Plan();
  EXPECT_EQ(plan->apps[0].stop_signal, SIGTERM);
  ASSERT_EQ(plan->warnings.size(), 1u);
  EXPECT_NE(plan->warnings[0].find("NOPE"), std::string::npos);
}

TEST_F(PodPlanTest, AMissingHostSourceIsAnErrorThatNamesTheVolume) {
  appc::Volume volume;
  volume.name = "gone";
  volume.source = "/nonexistent/source";
  manifest_.volumes = {volume};
  appc::Mount mount;
  mount.volume = "gone";
  mount.path = "/x";
  manifest_.apps[0].mounts = {mount};
  auto plan = Plan();
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().Text().find("\"gone\""), std::string::npos);
}

}  // namespace
}  // namespace rkt::native
