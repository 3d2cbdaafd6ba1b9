// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The life of pods: exit statuses, stopping, states, list, status, rm, gc.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class AnyRun : public PodTest {};
class Lifecycle : public PodTest {};
class Pods : public PodTest {};

TEST_F(AnyRun, ExitCodeOfTheAppIsThatOfRkt) {
  for (int code : {0, 1, 7, 255}) {
    EXPECT_EQ(Run({JudgeAci(), "--", "exit", std::to_string(code)}).code, code);
  }
}

TEST_F(AnyRun, UuidIsSavedWithoutNewline) {
  std::string file = dir() + "/uuid";
  RunOk({"--uuid-file-save=" + file, JudgeAci(), "--", "exit", "0"});
  EXPECT_EQ(ReadFile(file).size(), 36u);
  EXPECT_EQ(ModeOf(file), 0644u);
  EXPECT_EQ(PodsIn("run"), Args{ReadFile(file)});
}

TEST_F(AnyRun, PreparedPodRunsOnce) {
  std::string uuid = Prepare({JudgeAci(), "--", "exit", "3"});
  EXPECT_EQ(StateOf(uuid), "prepared");
  std::string net = Flavor() == "fly" ? "--net=host" : "--net=none";
  EXPECT_EQ(Rkt({"run-prepared", net, uuid}).code, 3);
  Output again = Rkt({"run-prepared", net, uuid});
  EXPECT_EQ(again.code, 254);
  EXPECT_TRUE(Contains(again.err, "pod \"" + uuid + "\" is not prepared")) << again.err;
}

TEST_F(AnyRun, StatesFollowThePod) {
  RunningPod pod = Start({JudgeAci(), "--", "trap-term", "0"}, "waiting for TERM");
  EXPECT_EQ(StateOf(pod.uuid), "running");
  EXPECT_FALSE(StatusValue(pod.uuid, "pid").empty());
  EXPECT_EQ(StatusValue(pod.uuid, "exited"), "false");
  Output stop = RktOk({"stop", pod.uuid});
  EXPECT_EQ(stop.out, "\"" + pod.uuid + "\"\n");
  EXPECT_EQ(pod.rkt->Wait(20).code, 0) << pod.rkt->out() << pod.rkt->err();
  EXPECT_EQ(StateOf(pod.uuid), "exited");
  RktOk({"gc", "--mark-only"});
  EXPECT_EQ(StateOf(pod.uuid), "exited garbage");
  RktOk({"gc", "--grace-period=0s"});
  EXPECT_EQ(Rkt({"status", pod.uuid}).code, 254);
}

TEST_F(AnyRun, KillingTheRunnerEndsThePod) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  // Under fly the runner is the app; under native nothing of the pod may outlive it.
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
}

TEST_F(Lifecycle, DeathBySignalGivesItsNumber) {
  EXPECT_EQ(Run({JudgeAci(), "--", "kill", "9"}).code, 9);
  EXPECT_EQ(Run({JudgeAci(), "--", "kill", "11"}).code, 11);
}

TEST_F(Lifecycle, FirstFailureStopsThePod) {
  Output output = Run({JudgeAci(), "--name=fails", "--", "exit", "4", "0.3", "---",  //
                       JudgeAci(), "--name=lasts", "--", "sleep", "60"},
                      {.timeout = 30});
  EXPECT_EQ(output.code, 4) << output.All();
  EXPECT_LT(output.seconds, 10);
  std::string uuid = PodsIn("run").at(0);
  EXPECT_EQ(StatusValue(uuid, "app-fails"), "4");
  EXPECT_EQ(StatusValue(uuid, "app-lasts"), "0");
}

TEST_F(Lifecycle, PodEndsWithItsLastApp) {
  Output output = Run({JudgeAci(), "--name=one", "--", "exit", "0", "0.1", "---",  //
                       JudgeAci(), "--name=two", "--", "exit", "0", "0.5", "---",  //
                       JudgeAci(), "--name=three", "--", "exit", "0"});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_GE(output.seconds, 0.5);
}

TEST_F(Lifecycle, StatusFileHoldsTheNumber) {
  Run({JudgeAci(), "--", "exit", "7"});
  std::string uuid = PodsIn("run").at(0);
  std::string pod = PodDir(uuid);
  std::string tree = ReadFile(pod + "/stage1TreeStoreID");
  EXPECT_EQ(ReadFile(pod + "/overlay/" + tree + "/upper/rkt/status/judge"), "7\n");
  Output status = RktOk({"status", uuid});
  std::vector<std::string> lines = Lines(status.out);
  ASSERT_GE(lines.size(), 7u) << status.out;
  EXPECT_EQ(lines[0], "state=exited");
  EXPECT_TRUE(StartsWith(lines[1], "created=") && IsLongTime(lines[1].substr(8))) << lines[1];
  EXPECT_TRUE(StartsWith(lines[2], "started=") && IsLongTime(lines[2].substr(8))) << lines[2];
  EXPECT_EQ(lines[3], "networks=");
  EXPECT_TRUE(StartsWith(lines[4], "pid=")) << lines[4];
  EXPECT_EQ(lines[5], "exited=true");
  EXPECT_EQ(lines[6], "app-judge=7");
}

TEST_F(Lifecycle, StopIsCleanWhateverTheHandlerReturns) {
  RunningPod pod = Start({JudgeAci(), "--", "trap-term", "9"}, "waiting for TERM");
  RktOk({"stop", pod.uuid});
  Output output = pod.rkt->Wait(20);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.out, "judge: got TERM")) << output.out;
  EXPECT_EQ(StatusValue(pod.uuid, "app-judge"), "0");
}

TEST_F(Lifecycle, ForcedStopKills) {
  RunningPod pod = Start({JudgeAci(), "--", "ignore-term"}, "ignoring TERM");
  Output stop = RktOk({"stop", "--force", pod.uuid});
  EXPECT_EQ(stop.out, "\"" + pod.uuid + "\"\n");
  EXPECT_EQ(pod.rkt->Wait(10).signal, SIGKILL);
  EXPECT_EQ(StateOf(pod.uuid), "exited");
  EXPECT_EQ(StatusValue(pod.uuid, "app-judge"), "");
}

TEST_F(Lifecycle, SecondTermEndsAnAppThatIgnoresTheFirst) {
  RunningPod pod = Start({JudgeAci(), "--", "ignore-term"}, "ignoring TERM");
  RktOk({"stop", pod.uuid});
  SleepFor(0.3);
  EXPECT_TRUE(pod.rkt->Running()) << "an app that ignores TERM has until the timeout";
  RktOk({"stop", pod.uuid});
  EXPECT_FALSE(pod.rkt->Wait(10).timed_out);
}

TEST_F(Lifecycle, TermToTheRunnerStopsThePod) {
  RunningPod pod = Start({JudgeAci(), "--name=a", "--", "trap-term", "0", "---",  //
                          JudgeAci(), "--name=b", "--", "trap-term", "0"});
  ASSERT_TRUE(pod.rkt->WaitForText("] a["));
  ASSERT_TRUE(pod.rkt->WaitForText("] b["));
  pod.rkt->Kill(SIGTERM);
  Output output = pod.rkt->Wait(10);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(AppLines(output.out, "a").back(), "judge: got TERM");
  EXPECT_EQ(AppLines(output.out, "b").back(), "judge: got TERM");
}

TEST_F(Lifecycle, StoppingWhatDoesNotRun) {
  std::string prepared = Prepare({JudgeAci()});
  Output output = Rkt({"stop", prepared});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "pod \"" + prepared + "\" is not running")) << output.err;
  output = Rkt({"stop", "00000000-0000-4000-8000-000000000000"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "failed to stop 1 pod(s)")) << output.err;
  Run({JudgeAci(), "--", "exit", "0"});
  std::string uuid = PodsIn("run").at(0);
  output = Rkt({"stop", uuid});
  EXPECT_EQ(output.code, 0);
  EXPECT_TRUE(Contains(output.out + output.err, "pod \"" + uuid + "\" is already stopped"))
      << output.All();
}

TEST_F(Lifecycle, UuidFilesOfStopAndStatus) {
  std::string file = dir() + "/uuid";
  Run({"--uuid-file-save=" + file, JudgeAci(), "--", "exit", "0"});
  std::string uuid = ReadFile(file);
  WriteFile(dir() + "/spaced", "  " + uuid + " \n\n");
  EXPECT_EQ(RktOk({"status", "--uuid-file=" + dir() + "/spaced"}).out, RktOk({"status", uuid}).out);
  EXPECT_EQ(Rkt({"stop", "--uuid-file=" + dir() + "/spaced"}).code, 0);
  EXPECT_EQ(Rkt({"status", "--uuid-file=" + dir() + "/missing"}).code, 1);
  EXPECT_EQ(Rkt({"stop", "--uuid-file=" + dir() + "/missing"}).code, 1);
  for (const char* command : {"status", "stop"}) {
    Output output = Rkt({command, "--uuid-file=" + file, uuid});
    EXPECT_EQ(output.code, 254);
    EXPECT_TRUE(Contains(output.out + output.err, "USAGE:")) << output.All();
  }
  Output removed = RktOk({"rm", "--uuid-file=" + file});
  EXPECT_EQ(removed.out, "\"" + uuid + "\"\n");
}

TEST_F(Pods, UuidsMayBeShortened) {
  std::string uuid = Prepare({JudgeAci()});
  std::string upper;
  for (char c : uuid.substr(0, 8)) upper += static_cast<char>(toupper(c));
  EXPECT_EQ(RktOk({"status", uuid.substr(0, 8)}).out, RktOk({"status", uuid}).out);
  EXPECT_EQ(RktOk({"status", upper}).out, RktOk({"status", uuid}).out);
  Output output = Rkt({"status", "zzzz"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "no matches found for \"zzzz\"")) << output.err;
  for (const char* twin :
       {"abcdef00-0000-4000-8000-000000000001", "abcdef00-0000-4000-8000-000000000002"}) {
    MakeDirs(data() + "/pods/prepared/" + twin);
  }
  output = Rkt({"status", "abcdef"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "ambiguous uuid, 2 matches")) << output.err;
}

TEST_F(Pods, StateIsDirectoryAndLock) {
  struct Case {
    const char *stage, *uuid, *locked, *unlocked;
  } cases[] = {
      {"prepare", "10000000-0000-4000-8000-000000000001", "preparing", "aborted prepare"},
      {"prepared", "10000000-0000-4000-8000-000000000002", "prepared", "prepared"},
      {"run", "10000000-0000-4000-8000-000000000003", "running", "exited"},
      {"exited-garbage", "10000000-0000-4000-8000-000000000004", "exited deleting",
       "exited garbage"},
  };
  std::string uuid = Prepare({JudgeAci()});
  std::string manifest = ReadFile(PodDir(uuid) + "/pod");
  for (const Case& c : cases) {
    std::string path = data() + "/pods/" + c.stage + "/" + c.uuid;
    MakeDirs(path);
    WriteFile(path + "/pod", manifest);
    WriteFile(path + "/pod-created", "");
    EXPECT_EQ(StateOf(c.uuid), c.unlocked);
    int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(StateOf(c.uuid), c.locked);
    EXPECT_TRUE(Contains(RktOk({"list", "--full"}).out, std::string(c.locked))) << c.locked;
    close(fd);
  }
}

TEST_F(Pods, ListShowsAPodsAppsInRows) {
  EXPECT_EQ(RktOk({"list", "--no-legend"}).out, "");
  EXPECT_EQ(Trim(RktOk({"list", "--format=json"}).out), "null");
  std::string uuid =
      Prepare({JudgeAci(), "--name=one", "--", "x", "---", JudgeAci(), "--name=two"});
  std::vector<std::string> lines = Lines(RktOk({"list"}).out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(StartsWith(lines[0], "UUID\t\tAPP\tIMAGE NAME\t\t")) << lines[0];
  EXPECT_TRUE(
      StartsWith(lines[1], uuid.substr(0, 8) + "\tone\texample.com/judge:1.0.0\tprepared\t"))
      << lines[1];
  EXPECT_TRUE(StartsWith(lines[2], "\t\ttwo\texample.com/judge:1.0.0\t")) << lines[2];
  std::string full = RktOk({"list", "--full"}).out;
  EXPECT_TRUE(Contains(full, "IMAGE ID")) << full;
  EXPECT_TRUE(Contains(full, uuid)) << full;
}

TEST_F(Pods, ListAsJson) {
  Run({JudgeAci(), "--", "exit", "2"});
  std::string uuid = PodsIn("run").at(0);
  Facts list = Facts::Parse(RktOk({"list", "--format=json"}).out);
  ASSERT_EQ(list.Count(""), 1u);
  EXPECT_EQ(list["/0/name"], uuid);
  EXPECT_EQ(list["/0/state"], "exited");
  EXPECT_EQ(list.List("/0/app_names"), Args{"judge"});
  EXPECT_EQ(list["/0/apps/0/name"], "judge");
  EXPECT_EQ(list["/0/apps/0/exit_code"], "2");
  EXPECT_TRUE(StartsWith(list["/0/apps/0/image_id"], "sha512-"));
  EXPECT_EQ(list["/0/created_at"].size(), 10u) << "seconds";
  EXPECT_EQ(list["/0/started_at"].size(), 10u) << "seconds";
  EXPECT_EQ(list["/0/apps/0/created_at"].size(), 19u) << "nanoseconds";
  Facts status = Facts::Parse(RktOk({"status", "--format=json", uuid}).out);
  EXPECT_EQ(status["/name"], uuid);
  EXPECT_EQ(status["/apps/0/exit_code"], "2");
  Facts pretty = Facts::Parse(RktOk({"status", "--format=json-pretty", uuid}).out);
  EXPECT_EQ(pretty["/name"], uuid);
}

TEST_F(Pods, EntriesThatAreNoPodsDoNotHideOthers) {
  std::string uuid = Prepare({JudgeAci()});
  WriteFile(data() + "/pods/run/stray-file", "");
  MakeDirs(data() + "/pods/run/not-a-uuid");
  MakeDirs(data() + "/pods/run/20000000-0000-4000-8000-000000000000");
  WriteFile(data() + "/pods/run/20000000-0000-4000-8000-000000000000/pod", "{ damaged");
  Output output = Rkt({"list", "--full"});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.out, uuid)) << output.All();
  RemoveAll(data() + "/pods/run/not-a-uuid");
  RemoveAll(data() + "/pods/run/stray-file");
}

TEST_F(Pods, WaitingForTheEnd) {
  RunningPod pod = Start({JudgeAci(), "--", "exit", "6", "0.8"});
  Output timeout = Rkt({"status", "--wait=100ms", pod.uuid});
  EXPECT_EQ(timeout.code, 254);
  EXPECT_TRUE(Contains(timeout.err, "error waiting for pod to finish: context deadline exceeded"))
      << timeout.err;
  Output status = RktOk({"status", "--wait", pod.uuid}, {.timeout = 20});
  EXPECT_TRUE(Contains(status.out, "app-judge=6")) << status.out;
  pod.rkt->Wait();
}

TEST_F(Pods, WaitingForReadiness) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep", "30"});
  EXPECT_EQ(Rkt({"status", "--wait-ready=10s", pod.uuid}).code, 0);
  RktOk({"stop", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Pods, RmTakesWhatIsOver) {
  std::string prepared = Prepare({JudgeAci()});
  Run({JudgeAci(), "--", "exit", "0"});
  std::string exited = PodsIn("run").at(0);
  RunningPod running = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  Output output = Rkt({"rm", running.uuid});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "failed to remove one or more pods")) << output.err;
  output = RktOk({"rm", prepared, exited});
  EXPECT_EQ(output.out, "\"" + prepared + "\"\n\"" + exited + "\"\n");
  EXPECT_TRUE(PodsIn("prepared").empty());
  EXPECT_TRUE(PodsIn("exited-garbage").empty());
  RktOk({"stop", "--force", running.uuid});
  running.rkt->Wait();
}

TEST_F(Pods, GcWorksInTwoPhases) {
  Run({JudgeAci(), "--", "exit", "0"});
  std::string uuid = PodsIn("run").at(0);
  Output first = RktOk({"gc"});
  EXPECT_TRUE(Contains(first.err, "gc: moving pod \"" + uuid + "\" to garbage")) << first.err;
  EXPECT_EQ(PodsIn("exited-garbage"), Args{uuid});
  Output second = RktOk({"gc"});
  EXPECT_TRUE(
      Contains(second.err, "pod \"" + uuid + "\" not removed: still within grace period (30m0s)"))
      << second.err;
  Output third = RktOk({"gc", "--grace-period=0s"});
  EXPECT_TRUE(Contains(third.out, "Garbage collecting pod \"" + uuid + "\"")) << third.out;
  EXPECT_TRUE(PodsIn("exited-garbage").empty());
}

TEST_F(Pods, GcExpiresPreparedPodsOnly) {
  std::string uuid = Prepare({JudgeAci()});
  RktOk({"gc"});
  EXPECT_EQ(PodsIn("prepared"), Args{uuid});
  RktOk({"gc", "--expire-prepared=0s"});
  EXPECT_TRUE(PodsIn("prepared").empty());
}

TEST_F(Pods, GcSparesWhatRuns) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  RktOk({"gc", "--grace-period=0s", "--expire-prepared=0s"});
  EXPECT_EQ(StateOf(pod.uuid), "running");
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

}  // namespace
}  // namespace rkt::test
