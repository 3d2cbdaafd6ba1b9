// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods with limits as machines of systemd, where every controller is one of cgroup v2: in the virtual machine
// (functional.cgroup2).

#include <signal.h>
#include <unistd.h>

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

class Cgroup2Machines : public UnitTest {
 protected:
  void SetUp() override {
    REQUIRE_CGROUP2("memory");
    REQUIRE_MACHINED();
    UnitTest::SetUp();
  }
  static Output Machinectl(const Args& args) {
    return RunProgram(Args{"machinectl", "--no-pager", "--no-legend"} + args);
  }
  static bool WaitUntilListed(const std::string& uuid, bool listed) {
    std::string list;
    for (double end = Now() + 120; Now() < end; SleepFor(0.1)) {
      list = Machinectl({"list"}).All();
      if (Contains(list, "rkt-" + uuid + " ") == listed) return true;
    }
    ADD_FAILURE() << list;
    return false;
  }
  RunningPod StartLimited() {
    return Start({JudgeAci(), "--name=limited", "--memory=64Mi", "--pids-limit=20", "--", "trap-term", "0"},
                 "waiting for TERM", {.timeout = 300});
  }
};

TEST_F(Cgroup2Machines, PodWithLimitsFromAShellHasAScopeOfSystemds) {
  RunningPod pod = StartLimited();
  std::string name = "rkt-" + pod.uuid, subcgroup = ReadFile(PodDir(pod.uuid) + "/subcgroup");
  ASSERT_TRUE(WaitUntilListed(pod.uuid, true));
  std::string unit = Trim(Machinectl({"show", "--value", "--property=Unit", name}).out);
  EXPECT_EQ("machine.slice/" + unit, subcgroup);
  EXPECT_EQ(Trim(Machinectl({"show", "--value", "--property=Leader", name}).out),
            Trim(ReadFile(PodDir(pod.uuid) + "/pid")));
  auto property = [&](const std::string& which) {
    return Trim(Systemctl({"show", "--value", "--property=" + which, unit}).out);
  };
  EXPECT_EQ(property("ActiveState"), "active");
  EXPECT_EQ(property("Delegate"), "yes");
  EXPECT_EQ(property("Slice"), "machine.slice");
  EXPECT_EQ(property("ControlGroup"), "/" + subcgroup);
  // What systemd counts is the pod's.
  EXPECT_NE(property("TasksCurrent"), "[not set]");
  EXPECT_NE(property("MemoryCurrent"), "[not set]");
  std::string group = "/sys/fs/cgroup/" + subcgroup + "/system.slice/limited.service/";
  EXPECT_EQ(Trim(ReadFile(group + "memory.max")), std::to_string(64 << 20));
  EXPECT_EQ(Trim(ReadFile(group + "pids.max")), "20");
  EXPECT_FALSE(Trim(ReadFile(group + "cgroup.procs")).empty());
  EXPECT_TRUE(Contains(Machinectl({"status", name}).out, "limited.service"));
  EXPECT_EQ(Machinectl({"terminate", name}).code, 0);
  EXPECT_EQ(pod.rkt->Wait(120).code, 0) << pod.rkt->out() << pod.rkt->err();
  EXPECT_TRUE(Contains(pod.rkt->out(), "judge: got TERM")) << pod.rkt->out();
  EXPECT_TRUE(WaitUntilListed(pod.uuid, false));
  EXPECT_FALSE(Exists("/sys/fs/cgroup/" + subcgroup));
}

TEST_F(Cgroup2Machines, NothingIsLeftOfAPodThatIsKilled) {
  RunningPod pod = StartLimited();
  std::string subcgroup = ReadFile(PodDir(pod.uuid) + "/subcgroup");
  ASSERT_TRUE(WaitUntilListed(pod.uuid, true));
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  ASSERT_TRUE(WaitForState(pod.uuid, "exited", 60));
  RktOk({"gc", "--grace-period=0s"});
  EXPECT_TRUE(WaitUntilListed(pod.uuid, false));
  EXPECT_FALSE(Exists("/sys/fs/cgroup/" + subcgroup));
}

}  // namespace
}  // namespace rkt::test
