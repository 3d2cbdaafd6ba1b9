// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Isolators where every controller is one of cgroup v2: in the virtual machine
// (functional.cgroup2).

#include <unistd.h>

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

class Cgroup2Isolators : public PodTest {
 protected:
  void SetUp() override {
    REQUIRE_CGROUP2("memory");
    REQUIRE_CGROUP2("cpu");
    REQUIRE_CGROUP2("pids");
    PodTest::SetUp();
  }
  std::string Group(const RunningPod& pod, const std::string& beneath) {
    return "/sys/fs/cgroup/" + ReadFile(PodDir(pod.uuid) + "/subcgroup") + beneath;
  }
  void Stop(RunningPod& pod) {
    RktOk({"stop", "--force", pod.uuid});
    pod.rkt->Wait();
  }
};

TEST_F(Cgroup2Isolators, LimitsAreWrittenToTheAppsOwnGroup) {
  RunningPod pod = Start({JudgeAci(), "--memory=64Mi", "--cpu=500m", "--cpu-shares=512",
                          "--pids-limit=20", "--", "sleep"},
                         "sleeping");
  std::string app = Group(pod, "/system.slice/judge.service/");
  EXPECT_EQ(Trim(ReadFile(app + "memory.max")), "67108864");
  EXPECT_EQ(Trim(ReadFile(app + "cpu.max")), "50000 100000");
  EXPECT_EQ(Trim(ReadFile(app + "cpu.weight")), "20");
  EXPECT_EQ(Trim(ReadFile(app + "pids.max")), "20");
  Stop(pod);
}

TEST_F(Cgroup2Isolators, PidsLimitStopsAForkBomb) {
  Output output = RunOk({JudgeAci(), "--pids-limit=12", "--", "forks", "40"});
  EXPECT_EQ(AppLines(output.out), Args{"forks: 11 EAGAIN"});
}

TEST_F(Cgroup2Isolators, LimitsOfThePodBoundItsAppsAndNotItsSupervisor) {
  std::string id = Fetch(JudgeAci());
  WriteFile(
      dir() + "/pod.json",
      R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"judge","image":{"id":")" +
          id +
          R"("},"app":{"exec":["/judge","forks","40"],"user":"0","group":"0"}}],)"
          R"("isolators":[{"name":"os/linux/pids-limit","value":12}]})");
  Output output = RunOk({"--pod-manifest=" + dir() + "/pod.json"});
  EXPECT_EQ(AppLines(output.out), Args{"forks: 11 EAGAIN"});
}

TEST_F(Cgroup2Isolators, NoAppSeesAControlGroupOfTheHost) {
  for (const Args& flags : {Args{}, Args{"--memory=64Mi"}}) {
    EXPECT_EQ(See({}, flags).List("/cgroups"), Args{"0::/"});
  }
}

TEST_F(Cgroup2Isolators, BlockLimitsReachTheGroup) {
  REQUIRE_CGROUP2("io");
  RunningPod pod =
      Start({JudgeAci(), "--block-bandwidth=1Mi", "--block-iops=100", "--", "sleep"}, "sleeping");
  std::string written = ReadFile(Group(pod, "/system.slice/judge.service/io.max"));
  EXPECT_TRUE(Contains(written, "rbps=1048576 wbps=1048576 riops=100 wiops=100")) << written;
  Stop(pod);
}

TEST_F(Cgroup2Isolators, MountingDevicesOpensNone) {
  Output output = RunOk({JudgeAci(), "--caps-retain=CAP_SYS_ADMIN,CAP_MKNOD,CAP_DAC_OVERRIDE",
                         "--seccomp=mode=retain,@appc.io/all", "--", "try", "mkdir:/host",
                         "mount-type:devtmpfs:/host", "read:/host/loop-control", "read:/host/kmsg",
                         "write:/host/null"});
  EXPECT_EQ(AppLines(output.out).back(), "write:/host/null = ok") << output.All();
  EXPECT_FALSE(Contains(output.out, "loop-control = ok")) << output.All();
  EXPECT_TRUE(Contains(output.out, "kmsg = EPERM")) << output.All();
}

TEST_F(Cgroup2Isolators, ADelegatedGroupIsUsedAndLeftInOrder) {
  REQUIRE_FACILITY("systemd", access("/run/systemd/system", F_OK) == 0, "no systemd");
  // Two pods after one another in one unit with a shell around them: its group has other processes,
  // too.
  std::string line = "\"$@\" && \"$@\"";
  Output output = RunProgram(
      Args{"systemd-run", "--scope", "-q", "-p", "Delegate=yes", "sh", "-c", line, "sh"} +
          RktArgs(RunArgs({JudgeAci(), "--pids-limit=12", "--", "forks", "40"})),
      {.timeout = 120});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(AppLines(output.out), (Args{"forks: 11 EAGAIN", "forks: 11 EAGAIN"}));
}

}  // namespace
}  // namespace rkt::test
