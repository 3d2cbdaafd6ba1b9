// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Apps that make it hard: what they do to their own files and streams keeps neither the pod from being stopped nor the
// collector from removing it.

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Endurance : public PodTest {};

// A pod whose app has ended, and whose output nobody takes: pid 1 still has some of it.
TEST_F(Endurance, OutputThatNobodyTakesDoesNotKeepAnEndedPodFromBeingStopped) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  std::string uuid_file = dir() + "/uuid";
  Background rkt(Args{"/bin/sh", "-c",
                      "exec \"$0\" \"$@\" >/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(pipe[1])} +
                     RktArgs(RunArgs({"--uuid-file-save=" + uuid_file, JudgeAci(), "--exec=/bin/sh", "--", "-c",
                                      "head -c 80000 /dev/zero | tr '\\0' x; echo done >&2"})),
                 {}, dir() + "/rkt");
  ASSERT_TRUE(rkt.WaitForText("done") || Contains(rkt.err(), "done"));
  SleepFor(0.3);
  ASSERT_TRUE(rkt.Running());
  std::string uuid = Trim(ReadFile(uuid_file));
  RktOk({"stop", uuid});
  EXPECT_FALSE(rkt.Wait(20).timed_out);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// The end of what rkt prints is a terminal that shows nothing any more.
TEST_F(Endurance, TerminalThatTakesNothingDoesNotKeepAPodFromBeingStopped) {
  std::string uuid_file = dir() + "/uuid";
  Terminal terminal(RktArgs(RunArgs({"--uuid-file-save=" + uuid_file, JudgeAci(), "--exec=/bin/sh", "--", "-c",
                                     "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"})),
                    {});
  for (double end = Now() + 20; Now() < end && ReadFile(uuid_file).size() < 36;) SleepFor(0.01);
  SleepFor(1);
  std::string uuid = Trim(ReadFile(uuid_file));
  RktOk({"stop", uuid});
  EXPECT_TRUE(WaitForState(uuid, "exited"));
  Rkt({"stop", "--force", uuid});
}

// What an app has put in the place of its devices is opened by nobody who must not wait.
TEST_F(Endurance, FifoInThePlaceOfADeviceDoesNotHoldAHandlerUp) {
  ImageSpec spec;
  spec.app = R"("eventHandlers":[{"name":"post-stop","exec":["/bin/sh","-c","echo after"]}])";
  Output output = Run({WriteImage("a.aci", spec), "--exec=/bin/sh", "--", "-c", "rm /dev/null; mkfifo /dev/null; echo main"},
                      {.timeout = 20});
  EXPECT_FALSE(output.timed_out);
  EXPECT_TRUE(Contains(output.out, "main")) << output.All();
}

// Deeper than there are descriptors for who removes it.
TEST_F(Endurance, DeepDirectoriesAreCollected) {
  RunningPod pod = Start({JudgeAci(), "--exec=/bin/sh", "--", "-c", "echo begun; exec /judge sleep"}, "begun");
  std::string pid = StatusValue(pod.uuid, "pid");
  int at = ::open(("/proc/" + pid + "/root/opt/stage2/judge/rootfs/tmp").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(at, 0);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(::mkdirat(at, "d", 0755), 0);
    int next = ::openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(next, 0);
    ::close(at);
    at = next;
  }
  ::close(at);
  RktOk({"stop", pod.uuid});
  pod.rkt->Wait();
  std::string run = "ulimit -n 256; exec \"$0\" \"$@\"";
  for (int round = 0; round < 3 && !(PodsIn("run").empty() && PodsIn("exited-garbage").empty()); ++round) {
    Output collected = RunProgram(Args{"/bin/sh", "-c", run} + RktArgs({"gc", "--grace-period=0s"}));
    EXPECT_EQ(collected.code, 0) << collected.All();
    EXPECT_FALSE(Contains(collected.err, "open files")) << collected.All();
  }
  EXPECT_TRUE(PodsIn("run").empty() && PodsIn("exited-garbage").empty() && PodsIn("garbage").empty());
}

// What is opened next must not take the place of the streams that are missing, and get what is written to them.
TEST_F(Endurance, CallerWithoutStandardStreamsIsServed) {
  std::string uuid_file = dir() + "/uuid";
  Background rkt(Args{"/bin/sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"} +
                     RktArgs(RunArgs({"--uuid-file-save=" + uuid_file, JudgeAci(), "--exec=/bin/sh", "--", "-c",
                                      "echo out; echo err >&2; exec /judge sleep"})),
                 {}, dir() + "/rkt");
  for (double end = Now() + 20; Now() < end && ReadFile(uuid_file).size() < 36;) SleepFor(0.01);
  std::string uuid = Trim(ReadFile(uuid_file));
  RktOk({"status", "--wait-ready=20s", uuid});
  for (const char* fd : {"0", "1", "2"}) {
    char target[PATH_MAX] = "";
    std::string link = "/proc/" + std::to_string(rkt.pid()) + "/fd/" + fd;
    EXPECT_GT(::readlink(link.c_str(), target, sizeof target - 1), 0);
    EXPECT_STREQ(target, "/dev/null") << fd;
  }
  RktOk({"stop", uuid});
  EXPECT_EQ(rkt.Wait(20).code, 0);
}

// What an image is made of stands in messages; on a terminal it must not be obeyed.
TEST_F(Endurance, MessagesAboutAnAppHaveNoEscapesOfItsImage) {
  ImageSpec spec;
  spec.app = R"("mountPoints":[{"name":"x","path":"/file\u001b[31m/x"}])";
  Tar tar;
  tar.File("manifest", ManifestJson(spec));
  AddJudgeRoot(tar);
  tar.File("rootfs/file\x1b[31m", "");
  Output output = Run({WriteImage("a.aci", tar.Finish()), "--", "exit", "0"});
  EXPECT_EQ(output.code, 1) << output.All();
  EXPECT_TRUE(Contains(output.err, "mounting /file\\x1b[31m/x: not a directory")) << output.err;
  EXPECT_FALSE(Contains(output.All(), "\x1b")) << output.err;
}

TEST_F(Endurance, WhoAttachesToAPodWithUsersOfItsOwnIsLetIn) {
  RunningPod pod = Start({"--private-users", JudgeAci(), "--name=app", "--stdin=stream", "--stdout=stream", "--exec=/bin/cat"});
  RktOk({"status", pod.uuid, "--wait-ready=20s"});
  Background attached = StartRkt({"attach", "--mode=stdin,stdout", pod.uuid}, {.input = "through\n"});
  EXPECT_TRUE(attached.WaitForText("through")) << attached.err();
  RktOk({"stop", pod.uuid});
}

}  // namespace
}  // namespace rkt::test
