// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Limits on cgroup v2, where every controller is there: in the virtual machine
// (functional.cgroup2).

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

constexpr char kRoot[] = "/sys/fs/cgroup";

// The v2 group of a process, beneath the root.
std::string GroupOf(int pid) {
  for (const std::string& line : Lines(ReadFile("/proc/" + std::to_string(pid) + "/cgroup"))) {
    if (StartsWith(line, "0::")) return line.substr(3);
  }
  return "";
}

class Cgroup2Limits : public PodTest {
 protected:
  void SetUp() override {
    REQUIRE_CGROUP2("memory");
    REQUIRE_CGROUP2("cpu");
    PodTest::SetUp();
  }
  // The group of the judge in a running pod.
  std::string GroupOfJudge(const RunningPod& pod) const {
    for (int process : DescendantsOf(pod.rkt->pid())) {
      if (Trim(ReadFile("/proc/" + std::to_string(process) + "/comm")) == "judge")
        return GroupOf(process);
    }
    return "";
  }
};

TEST_F(Cgroup2Limits, AreWrittenToTheAppsGroup) {
  RunningPod pod = Start({JudgeAci(), "--name=limited", "--memory=64M", "--cpu=500m",
                          "--cpu-shares=512", "--", "sleep"},
                         "sleeping");
  std::string group = GroupOfJudge(pod);
  EXPECT_TRUE(EndsWith(group, "/system.slice/limited.service")) << group;
  EXPECT_EQ(Trim(ReadFile(kRoot + group + "/memory.max")), std::to_string(64000000 / 4096 * 4096));
  EXPECT_EQ(Trim(ReadFile(kRoot + group + "/cpu.max")), "50000 100000");
  EXPECT_EQ(Trim(ReadFile(kRoot + group + "/cpu.weight")), "20");
  std::string subcgroup = ReadFile(PodDir(pod.uuid) + "/subcgroup");
  EXPECT_TRUE(StartsWith(group, "/" + subcgroup + "/")) << subcgroup;
  EXPECT_FALSE(Contains(subcgroup, "\n"));
  EXPECT_TRUE(Exists(kRoot + std::string("/") + subcgroup));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
  RktOk({"gc", "--grace-period=0s"});
  EXPECT_FALSE(Exists(kRoot + std::string("/") + subcgroup));
}

TEST_F(Cgroup2Limits, AppBeyondItsMemoryIsKilled) {
  EXPECT_EQ(Run({JudgeAci(), "--memory=32Mi", "--", "allocate", "8"}).code, 0);
  EXPECT_EQ(Run({JudgeAci(), "--memory=32Mi", "--", "allocate", "200"}).code, 9);
}

TEST_F(Cgroup2Limits, CpuQuotaHolds) {
  Output output = RunOk({JudgeAci(), "--cpu=200m", "--", "spin", "2"});
  std::vector<std::string> lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(std::stoi(lines[0].substr(6)), 1000)
      << "milliseconds of CPU in 2 seconds with a fifth of one";
}

TEST_F(Cgroup2Limits, PodWithoutLimitsIsInAGroupOfItsOwn) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  std::string group = GroupOfJudge(pod);
  EXPECT_EQ(group, "/" + ReadFile(PodDir(pod.uuid) + "/subcgroup"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

class Cgroup2Units : public UnitTest {
 protected:
  void SetUp() override {
    REQUIRE_CGROUP2("memory");
    UnitTest::SetUp();
  }
};

TEST_F(Cgroup2Units, LimitsOfAppsAreBelowThoseOfTheUnit) {
  Unit unit = StartUnit({"--property=Delegate=yes", "--property=MemoryMax=100M"},
                        RunArgs({JudgeAci(), "--name=limited", "--memory=32Mi", "--", "sleep"}));
  ASSERT_TRUE(WaitForOutput(unit, "sleeping"));
  std::string group = kRoot + ("/" + unit.ControlGroup());
  EXPECT_EQ(Trim(ReadFile(group + "/memory.max")), std::to_string(100 << 20));
  EXPECT_EQ(Trim(ReadFile(group + "/payload/system.slice/limited.service/memory.max")),
            std::to_string(32 << 20));
  EXPECT_FALSE(
      Trim(ReadFile(group + "/payload/system.slice/limited.service/cgroup.procs")).empty());
  EXPECT_EQ(ReadFile(PodDir(OnlyPod()) + "/subcgroup"), unit.ControlGroup() + "/payload");
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
  EXPECT_FALSE(Exists(group));
}

}  // namespace
}  // namespace rkt::test
