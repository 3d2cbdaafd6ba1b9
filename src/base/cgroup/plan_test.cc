// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/cgroup/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace rkt::cgroup {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kUuid[] = "0a1b2c3d-1111-2222-3333-444455556666";
constexpr char kScope[] =
    "machine-rkt\\x2d0a1b2c3d\\x2d1111\\x2d2222\\x2d3333\\x2d444455556666.scope";

constexpr char kV1Mounts[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr char kV1Self[] =
    "9:name=systemd:/user.slice/session-1.scope\n4:memory:/\n1:cpu,cpuacct:/\n0::/user.slice\n";

Layout V1() { return ParseLayout(kV1Mounts, kV1Self, ""); }
Layout V2(const std::string& own, std::string_view controllers = "cpuset cpu io memory pids\n") {
  return ParseLayout("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
                     StrCat("0::", own, "\n"), controllers);
}

std::vector<std::string> Texts(const Plan& plan) {
  std::vector<std::string> texts;
  for (const Step& step : plan.steps) {
    std::string path = ReplaceAll(step.path, "/sys/fs/cgroup", "");
    path = ReplaceAll(path, kScope, "POD");
    switch (step.kind) {
      case Step::Kind::kMakeDir:
        texts.push_back(StrCat("mkdir ", path));
        break;
      case Step::Kind::kWrite:
        texts.push_back(StrCat(path, " = ", step.text));
        break;
      case Step::Kind::kDevices:
        texts.push_back(StrCat("devices ", path));
        EXPECT_FALSE(step.devices.empty());
        break;
      case Step::Kind::kMoveAll:
        texts.push_back(StrCat("move ", path));
        break;
    }
  }
  return texts;
}

PodRequest Request(Limits limits) { return {kUuid, {{"web", limits}, {"log", {}}}}; }
Limits All() {
  Limits limits;
  limits.memory_bytes = 64000000;
  limits.cpu_milli = 500;
  limits.cpu_shares = 512;
  limits.pids = 100;
  return limits;
}

TEST(Layout, FindsControllersAndOurPlaceInThem) {
  Layout layout = V1();
  EXPECT_FALSE(layout.unified);
  ASSERT_NE(layout.Find("cpuacct"), nullptr);
  EXPECT_EQ(layout.Find("cpu"), layout.Find("cpuacct"));
  EXPECT_EQ(layout.Find("cpu")->mount_point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout.Find("name=systemd")->own_path, "/user.slice/session-1.scope");
  EXPECT_EQ(layout.Find("pids"), nullptr);
  ASSERT_TRUE(layout.v2);
  EXPECT_EQ(layout.v2->own_path, "/user.slice");
  EXPECT_EQ(layout.v2->mount_point, "/sys/fs/cgroup/unified");
}

TEST(Layout, UnifiedMachineHasItsControllersInV2) {
  Layout layout = V2("/system.slice/x.service");
  EXPECT_TRUE(layout.unified);
  EXPECT_THAT(layout.v1, IsEmpty());
  ASSERT_NE(layout.Find("memory"), nullptr);
  EXPECT_EQ(layout.Find("memory")->own_path, "/system.slice/x.service");
  EXPECT_EQ(layout.Find("freezer"), nullptr);
}

TEST(Layout, MountsOfAPartShiftOurPath) {
  Layout layout = ParseLayout(
      "1 2 0:1 /docker/a /sys/fs/cgroup/memory\\040x rw - cgroup cgroup rw,memory\n"
      "1 2 0:2 /docker/b /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "1 2 0:3 /../.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\nnonsense\n",
      "3:memory:/docker/a/sub\n2:cpu:/docker/bee\n1:pids:/../x\n", "");
  EXPECT_EQ(layout.Find("memory")->own_path, "/sub");
  EXPECT_EQ(layout.Find("memory")->mount_point, "/sys/fs/cgroup/memory x");
  EXPECT_EQ(layout.Find("cpu")->own_path, "/");
  EXPECT_EQ(layout.Find("pids")->own_path, "/");
}

TEST(Plan, ScopeIsNamedAsSystemdEscapesTheMachine) { EXPECT_EQ(ScopeName(kUuid), kScope); }

TEST(Plan, WithoutLimitsV1MakesNothing) {
  for (const Layout& layout : {V1(), Layout()}) {
    Plan plan = MakePlan(layout, Request({}));
    EXPECT_EQ(plan.subcgroup, "");
    EXPECT_THAT(plan.steps, IsEmpty());
    EXPECT_EQ(plan.supervisor_group, "");
    EXPECT_EQ(plan.apps.size(), 2u);
  }
}

TEST(Plan, V1TouchesOnlyHierarchiesWithALimit) {
  Limits limits;
  limits.memory_bytes = 64000000;
  Plan plan = MakePlan(V1(), Request(limits));
  EXPECT_EQ(plan.subcgroup, StrCat("user.slice/session-1.scope/", kScope));
  EXPECT_THAT(Texts(plan),
              ElementsAre("mkdir /memory/user.slice", "mkdir /memory/user.slice/session-1.scope",
                          "mkdir /memory/user.slice/session-1.scope/POD",
                          "mkdir /memory/user.slice/session-1.scope/POD/system.slice",
                          "mkdir /memory/user.slice/session-1.scope/POD/system.slice/web.service",
                          "/memory/user.slice/session-1.scope/POD/system.slice/web.service/"
                          "memory.limit_in_bytes = 64000000",
                          "/memory/user.slice/session-1.scope/POD/system.slice/web.service/"
                          "memory.memsw.limit_in_bytes = 64000000"));
  EXPECT_THAT(plan.apps[0].v1_groups,
              ElementsAre(StrCat("/sys/fs/cgroup/memory/user.slice/session-1.scope/", kScope,
                                 "/system.slice/web.service")));
  EXPECT_THAT(plan.apps[1].v1_groups, IsEmpty());
}

TEST(Plan, V1InAHostUnitUsesTheUnit) {
  Layout layout = ParseLayout(
      kV1Mounts, "9:name=systemd:/system.slice/my.service\n4:memory:/\n1:cpu,cpuacct:/\n", "");
  Limits limits;
  limits.cpu_milli = 500;
  limits.cpu_shares = 512;
  Plan plan = MakePlan(layout, Request(limits));
  EXPECT_EQ(plan.subcgroup, "system.slice/my.service");
  std::string group = "/cpu,cpuacct/system.slice/my.service/system.slice/web.service";
  EXPECT_THAT(Texts(plan), testing::IsSupersetOf({StrCat("mkdir ", group),
                                                  StrCat(group, "/cpu.cfs_quota_us = 50000"),
                                                  StrCat(group, "/cpu.shares = 512")}));
  EXPECT_EQ(plan.apps[0].v1_groups.size(), 1u);
}

TEST(Plan, MissingControllersAreReportedAndTheRestIsSet) {
  Plan plan = MakePlan(V1(), Request(All()));
  ASSERT_EQ(plan.missing.size(), 1u);
  EXPECT_EQ(plan.missing[0].app, "web");
  EXPECT_EQ(plan.missing[0].isolator, "os/linux/pids-limit");
  EXPECT_EQ(plan.apps[0].v1_groups.size(), 2u);
  plan = MakePlan(Layout(), Request(All()));
  EXPECT_EQ(plan.missing.size(), 4u);
  EXPECT_THAT(plan.steps, IsEmpty());
  EXPECT_EQ(plan.subcgroup, "");
}

TEST(Plan, V2WithoutLimitsIsOneGroup) {
  Plan plan = MakePlan(V2("/"), Request({}));
  EXPECT_EQ(plan.subcgroup, kScope);
  EXPECT_THAT(Texts(plan), ElementsAre("mkdir /POD"));
  EXPECT_EQ(plan.supervisor_group, StrCat("/sys/fs/cgroup/", kScope));
  EXPECT_EQ(plan.apps[0].v2_group, "");
  plan = MakePlan(V2("/user.slice/s.scope", ""), Request({}));
  EXPECT_EQ(plan.subcgroup, StrCat("user.slice/s.scope/", kScope));
  plan = MakePlan(V2("/system.slice/my.service", ""), Request({}));
  EXPECT_EQ(plan.subcgroup, "system.slice/my.service/payload");
}

TEST(Plan, V2MachineOutsideOfAServiceIsAmongTheMachines) {
  PodRequest request = Request({});
  request.machine = true;
  EXPECT_EQ(MakePlan(V2("/user.slice/s.scope", ""), request).subcgroup, StrCat("machine.slice/", kScope));
  EXPECT_EQ(MakePlan(V2("/system.slice/my.service", ""), request).subcgroup, "system.slice/my.service/payload");
}

TEST(Plan, V2WithLimitsHandsControllersDownToALeafPerApp) {
  Plan plan = MakePlan(V2("/"), Request(All()));
  EXPECT_THAT(Texts(plan),
              ElementsAre("/cgroup.subtree_control = +memory +cpu +pids", "mkdir /POD",
                          "/POD/cgroup.subtree_control = +memory +cpu +pids",
                          "mkdir /POD/init.scope", "mkdir /POD/system.slice",
                          "/POD/system.slice/cgroup.subtree_control = +memory +cpu +pids",
                          "mkdir /POD/system.slice/web.service",
                          "/POD/system.slice/web.service/memory.max = 64000000",
                          "/POD/system.slice/web.service/memory.swap.max = 0",
                          "/POD/system.slice/web.service/cpu.max = 50000 100000",
                          "/POD/system.slice/web.service/cpu.weight = 20",
                          "/POD/system.slice/web.service/pids.max = 100",
                          "mkdir /POD/system.slice/log.service"));
  EXPECT_EQ(plan.supervisor_group, StrCat("/sys/fs/cgroup/", kScope, "/init.scope"));
  EXPECT_EQ(plan.apps[1].v2_group, StrCat("/sys/fs/cgroup/", kScope, "/system.slice/log.service"));
  EXPECT_THAT(plan.missing, IsEmpty());
}

TEST(Plan, V2LimitsOfASessionLeaveTheSession) {
  Plan plan = MakePlan(V2("/user.slice/s.scope"), Request(All()));
  EXPECT_EQ(plan.subcgroup, StrCat("machine.slice/", kScope));
  EXPECT_THAT(Texts(plan), testing::Not(testing::Contains(testing::HasSubstr("user.slice"))));
}

TEST(Plan, V2LimitsOfAUnitMoveUsOutOfItsOwnGroup) {
  Plan plan = MakePlan(V2("/system.slice/my.service"), Request(All()));
  EXPECT_EQ(plan.subcgroup, "system.slice/my.service/payload");
  std::vector<std::string> texts = Texts(plan);
  auto at = [&](const std::string& text) {
    return std::find(texts.begin(), texts.end(), text) - texts.begin();
  };
  EXPECT_LT(at("mkdir /system.slice/my.service/supervisor"),
            at("move /system.slice/my.service/supervisor"));
  EXPECT_LT(at("move /system.slice/my.service/supervisor"),
            at("/system.slice/my.service/cgroup.subtree_control = +memory +cpu +pids"));
  EXPECT_LT(at("mkdir /system.slice/my.service/payload/init.scope"), std::ssize(texts));
}

TEST(Plan, HybridUsesV2ForWhatOnlyV2Has) {
  Layout layout = ParseLayout(kV1Mounts, kV1Self, "pids");
  Plan plan = MakePlan(layout, Request(All()));
  EXPECT_THAT(plan.missing, IsEmpty());
  EXPECT_EQ(plan.apps[0].v1_groups.size(), 2u);
  EXPECT_EQ(plan.apps[0].v2_group,
            StrCat("/sys/fs/cgroup/unified/", plan.subcgroup, "/system.slice/web.service"));
  EXPECT_THAT(MakePlan(layout, Request({})).steps, IsEmpty());
}

TEST(Plan, CpuValuesStayInTheRangesOfTheKernel) {
  Limits limits;
  limits.cpu_milli = 1;
  limits.cpu_shares = 262144;
  std::vector<std::string> texts = Texts(MakePlan(V2("/"), Request(limits)));
  EXPECT_THAT(texts, testing::Contains("/POD/system.slice/web.service/cpu.max = 1000 100000"));
  EXPECT_THAT(texts, testing::Contains("/POD/system.slice/web.service/cpu.weight = 10000"));
}

TEST(Plan, LimitsOfThePodBoundAllAppsAndItsWeightsCountOutside) {
  PodRequest request = Request({});
  request.limits.pids = 40;
  request.limits.cpu_shares = 512;
  EXPECT_THAT(
      Texts(MakePlan(V2("/"), request)),
      ElementsAre("/cgroup.subtree_control = +cpu +pids", "mkdir /POD",
                  "/POD/cgroup.subtree_control = +cpu +pids", "mkdir /POD/init.scope",
                  "mkdir /POD/system.slice",
                  "/POD/system.slice/cgroup.subtree_control = +cpu +pids", "/POD/cpu.weight = 20",
                  "/POD/system.slice/pids.max = 40", "mkdir /POD/system.slice/web.service",
                  "mkdir /POD/system.slice/log.service"));
  request.limits = {};
  request.limits.cpu_shares = 512;
  request.limits.memory_bytes = 4096;
  Plan plan = MakePlan(V1(), request);
  std::string cpu = "/cpu,cpuacct/user.slice/session-1.scope/POD";
  std::string memory = "/memory/user.slice/session-1.scope/POD";
  EXPECT_THAT(Texts(plan),
              testing::IsSupersetOf({StrCat(cpu, "/cpu.shares = 512"),
                                     StrCat(memory, "/system.slice/memory.limit_in_bytes = 4096"),
                                     StrCat("mkdir ", memory, "/system.slice/log.service")}));
  EXPECT_EQ(plan.apps[1].v1_groups.size(), 2u) << "every app is in";
}

TEST(Plan, BlockDevicesAreLimitedOneByOne) {
  PodRequest request = Request({});
  request.apps[0].limits.block_bandwidth = 2000000;
  request.apps[0].limits.block_iops = 50;
  request.apps[0].limits.block_weight = 1000;
  request.block_devices = {"254:0", "7:1"};
  std::vector<std::string> texts = Texts(MakePlan(V2("/"), request));
  const std::string group = "/POD/system.slice/web.service/";
  EXPECT_THAT(texts,
              testing::IsSupersetOf({StrCat(group, "io.max = 254:0 rbps=2000000 wbps=2000000"),
                                     StrCat(group, "io.max = 7:1 riops=50 wiops=50"),
                                     StrCat(group, "io.weight = 10000")}));
  Layout layout = ParseLayout(
      StrCat(kV1Mounts, "37 31 0:40 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio\n"),
      StrCat(kV1Self, "6:blkio:/\n"), "");
  const std::string v1 = "/blkio/user.slice/session-1.scope/POD/system.slice/web.service/blkio.";
  EXPECT_THAT(Texts(MakePlan(layout, request)),
              testing::IsSupersetOf({StrCat(v1, "throttle.read_bps_device = 254:0 2000000"),
                                     StrCat(v1, "throttle.write_iops_device = 7:1 50"),
                                     StrCat(v1, "bfq.weight = 1000")}));
}

TEST(Plan, DelegatedGroupsAreUsedAndMadeRoomIn) {
  Limits limits;
  limits.pids = 9;
  // A scope that systemd has handed over, first with us in it, then as an earlier pod has left it.
  for (const char* own : {"/user.slice/x.scope", "/user.slice/x.scope/supervisor"}) {
    Layout layout = V2(own);
    layout.delegated = true;
    Plan plan = MakePlan(layout, Request(limits));
    EXPECT_EQ(plan.subcgroup, StrCat("user.slice/x.scope/", kScope));
    std::vector<std::string> texts = Texts(plan);
    auto move = std::find(texts.begin(), texts.end(), "move /user.slice/x.scope/supervisor");
    auto enable =
        std::find(texts.begin(), texts.end(), "/user.slice/x.scope/cgroup.subtree_control = +pids");
    EXPECT_LT(move, enable) << own;
    EXPECT_NE(enable, texts.end()) << own;
    // What is above the scope is not ours: it may refuse.
    EXPECT_TRUE(plan.steps[0].optional) << plan.steps[0].path;
  }
  EXPECT_EQ(MakePlan(V2("/system.slice/my.service/supervisor"), Request(limits)).subcgroup,
            "system.slice/my.service/payload")
      << "the second pod of one unit";
  // The root of a control group namespace has processes as any other group.
  Layout inside = V2("/");
  inside.namespaced = true;
  Plan plan = MakePlan(inside, Request(limits));
  EXPECT_EQ(plan.subcgroup, kScope);
  EXPECT_THAT(Texts(plan), testing::Contains("move /supervisor"));
}

TEST(Plan, TasksOfAPodAreBoundWhereNothingElseSaysSo) {
  PodRequest request = Request({});
  request.default_pids = 8192;
  EXPECT_THAT(Texts(MakePlan(V2("/"), request)), ElementsAre("mkdir /POD", "/POD/pids.max = 8192"));
  EXPECT_THAT(MakePlan(V1(), request).steps, IsEmpty());
}

PodRequest DeviceRequest() {
  PodRequest request = Request({});
  request.apps[0].devices.push_back({.block = true, .major = 8, .minor = 1, .write = false});
  return request;
}

TEST(DevicePolicy, OnV1TheAppGetsAGroupThatAllowsWhatIsListed) {
  Layout layout = ParseLayout(
      StrCat(kV1Mounts,
             "36 31 0:39 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n"),
      StrCat(kV1Self, "5:devices:/\n"), "");
  Plan plan = MakePlan(layout, DeviceRequest());
  std::vector<std::string> texts = Texts(plan);
  const std::string group = "/devices/user.slice/session-1.scope/POD/system.slice/web.service";
  EXPECT_THAT(texts, testing::Contains(StrCat("mkdir ", group)));
  EXPECT_THAT(texts, testing::Contains(StrCat(group, "/devices.deny = a")));
  EXPECT_THAT(texts, testing::Contains(StrCat(group, "/devices.allow = b 8:1 r")));
  EXPECT_THAT(texts, testing::Contains(StrCat(group, "/devices.allow = c 1:3 rwm")));
  ASSERT_EQ(plan.apps[0].v1_groups.size(), 1u);
  EXPECT_THAT(plan.apps[1].v1_groups, IsEmpty());
  EXPECT_TRUE(plan.missing.empty());
  EXPECT_FALSE(plan.subcgroup.empty());
}

TEST(DevicePolicy, OnV2TheAppGetsAGroupWithAProgram) {
  Plan plan = MakePlan(V2("/"), DeviceRequest());
  EXPECT_THAT(Texts(plan), ElementsAre("mkdir /POD", "mkdir /POD/system.slice",
                                       "mkdir /POD/system.slice/web.service",
                                       "devices /POD/system.slice/web.service"));
  EXPECT_TRUE(plan.apps[0].v2_group.ends_with("/web.service"));
  EXPECT_TRUE(plan.apps[1].v2_group.empty()) << "with the supervisor";
  // A hybrid machine without the controller takes the unified hierarchy.
  EXPECT_THAT(Texts(MakePlan(V1(), DeviceRequest())),
              testing::Contains("devices /unified/user.slice/POD/system.slice/web.service"));
}

TEST(DevicePolicy, WithLimitsTheProgramIsAtTheSameGroup) {
  PodRequest request = DeviceRequest();
  request.apps[0].limits.memory_bytes = 64000000;
  std::vector<std::string> texts = Texts(MakePlan(V2("/"), request));
  EXPECT_EQ(std::count(texts.begin(), texts.end(), "devices /POD/system.slice/web.service"), 1);
}

TEST(DevicePolicy, OfThePodItLiesAboveTheAppsGroups) {
  PodRequest request = Request({});
  request.confine_devices = true;
  EXPECT_THAT(
      Texts(MakePlan(V2("/"), request)),
      ElementsAre("mkdir /POD", "mkdir /POD/system.slice", "devices /POD/system.slice",
                  "mkdir /POD/system.slice/web.service", "mkdir /POD/system.slice/log.service"));
  Layout layout = ParseLayout(
      StrCat(kV1Mounts,
             "36 31 0:39 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices\n"),
      StrCat(kV1Self, "5:devices:/\n"), "");
  Plan plan = MakePlan(layout, request);
  EXPECT_THAT(
      Texts(plan),
      testing::Contains("/devices/user.slice/session-1.scope/POD/system.slice/devices.deny = a"));
  EXPECT_EQ(plan.apps[1].v1_groups.size(), 1u);
}

// A pod to which apps are added has what their groups need from the start.
TEST(GrowingPod, HasItsSubcgroupBeforeItsApps) {
  PodRequest request{kUuid, {}};
  request.grows = true;
  Plan v1 = MakePlan(V1(), request);
  EXPECT_TRUE(v1.subcgroup.ends_with(kScope)) << v1.subcgroup;
  EXPECT_THAT(v1.steps, IsEmpty());
  Plan v2 = MakePlan(V2("/"), request);
  EXPECT_THAT(Texts(v2), testing::Contains(testing::HasSubstr("/POD/cgroup.subtree_control = +memory +cpu")));
  EXPECT_THAT(Texts(v2), testing::Contains(testing::HasSubstr("/POD/system.slice/cgroup.subtree_control = +memory +cpu")));
  EXPECT_TRUE(v2.supervisor_group.ends_with("/init.scope"));
}

TEST(GrowingPod, AddedAppsGetGroupsOfTheirOwn) {
  PodRequest app{kUuid, {{"web", {}}}};
  app.apps[0].limits.memory_bytes = 64000000;
  Plan v1 = MakeAppPlan(V1(), kScope, app);
  ASSERT_EQ(v1.apps.size(), 1u);
  EXPECT_THAT(v1.apps[0].v1_groups, ElementsAre(StrCat("/sys/fs/cgroup/memory/", kScope, "/system.slice/web.service")));
  EXPECT_THAT(Texts(v1), testing::Contains("/memory/POD/system.slice/web.service/memory.limit_in_bytes = 64000000"));
  Plan v2 = MakeAppPlan(V2("/"), kScope, app);
  EXPECT_THAT(Texts(v2), testing::Contains("/POD/system.slice/web.service/memory.max = 64000000"));
  EXPECT_TRUE(v2.apps[0].v2_group.ends_with("/web.service"));
  // Without limits: beside pid 1's group on v2, nowhere on v1.
  app.apps[0].limits = {};
  EXPECT_TRUE(MakeAppPlan(V2("/"), kScope, app).apps[0].v2_group.ends_with("/web.service"));
  EXPECT_THAT(Texts(MakeAppPlan(V1(), kScope, app)), IsEmpty());
}

TEST(DevicePolicy, WithoutAnyHierarchyItIsMissing) {
  Plan plan = MakePlan(ParseLayout("", "", ""), DeviceRequest());
  ASSERT_EQ(plan.missing.size(), 1u);
  EXPECT_EQ(plan.missing[0].isolator, kDevicePolicy);
}

}  // namespace
}  // namespace rkt::cgroup
