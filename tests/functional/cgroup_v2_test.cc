// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Limits on a machine whose controllers are those of cgroup v2: the second host, or any current
// distribution. Elsewhere the suite is skipped by name (facility cgroup-v2).

#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class CgroupV2 : public PodTest {
 protected:
  void SetUp() override {
    std::string controllers = ReadFile("/sys/fs/cgroup/cgroup.controllers");
    REQUIRE_FACILITY("cgroup-v2", Contains(controllers, "memory") && Contains(controllers, "pids"),
                     "no controllers of cgroup v2");
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

TEST_F(CgroupV2, LimitsAreWrittenToTheAppsOwnGroup) {
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

TEST_F(CgroupV2, LimitsHold) {
  EXPECT_EQ(Run({JudgeAci(), "--memory=32Mi", "--", "allocate", "8"}).code, 0);
  EXPECT_EQ(Run({JudgeAci(), "--memory=32Mi", "--", "allocate", "200"}).code, 9);
  Output output = RunOk({JudgeAci(), "--pids-limit=12", "--", "forks", "40"});
  EXPECT_EQ(AppLines(output.out), Args{"forks: 11 EAGAIN"});
  output = RunOk({JudgeAci(), "--cpu=200m", "--", "spin", "1.5"});
  std::vector<std::string> lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_LT(std::stoi(lines[0].substr(6)), 750);
}

TEST_F(CgroupV2, NoAppSeesAControlGroupOfTheHost) {
  for (const Args& flags : {Args{}, Args{"--memory=64Mi"}}) {
    EXPECT_EQ(See({}, flags).List("/cgroups"), Args{"0::/"});
  }
}

TEST_F(CgroupV2, BlockLimitsReachTheGroup) {
  REQUIRE_FACILITY("cgroup-v2-io", Contains(ReadFile("/sys/fs/cgroup/cgroup.controllers"), "io"),
                   "no io controller");
  RunningPod pod =
      Start({JudgeAci(), "--block-bandwidth=1Mi", "--block-iops=100", "--", "sleep"}, "sleeping");
  std::string written = ReadFile(Group(pod, "/system.slice/judge.service/io.max"));
  EXPECT_TRUE(Contains(written, "rbps=1048576 wbps=1048576 riops=100 wiops=100")) << written;
  Stop(pod);
}

TEST_F(CgroupV2, MountingDevicesOpensNone) {
  Output output = RunOk({JudgeAci(), "--caps-retain=CAP_SYS_ADMIN,CAP_MKNOD,CAP_DAC_OVERRIDE",
                         "--seccomp=mode=retain,@appc.io/all", "--", "try", "mkdir:/host",
                         "mount-type:devtmpfs:/host", "read:/host/loop-control", "read:/host/kmsg",
                         "write:/host/null"});
  EXPECT_EQ(AppLines(output.out).back(), "write:/host/null = ok") << output.All();
  EXPECT_FALSE(Contains(output.out, "loop-control = ok")) << output.All();
  EXPECT_TRUE(Contains(output.out, "kmsg = EPERM")) << output.All();
}

TEST_F(CgroupV2, ADelegatedGroupIsUsedAndLeftInOrder) {
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
