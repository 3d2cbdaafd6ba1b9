// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Pods as services of the host's systemd: on the second host (functional.systemd).

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

constexpr char kNotifies[] =
    R"([{"name": "appc.io/executor/supports-systemd-notify", "value": "true"}])";

class SystemdUnits : public UnitTest {
 protected:
  std::string NotifyingImage() {
    ImageSpec spec;
    spec.annotations = kNotifies;
    return WriteImage("notifies.aci", spec);
  }
  static std::string GroupOf(const std::string& pid) {
    return ReadFile("/proc/" + pid + "/cgroup");
  }
};

TEST_F(SystemdUnits, PodStaysInTheGroupOfItsUnit) {
  Unit unit = StartUnit({"--property=Delegate=yes", "--slice=rkt-test.slice"},
                        RunArgs({JudgeAci(), "--", "sleep"}));
  ASSERT_TRUE(WaitForOutput(unit, "sleeping"));
  std::string uuid = OnlyPod();
  EXPECT_EQ(unit.ControlGroup(), "rkt.slice/rkt-test.slice/" + unit.name());
  EXPECT_EQ(ReadFile(PodDir(uuid) + "/subcgroup"), unit.ControlGroup() + "/payload");
  std::string pod = Trim(ReadFile(PodDir(uuid) + "/pid"));
  EXPECT_TRUE(Contains(GroupOf(pod), "0::/" + unit.ControlGroup() + "/payload")) << GroupOf(pod);
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
  EXPECT_FALSE(Exists("/sys/fs/cgroup/rkt.slice/rkt-test.slice/" + unit.name()));
}

TEST_F(SystemdUnits, PodsOfOneServiceHaveGroupsOfTheirOwn) {
  Unit unit = StartUnit({"--property=Delegate=yes"}, RunArgs({JudgeAci(), "--", "sleep"}));
  ASSERT_TRUE(WaitForOutput(unit, "sleeping"));
  std::string first = OnlyPod(), group = "/sys/fs/cgroup/" + unit.ControlGroup();
  RunningPod second;
  second.rkt = std::make_unique<Background>(
      Args{"sh", "-c", "echo $$ > " + group + "/cgroup.procs && exec \"$@\"", "sh"} +
          RktArgs(RunArgs({JudgeAci(), "--", "sleep"})),
      Options{}, dir() + "/second");
  ASSERT_TRUE(second.rkt->WaitForText("sleeping")) << second.rkt->err();
  for (const std::string& uuid : PodsIn("run")) {
    if (uuid != first) second.uuid = uuid;
  }
  std::string mine = ReadFile(PodDir(second.uuid) + "/subcgroup");
  EXPECT_EQ(ReadFile(PodDir(first) + "/subcgroup"), unit.ControlGroup() + "/payload");
  EXPECT_TRUE(StartsWith(mine, unit.ControlGroup() + "/machine-rkt")) << mine;
  std::string pod = Trim(ReadFile(PodDir(second.uuid) + "/pid"));
  EXPECT_TRUE(Contains(GroupOf(pod), "0::/" + mine)) << GroupOf(pod);
  // The end of one is not that of the other.
  double start = Now();
  RktOk({"stop", "--force", second.uuid});
  second.rkt->Wait();
  RktOk({"gc", "--grace-period=0s"});
  EXPECT_LT(Now() - start, 10);
  EXPECT_FALSE(Exists("/sys/fs/cgroup/" + mine));
  EXPECT_EQ(StateOf(first), "running");
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
}

TEST_F(SystemdUnits, StopIsOrderlyAndASuccess) {
  for (const char* mode : {"mixed", "control-group"}) {
    Unit unit = StartUnit({"--property=Delegate=yes", std::string("--property=KillMode=") + mode,
                           "--remain-after-exit"},
                          RunArgs({JudgeAci(), "--", "trap-term", "0", "0.3"}));
    ASSERT_TRUE(WaitForOutput(unit, "waiting for TERM"));
    EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
    EXPECT_TRUE(Contains(OutputOf(unit), "judge: got TERM")) << mode << ": " << OutputOf(unit);
    EXPECT_EQ(Systemctl({"is-failed", unit.name()}).code, 1) << mode;
  }
}

TEST_F(SystemdUnits, ExitStatusIsThatOfTheUnit) {
  Unit unit = StartUnit({}, RunArgs({JudgeAci(), "--", "exit", "7"}));
  EXPECT_TRUE(unit.WaitFor("ActiveState", "failed"));
  EXPECT_EQ(unit.Property("ExecMainStatus"), "7");
}

TEST_F(SystemdUnits, TypeNotifyWaitsForThePod) {
  Unit unit = StartUnit({"--property=Delegate=yes", "--property=Type=notify"},
                        RunArgs({JudgeAci(), "--", "trap-term", "0"}));
  EXPECT_EQ(unit.Property("ActiveState"), "active");
  std::string uuid = OnlyPod();
  EXPECT_EQ(unit.Property("StatusText"), "pod " + uuid + " runs 1 app");
  // The main process is rkt itself: the parent of the pod's first process.
  std::string main = unit.Property("MainPID");
  EXPECT_TRUE(Contains(ReadFile("/proc/" + main + "/task/" + main + "/children"),
                       Trim(ReadFile(PodDir(uuid) + "/pid"))));
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
}

TEST_F(SystemdUnits, TypeNotifyWaitsForTheApp) {
  Unit unit(UnitName());
  double start = Now();
  Output started = TryUnit(unit.name(), {"--property=Type=notify"},
                           RunArgs({NotifyingImage(), "--", "notify", "sleep:1.5", "STATUS=warm",
                                    "READY=1", "sleep:600"}));
  EXPECT_EQ(started.code, 0) << started.All() << OutputOf(unit);
  EXPECT_GE(Now() - start, 1.5);
  EXPECT_TRUE(WaitForOutput(unit, "sent READY=1"));
  EXPECT_EQ(Systemctl({"kill", "--signal=KILL", "--kill-who=main", unit.name()}).code, 0);
  EXPECT_TRUE(unit.WaitFor("ActiveState", "failed"));
}

TEST_F(SystemdUnits, TypeNotifyFailsWithAnAppThatNeverIsReady) {
  Unit unit(UnitName());
  Output started =
      TryUnit(unit.name(), {"--property=Type=notify", "--property=TimeoutStartSec=2"},
              RunArgs({NotifyingImage(), "--", "notify", "STATUS=never", "sleep:600"}));
  EXPECT_NE(started.code, 0) << started.All();
  EXPECT_TRUE(unit.WaitFor("ActiveState", "failed"));
  EXPECT_EQ(unit.Property("Result"), "timeout");
}

TEST_F(SystemdUnits, WatchdogIsServedAndEndsAPodThatIsStuck) {
  Unit unit = StartUnit(
      {"--property=Type=notify", "--property=WatchdogSec=1", "--property=WatchdogSignal=SIGKILL"},
      RunArgs({JudgeAci(), "--", "sleep"}));
  SleepFor(2.5);
  EXPECT_EQ(unit.Property("ActiveState"), "active");
  std::string pod = Trim(ReadFile(PodDir(OnlyPod()) + "/pid"));
  ASSERT_EQ(RunProgram({"kill", "-STOP", pod}).code, 0);
  EXPECT_TRUE(unit.WaitFor("Result", "watchdog"));
  EXPECT_TRUE(unit.WaitFor("ActiveState", "failed"));
}

TEST_F(SystemdUnits, LimitsOfTheUnitHoldForApps) {
  Unit unit = StartUnit(
      {"--property=LimitNOFILE=777", "--property=LimitCORE=0", "--property=OOMScoreAdjust=300"},
      RunArgs({JudgeAci(), "--", "show", "/proc/self/limits", "---", JudgeAci(), "--name=oom", "--",
               "show", "/proc/self/oom_score_adj"}));
  ASSERT_TRUE(WaitForOutput(unit, "Max open files"));
  EXPECT_TRUE(unit.WaitFor("ActiveState", "inactive"));
  std::string output = OutputOf(unit);
  size_t line = output.find("Max open files");
  EXPECT_TRUE(Contains(output.substr(line, 60), " 777 ")) << output;
  EXPECT_EQ(AppLines(output, "oom"), Args{"300"});
}

TEST_F(SystemdUnits, SocketUnitStartsThePodThatServesIt) {
  ImageSpec spec;
  spec.app =
      R"("ports": [{"name": "web", "protocol": "tcp", "port": 18091, "count": 1, "socketActivated": true}])";
  std::string image = WriteImage("web.aci", spec);
  std::string name = UnitName();
  Unit unit(name), socket(name.substr(0, name.rfind('.')) + ".socket");
  Output made =
      TryUnit(name, {"--socket-property=ListenStream=127.0.0.1:18091", "--property=Delegate=yes"},
              RunArgs({image, "--", "serve"}));
  ASSERT_EQ(made.code, 0) << made.All();
  EXPECT_EQ(unit.Property("ActiveState"), "inactive");
  // In the host's network, where the socket is; the test program has one of its own.
  Output answer = RunProgram({"nsenter", "--net=/proc/1/ns/net", "busybox", "wget", "-q", "-O", "-",
                              "http://127.0.0.1:18091/"});
  EXPECT_EQ(answer.out, "served by the judge\n") << answer.All() << OutputOf(unit);
  EXPECT_TRUE(unit.WaitFor("ActiveState", "inactive"));
  EXPECT_EQ(unit.Property("ExecMainStatus"), "0");
}

class SystemdMachines : public UnitTest {
 protected:
  void SetUp() override {
    REQUIRE_MACHINED();
    UnitTest::SetUp();
  }
  static Output Machinectl(const Args& args) {
    return RunProgram(Args{"machinectl", "--no-pager", "--no-legend"} + args);
  }
  static bool Listed(const std::string& uuid) {
    return Contains(Machinectl({"list"}).out, "rkt-" + uuid + " ");
  }
  static bool WaitUntilListed(const std::string& uuid, bool listed) {
    for (double end = Now() + 60; Now() < end; SleepFor(0.02)) {
      if (Listed(uuid) == listed) return true;
    }
    ADD_FAILURE() << Machinectl({"list"}).All() << Machinectl({"status", "rkt-" + uuid}).All();
    return false;
  }
};

TEST_F(SystemdMachines, PodInAServiceIsAMachineOfThatService) {
  Unit unit = StartUnit({"--property=Delegate=yes"}, RunArgs({JudgeAci(), "--", "trap-term", "0"}));
  ASSERT_TRUE(WaitForOutput(unit, "waiting for TERM"));
  std::string uuid = OnlyPod(), name = "rkt-" + uuid;
  ASSERT_TRUE(WaitUntilListed(uuid, true));
  auto show = [&](const char* property) {
    return Trim(Machinectl({"show", "--value", std::string("--property=") + property, name}).out);
  };
  EXPECT_EQ(show("Unit"), unit.name());
  EXPECT_EQ(show("Leader"), Trim(ReadFile(PodDir(uuid) + "/pid")));
  EXPECT_EQ(show("Service"), "rkt");
  EXPECT_EQ(show("Class"), "container");
  EXPECT_EQ(show("RootDirectory"), PodDir(uuid) + "/stage1/rootfs");
  std::string id = uuid;
  id.erase(std::remove(id.begin(), id.end(), '-'), id.end());
  EXPECT_EQ(show("Id"), id);
  EXPECT_TRUE(Contains(Machinectl({"status", name}).out, name));
  EXPECT_EQ(Machinectl({"terminate", name}).code, 0);
  EXPECT_TRUE(unit.WaitFor("ActiveState", "inactive"));
  EXPECT_TRUE(Contains(OutputOf(unit), "judge: got TERM")) << OutputOf(unit);
  EXPECT_TRUE(WaitUntilListed(uuid, false));
}

TEST_F(SystemdMachines, PodFromAShellHasAScopeOfItsOwn) {
  RunningPod pod = Start({JudgeAci(), "--", "trap-term", "0"}, "waiting for TERM");
  std::string name = "rkt-" + pod.uuid;
  ASSERT_TRUE(WaitUntilListed(pod.uuid, true));
  std::string unit = Trim(Machinectl({"show", "--value", "--property=Unit", name}).out);
  EXPECT_TRUE(StartsWith(unit, "machine-rkt") && EndsWith(unit, ".scope")) << unit;
  EXPECT_EQ(Trim(Systemctl({"is-active", unit}).out), "active");
  // All of the pod is in there, not its first process alone.
  for (int process : DescendantsOf(pod.rkt->pid())) {
    std::string group = ReadFile("/proc/" + std::to_string(process) + "/cgroup");
    if (Trim(ReadFile("/proc/" + std::to_string(process) + "/comm")) == "systemd") continue;
    EXPECT_TRUE(Contains(group, "machine.slice/" + unit)) << group;
  }
  EXPECT_EQ(Machinectl({"terminate", name}).code, 0);
  EXPECT_EQ(pod.rkt->Wait().code, 0) << pod.rkt->out() << pod.rkt->err();
  EXPECT_TRUE(Contains(pod.rkt->out(), "judge: got TERM")) << pod.rkt->out();
  EXPECT_TRUE(WaitUntilListed(pod.uuid, false));
  EXPECT_EQ(Trim(Systemctl({"is-active", unit}).out), "inactive");
}

// In a service that goes on, nobody but rkt could take it off.
TEST_F(SystemdMachines, CollectingTakesAKilledPodOffTheList) {
  Unit unit = StartUnit({"--property=Delegate=yes"}, RunArgs({JudgeAci(), "--", "sleep"}));
  ASSERT_TRUE(WaitForOutput(unit, "sleeping"));
  std::string first = OnlyPod(), killed;
  Background second(Args{"sh", "-c",
                         "echo $$ > /sys/fs/cgroup/" + unit.ControlGroup() + "/cgroup.procs && exec \"$@\"", "sh"} +
                        RktArgs(RunArgs({JudgeAci(), "--", "sleep"})),
                    Options{}, dir() + "/second");
  ASSERT_TRUE(second.WaitForText("sleeping")) << second.err();
  for (const std::string& uuid : PodsIn("run")) {
    if (uuid != first) killed = uuid;
  }
  ASSERT_TRUE(WaitUntilListed(killed, true));
  second.Kill(SIGKILL);
  second.Wait();
  ASSERT_TRUE(WaitForState(killed, "exited"));
  EXPECT_TRUE(Listed(killed)) << "then this test is about nothing";
  RktOk({"gc", "--grace-period=0s"});
  EXPECT_FALSE(Listed(killed));
  EXPECT_TRUE(Listed(first));
  EXPECT_EQ(Systemctl({"stop", unit.name()}).code, 0);
}

TEST_F(SystemdMachines, EndedPodsAreTakenOffTheList) {
  // Shorter than their registration, in one service that goes on.
  Unit unit(UnitName());
  std::string run;
  for (const std::string& word : RktArgs(RunArgs({JudgeAci(), "--", "exit", "0"})))
    run += word + " ";
  std::string script = dir() + "/script";
  WriteFile(script, "for i in 1 2 3 4 5; do " + run + "; done; echo ran; sleep 1000\n");
  std::string output = dir() + "/" + unit.name() + ".out";
  ASSERT_EQ(RunProgram({"systemd-run", "--quiet", "--unit=" + unit.name(),
                        "--property=StandardOutput=append:" + output, "sh", script})
                .code,
            0);
  ASSERT_TRUE(WaitForOutput(unit, "ran"));
  EXPECT_FALSE(Contains(Machinectl({"list"}).out, "rkt-")) << Machinectl({"list"}).out;
}

}  // namespace
}  // namespace rkt::test
