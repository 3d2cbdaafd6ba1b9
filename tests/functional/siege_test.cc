// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// From within a pod against what comes into it from outside: programs that are being started there, and terminals.

#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Siege : public PodTest {
 protected:
  // Enters a pod in which somebody hunts for what enters.
  void Hunt(RunningPod pod) {
    for (int i = 0; i < 40 && !Contains(pod.rkt->out(), "caught"); ++i) {
      EXPECT_EQ(Rkt({"enter", pod.uuid, "/judge", "exit", "5"}).code, 5);
    }
    EXPECT_FALSE(Contains(pod.rkt->out(), "caught")) << pod.rkt->out();
    RktOk({"stop", "--force", pod.uuid});
    pod.rkt->Wait();
  }
};

// As many rights as an app gets that may mount; the default filter is in force.
const Args kRights = {"--caps-retain=CAP_SYS_ADMIN,CAP_SETUID,CAP_SETGID,CAP_DAC_OVERRIDE"};

TEST_F(Siege, WhatEntersIsOutOfReachUntilItIsAProgramOfThePod) {
  Hunt(Start(Args{JudgeAci()} + kRights + Args{"--", "hunt", "600"}, "hunt: ready"));
}

TEST_F(Siege, WhatEntersIsOutOfReachForRootOfThePodsUsers) {
  REQUIRE_FACILITY("private-users", Run({"--private-users", JudgeAci(), "--", "exit", "0"}).code == 0,
                   "no user namespaces");
  Hunt(Start(Args{"--private-users", JudgeAci(), "--caps-retain=CAP_SYS_PTRACE,CAP_SYS_ADMIN,CAP_SETUID,CAP_SETGID",
                  "--seccomp=mode=retain,@appc.io/all", "--", "hunt", "600", "by-call"},
             "hunt: ready"));
}

TEST_F(Siege, NeighboursThatStartAreOutOfReachUntilTheyHave) {
  for (int round = 0; round < 2; ++round) {
    Args apps = Args{JudgeAci()} + kRights + Args{"--", "hunt", "1"};
    for (int i = 0; i < 20; ++i) {
      apps = apps + Args{"---", JudgeAci(), "--name=n" + std::to_string(i)} + kRights + Args{"--", "exit", "0"};
    }
    Output output = Run(apps);
    EXPECT_TRUE(Contains(output.out, "hunt: ready")) << output.All();
    EXPECT_FALSE(Contains(output.out, "caught")) << output.All();
  }
}

// An app's oom_score_adj is set while it still has the supervisor's memory.
TEST_F(Siege, NeighboursOfRootOfThePodsUsersAreOutOfReachToo) {
  REQUIRE_FACILITY("private-users", Run({"--private-users", JudgeAci(), "--", "exit", "0"}).code == 0,
                   "no user namespaces");
  const Args rights = {"--caps-retain=CAP_SYS_PTRACE,CAP_SYS_ADMIN,CAP_SETUID,CAP_SETGID",
                       "--seccomp=mode=retain,@appc.io/all"};
  for (int round = 0; round < 2; ++round) {
    Args apps = Args{"--private-users", JudgeAci()} + rights + Args{"--", "hunt", "1", "by-call"};
    for (int i = 0; i < 20; ++i) {
      apps = apps + Args{"---", JudgeAci(), "--name=n" + std::to_string(i), "--oom-score-adj=" + std::to_string(i + 100)} +
             rights + Args{"--", "show", "/proc/self/oom_score_adj"};
    }
    Output output = Run(apps);
    EXPECT_TRUE(Contains(output.out, "hunt: ready")) << output.All();
    EXPECT_FALSE(Contains(output.out, "caught")) << output.All();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(AppLines(output.out, "n" + std::to_string(i)), Args{std::to_string(i + 100)});
  }
}

// Whoever has the terminal open could go on reading what is typed there when the command has ended.
TEST_F(Siege, ATerminalOfTheCallersStaysOutsideWhicheverStreamItIs) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  auto shell = [&](const std::string& streams) {
    return Args{"/bin/sh", "-c", "exec \"$@\" " + streams, "sh"} +
           RktArgs({"enter", pod.uuid, "/bin/sh", "-c",
                    "for i in 0 1 2; do readlink /proc/self/fd/$i; done; read line; echo \"read $line\"; echo end >&2"});
  };
  std::string file = dir() + "/out";
  {
    Terminal terminal(shell("> " + file), {});
    terminal.Type("typed\n");
    EXPECT_TRUE(terminal.Expect("end")) << terminal.screen();
    EXPECT_EQ(terminal.Wait(), 0);
    std::vector<std::string> lines = Lines(ReadFile(file));
    ASSERT_EQ(lines.size(), 4u) << ReadFile(file);
    EXPECT_TRUE(StartsWith(lines[0], "pipe:")) << lines[0];
    EXPECT_TRUE(StartsWith(lines[2], "pipe:")) << lines[2];
    EXPECT_EQ(lines[3], "read typed");
  }
  WriteFile(dir() + "/in", "from a file\n");
  Terminal terminal(shell("< " + dir() + "/in"), {});
  EXPECT_TRUE(terminal.Expect("read from a file")) << terminal.screen();
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_FALSE(Contains(terminal.screen(), "/dev/pts")) << terminal.screen();
  EXPECT_FALSE(Contains(terminal.screen(), "/dev/tty")) << terminal.screen();
  // All of a long output comes, and an end of input arrives.
  Terminal counted(Args{"/bin/sh", "-c", "exec \"$@\" < " + dir() + "/in", "sh"} +
                       RktArgs({"enter", pod.uuid, "/bin/sh", "-c", "seq 20000; cat"}),
                   {});
  EXPECT_TRUE(counted.Expect("20000\r\nfrom a file")) << counted.screen().size();
  EXPECT_EQ(counted.Wait(), 0);
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Siege, AProgramThatStaysBehindDoesNotKeepTheCaller) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  Terminal terminal(Args{"/bin/sh", "-c", "exec \"$@\" > " + dir() + "/out", "sh"} +
                        RktArgs({"enter", pod.uuid, "/bin/sh", "-c", "sleep 1000 & echo there >&2"}),
                    {});
  EXPECT_TRUE(terminal.Expect("there")) << terminal.screen();
  EXPECT_EQ(terminal.Wait(), 0);
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

}  // namespace
}  // namespace rkt::test
