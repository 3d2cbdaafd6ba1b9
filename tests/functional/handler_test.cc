// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What runs before and after an app's main program, and the signal that it is stopped with.

#include <signal.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class EventHandlers : public PodTest {
 protected:
  // An image with a pre-start and a post-stop handler, both scripts of the shell.
  std::string Image(const std::string& pre_start, const std::string& post_stop, const std::string& user = "0") {
    ImageSpec spec;
    spec.user = user;
    auto handler = [](const char* name, const std::string& script) {
      return std::string(R"({"name":")") + name + R"(","exec":["/bin/sh","-c",)" + JsonQuote(script) + "]}";
    };
    spec.app = "\"eventHandlers\":[" + handler("post-stop", post_stop) + "," + handler("pre-start", pre_start) +
               R"(],"environment":[{"name":"GIVEN","value":"yes"}])";
    return WriteImage("handlers.aci", spec);
  }
};

TEST_F(EventHandlers, RunAsRootInTheAppAroundItsProgram) {
  std::string image = Image("echo before $(id -u) $GIVEN $AC_APP_NAME; touch /made", "echo after $(id -u); ls /made", "1000");
  Output output = RunOk({image, "--exec=/bin/sh", "--", "-c", "echo main $(id -u); ls /made"});
  EXPECT_EQ(AppLines(output.out),
            (Args{"before 0 yes judge", "main 1000", "/made", "after 0", "/made"}));
}

TEST_F(EventHandlers, AFailingPreStartKeepsTheProgramFromStarting) {
  Output output = Run({Image("echo before; exit 7", "echo after"), "--", "say", "main"});
  EXPECT_EQ(output.code, 7) << output.All();
  EXPECT_EQ(AppLines(output.out), (Args{"before", "after"}));
  EXPECT_TRUE(Contains(output.err, "pre-start")) << output.err;
}

TEST_F(EventHandlers, PostStopRunsWhateverBecameOfTheProgram) {
  Output output = Run({Image("true", "echo after"), "--", "exit", "3"});
  EXPECT_EQ(output.code, 3);
  EXPECT_EQ(AppLines(output.out), Args{"after"});
}

TEST_F(EventHandlers, TheirOrderOverAppsAndTheirConfinement) {
  std::string image = Image("/judge try mknod:/tmp/x:c:1:1 write:/proc/sys/kernel/core_pattern", "true");
  EXPECT_EQ(AppLines(RunOk({image, "--", "exit", "0"}).out),
            (Args{"mknod:/tmp/x:c:1:1 = EPERM", "write:/proc/sys/kernel/core_pattern = EROFS"}));
}

TEST_F(EventHandlers, MissingOnesAreNamed) {
  ImageSpec spec;
  spec.app = R"("eventHandlers":[{"name":"pre-start","exec":["/no/such/handler"]}])";
  Output output = Run({WriteImage("missing.aci", spec), "--", "say", "main"});
  EXPECT_EQ(output.code, 203) << output.All();
  EXPECT_TRUE(Contains(output.err, "Unable to open \"/no/such/handler\"")) << output.err;
  spec.app = R"("eventHandlers":[{"name":"post-stop","exec":["no-such-handler"]}])";
  output = Run({WriteImage("bare.aci", spec), "--", "say", "main"});
  EXPECT_EQ(output.code, 254) << "a bare name is looked up before anything starts\n" << output.All();
  EXPECT_TRUE(Contains(output.err, "unable to find \"no-such-handler\"")) << output.err;
  EXPECT_TRUE(AppLines(output.out).empty()) << output.out;
}

class StopSignals : public PodTest {
 protected:
  static constexpr char kScript[] =
      "for s in TERM USR1 QUIT INT; do trap \"echo got $s; exit 0\" $s; done; echo ready; while :; do sleep 0.02; done";
  std::string DockerImage(const std::string& signal) {
    ImageSpec spec;
    spec.annotations = R"([{"name":"appc.io/docker/repository","value":"library/web"},)"
                       R"({"name":"appc.io/docker/stopsignal","value":)" + JsonQuote(signal) + "}]";
    return WriteImage("stop.aci", spec);
  }
  // What the app says when it is stopped.
  std::string Stopped(const Args& args) {
    RunningPod pod = Start(args + Args{"--exec=/bin/sh", "--", "-c", kScript}, "ready");
    RktOk({"stop", pod.uuid});
    Output output = pod.rkt->Wait();
    EXPECT_EQ(output.code, 0) << output.All();
    std::vector<std::string> lines = AppLines(output.out);
    return lines.empty() ? "" : lines.back() + (Contains(output.err, "stop signal") ? " with a warning" : "");
  }
};

TEST_F(StopSignals, TermUnlessTheImageSaysAnother) {
  EXPECT_EQ(Stopped({JudgeAci()}), "got TERM");
  EXPECT_EQ(Stopped({DockerImage("SIGUSR1")}), "got USR1");
  EXPECT_EQ(Stopped({DockerImage("3")}), "got QUIT");
  EXPECT_EQ(Stopped({DockerImage("rm -rf")}), "got TERM with a warning");
}

TEST_F(StopSignals, TheAppsAnnotationBeatsTheImages) {
  EXPECT_EQ(Stopped({DockerImage("SIGUSR1"), "--annotation=coreos.com/rkt/stage2/stop-signal=SIGINT"}), "got INT");
  EXPECT_EQ(Stopped({JudgeAci(), "--annotation=coreos.com/rkt/stage2/stop-signal=QUIT"}), "got QUIT");
}

TEST_F(StopSignals, EachAppOfAPodGetsItsOwn) {
  const Args script = {"--exec=/bin/sh", "--", "-c", kScript};
  RunningPod pod = Start(Args{DockerImage("USR1"), "--name=a"} + script + Args{"---", JudgeAci(), "--name=b"} + script);
  for (int i = 0; i < 500 && AppLines(pod.rkt->out()).size() < 2; i++) SleepFor(0.02);
  RktOk({"stop", pod.uuid});
  Output output = pod.rkt->Wait();
  EXPECT_EQ(output.code, 0);
  EXPECT_EQ(AppLines(output.out, "a"), (Args{"ready", "got USR1"}));
  EXPECT_EQ(AppLines(output.out, "b"), (Args{"ready", "got TERM"}));
}

TEST_F(StopSignals, AFailureStopsTheOthersWithTheirs) {
  const Args script = {"--exec=/bin/sh", "--", "-c", kScript};
  Output output = Run(Args{DockerImage("USR1"), "--name=a"} + script +
                      Args{"---", JudgeAci(), "--name=b", "--", "exit", "4", "0.3"});
  EXPECT_EQ(output.code, 4);
  EXPECT_EQ(AppLines(output.out, "a"), (Args{"ready", "got USR1"}));
}

// Signals that rkt's caller ignores.
class CallerSignals : public PodTest {
 protected:
  Args Ignoring(const std::string& signals, const Args& args) {
    return Args{"/usr/bin/env", "--ignore-signal=" + signals} + RktArgs(RunArgs(args));
  }
};

TEST_F(CallerSignals, ChildrenAreWaitedForThoughTheCallerDoesNot) {
  // With an import, and without one, where stage1 is the first to have a child.
  EXPECT_EQ(RunProgram(Ignoring("CHLD", {JudgeAci(), "--", "exit", "5"}), {.timeout = 20}).code, 5);
  EXPECT_EQ(RunProgram(Ignoring("CHLD", {Fetch(JudgeAci()), "--", "exit", "5"}), {.timeout = 20}).code, 5);
}

TEST_F(CallerSignals, WhatTheCallerIgnoresDoesNotEndThePod) {
  std::string file = dir() + "/uuid";
  Background rkt(Ignoring("HUP,INT", {"--uuid-file-save=" + file, JudgeAci(), "--", "trap-term", "0"}), {}, dir() + "/run");
  ASSERT_TRUE(rkt.WaitForText("waiting for TERM"));
  rkt.Kill(SIGHUP);
  rkt.Kill(SIGINT);
  SleepFor(0.3);
  EXPECT_TRUE(rkt.Running());
  EXPECT_FALSE(Contains(rkt.out(), "got TERM"));
  rkt.Kill(SIGTERM);
  EXPECT_EQ(rkt.Wait().code, 0);
  EXPECT_TRUE(Contains(rkt.out(), "got TERM"));
  // And where it does not ignore them, they do.
  RunningPod pod = Start({JudgeAci(), "--", "trap-term", "0"}, "waiting for TERM");
  pod.rkt->Kill(SIGHUP);
  EXPECT_EQ(pod.rkt->Wait().code, 0);
}

}  // namespace
}  // namespace rkt::test
