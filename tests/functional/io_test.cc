// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Output, input and terminals of apps; enter and logs.

#include <signal.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Io : public PodTest {};
class AnyIo : public PodTest {};
class Interactive : public PodTest {};
class Logs : public PodTest {};

TEST_F(AnyIo, OutputReachesTheConsole) {
  Output output = RunOk({JudgeAci(), "--", "say", "one", "two"});
  EXPECT_EQ(AppLines(output.out), (Args{"one", "two"})) << output.All();
}

TEST_F(Io, ConsoleLinesNameTheApp) {
  Output output = RunOk({JudgeAci(), "--name=talker", "--", "say", "hello"});
  std::vector<std::string> lines = Lines(output.out);
  ASSERT_EQ(lines.size(), 1u) << output.out;
  // [ 1762.007] talker[5]: hello
  EXPECT_EQ(lines[0][0], '[');
  EXPECT_TRUE(Contains(lines[0], "] talker[")) << lines[0];
  EXPECT_TRUE(EndsWith(lines[0], "]: hello")) << lines[0];
  Output errors = RunOk({JudgeAci(), "--", "complain", "oops"});
  EXPECT_EQ(AppLines(errors.err), Args{"oops"}) << errors.All();
  EXPECT_EQ(errors.out, "");
}

TEST_F(Io, LinesWrittenRightBeforeTheEndAreNotLost) {
  for (int round = 0; round < 3; round++) {
    Output output = RunOk({JudgeAci(), "--name=a", "--", "lines", "10000", "---",  //
                           JudgeAci(), "--name=b", "--", "lines", "10000", "stderr"});
    for (const std::string& app : {std::string("a"), std::string("b")}) {
      std::vector<std::string> lines = AppLines(app == "a" ? output.out : output.err, app);
      ASSERT_EQ(lines.size(), 10000u) << app;
      for (size_t i = 0; i < lines.size(); i++)
        ASSERT_EQ(lines[i], "line " + std::to_string(i + 1));
    }
    std::string uuid = PodsIn("run").at(0);
    std::string logs = RktOk({"logs", "--app=a", uuid}).out;
    EXPECT_TRUE(Contains(logs, "line 10000")) << "the log has it too";
    CollectAll();
  }
}

TEST_F(Io, AppThatFailsStillGetsItsLastLinesOut) {
  Output output = Run({JudgeAci(), "--exec=/bin/sh", "--", "-c", "/judge lines 3000; exit 5"});
  EXPECT_EQ(output.code, 5);
  EXPECT_EQ(AppLines(output.out).size(), 3000u);
}

TEST_F(Io, LineWithoutEndIsWrittenWhole) {
  EXPECT_EQ(AppLines(RunOk({JudgeAci(), "--", "print", "no newline"}).out), Args{"no newline"});
}

TEST_F(Io, EscapesInOutputOfAppsArePassedButNotInNames) {
  Output output = Rkt({"status", "\x1b[31mred"});
  EXPECT_EQ(output.code, 254);
  EXPECT_FALSE(Contains(output.err, "\x1b")) << output.err;
}

TEST_F(Io, StdinIsEmpty) {
  Output output = RunOk({JudgeAci(), "--", "cat"}, {.input = "not for the app\n", .timeout = 20});
  EXPECT_EQ(AppLines(output.out), Args{"cat: 0"});
}

TEST_F(Interactive, AppHasTheTerminal) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--", "tty"})), {}, 33, 111);
  int code = terminal.Wait();
  EXPECT_EQ(code, 0) << terminal.screen();
  std::string json;
  for (char c : terminal.screen()) {
    if (c != '\r') json += c;
  }
  Facts facts = Facts::Parse(json);
  for (const char* fd : {"/0", "/1", "/2"}) {
    EXPECT_EQ(facts[std::string(fd) + "/tty"], "1");
    EXPECT_EQ(facts[std::string(fd) + "/rows"], "33");
    EXPECT_EQ(facts[std::string(fd) + "/columns"], "111");
  }
  EXPECT_EQ(facts["/controlling"], "ok");
  EXPECT_EQ(facts["/foreground"], "1");
}

TEST_F(Interactive, KeysArriveAndTheExitCodeIsTheApps) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/sh"})), {});
  terminal.Type("echo sum=$((20+22))\n");
  EXPECT_TRUE(terminal.Expect("sum=42")) << terminal.screen();
  terminal.Type("exit 9\n");
  EXPECT_EQ(terminal.Wait(), 9) << terminal.screen();
}

TEST_F(Interactive, InterruptGoesToTheApp) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/sh"})), {});
  terminal.Type("/judge sleep 60\n");
  ASSERT_TRUE(terminal.Expect("judge: sleeping")) << terminal.screen();
  terminal.Type("\x03");
  terminal.Type("echo still=$((1+1))\n");
  EXPECT_TRUE(terminal.Expect("still=2")) << terminal.screen();
  terminal.Type("exit\n");
  terminal.Wait();
}

TEST_F(Interactive, WindowSizeFollows) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/sh"})), {});
  terminal.Type("echo ready=$((1+1))\n");
  ASSERT_TRUE(terminal.Expect("ready=2")) << terminal.screen();
  terminal.Resize(50, 132);
  kill(terminal.pid(), SIGWINCH);
  SleepFor(0.3);
  terminal.Type("/judge tty\n");
  EXPECT_TRUE(terminal.Expect("\"columns\":132")) << terminal.screen();
  terminal.Type("exit\n");
  terminal.Wait();
}

TEST_F(Interactive, ThreeEscapesEndThePod) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--", "ignore-term", "100"})),
                    {});
  ASSERT_TRUE(terminal.Expect("ignoring TERM")) << terminal.screen();
  double start = Now();
  terminal.Type("\x1d\x1d\x1d");
  EXPECT_NE(terminal.Wait(15), -1) << terminal.screen();
  EXPECT_LT(Now() - start, 10);
}

TEST_F(Interactive, TwoEscapesDoNot) {
  Terminal terminal(RktArgs(RunArgs({"--interactive", JudgeAci(), "--exec=/bin/sh"})), {});
  terminal.Type("echo ready=$((1+1))\n");
  ASSERT_TRUE(terminal.Expect("ready=2")) << terminal.screen();
  terminal.Type("\x1d\x1d");
  SleepFor(1.3);
  terminal.Type("\x15");  // what the shell took of it
  terminal.Type("echo alive=$((2+2))\n");
  EXPECT_TRUE(terminal.Expect("alive=4")) << terminal.screen();
  terminal.Type("exit\n");
  terminal.Wait();
}

TEST_F(Interactive, WorksWithoutATerminal) {
  Output output =
      Run({"--interactive", JudgeAci(), "--", "cat"}, {.input = "from a pipe\n", .timeout = 20});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.out, "from a pipe")) << output.All();
}

class RunningApp : public PodTest {
 protected:
  void Begin(const Args& args) {
    pod_ = Start(args);
    ASSERT_EQ(Rkt({"status", "--wait-ready=10s", pod_.uuid}).code, 0);
  }
  void TearDown() override {
    if (pod_.rkt) {
      Rkt({"stop", "--force", pod_.uuid});
      pod_.rkt->Wait(10);
    }
    PodTest::TearDown();
  }
  RunningPod pod_;
};

class EnterPod : public RunningApp {};

TEST_F(EnterPod, CommandRunsInsideAndItsExitCodeIsPassed) {
  Begin({JudgeAci(), "--environment=OWN=value", "--", "sleep"});
  EXPECT_EQ(Rkt({"enter", pod_.uuid, "/bin/sh", "-c", "exit 33"}).code, 33);
  Output output = RktOk({"enter", pod_.uuid, "/judge", "see"}, {.env = {"HOST=1", "TERM=linux"}});
  Facts facts = Facts::Parse(output.out);
  EXPECT_EQ(facts["/ids/uid"], "0");
  EXPECT_EQ(facts["/cwd"], "/");
  EXPECT_EQ(facts["/env/OWN"], "value");
  EXPECT_EQ(facts["/env/TERM"], "linux");
  EXPECT_FALSE(facts.Has("/env/HOST"));
  for (const std::string& fd : facts.Keys("/fds"))
    EXPECT_LE(std::stoi(fd), 2) << facts["/fds/" + fd];
}

TEST_F(EnterPod, FailuresHaveTheirCodes) {
  Begin({JudgeAci(), "--", "sleep"});
  EXPECT_EQ(Rkt({"enter", pod_.uuid, "/no/such/program"}).code, 1);
  EXPECT_NE(Rkt({"enter", "--app=unknown", pod_.uuid, "/bin/true"}).code, 0);
  Output output = Rkt({"enter", pod_.uuid});
  EXPECT_TRUE(Contains(output.err, "no command specified, assuming \"/bin/bash\"")) << output.err;
  std::string prepared = Prepare({JudgeAci()});
  output = Rkt({"enter", prepared, "/bin/true"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "pod \"" + prepared + "\" isn't currently running"))
      << output.err;
}

TEST_F(EnterPod, PodOfSeveralAppsNeedsAChoice) {
  Begin({JudgeAci(), "--name=one", "--", "sleep", "---", JudgeAci(), "--name=two", "--", "sleep"});
  Output output = Rkt({"enter", pod_.uuid, "/bin/true"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.All(), "one") && Contains(output.All(), "two")) << output.All();
  output = RktOk({"enter", "--app=two", pod_.uuid, "/judge", "see"});
  EXPECT_EQ(Facts::Parse(output.out)["/env/AC_APP_NAME"], "two");
}

TEST_F(EnterPod, TerminalIsUsable) {
  Begin({JudgeAci(), "--", "sleep"});
  Terminal terminal(RktArgs({"enter", pod_.uuid, "/bin/sh"}), {});
  terminal.Type("echo in=$((3+4))\n");
  EXPECT_TRUE(terminal.Expect("in=7")) << terminal.screen();
  terminal.Type("exit 3\n");
  EXPECT_EQ(terminal.Wait(), 3);
}

TEST_F(Logs, RunningAndExitedPods) {
  std::string uuid = Prepare({JudgeAci(), "--name=a", "--", "say", "from a", "---",  //
                              JudgeAci(), "--name=b", "--", "complain", "from b"});
  RktOk({"run-prepared", "--net=none", uuid});
  std::string all = RktOk({"logs", uuid}).out;
  EXPECT_TRUE(Contains(all, "from a") && Contains(all, "from b")) << all;
  std::string one = RktOk({"logs", "--app=a", uuid}).out;
  EXPECT_TRUE(Contains(one, "from a") && !Contains(one, "from b")) << one;
  EXPECT_EQ(Rkt({"logs", "--app=c", uuid}).code, 254);
  EXPECT_EQ(Rkt({"logs", "00000000-0000-4000-8000-000000000000"}).code, 254);
}

TEST_F(Logs, FilesHaveTheFormatOfCri) {
  RunOk({JudgeAci(), "--", "say", "hello"});
  std::vector<std::string> lines = Lines(ReadFile(PodDir(PodsIn("run").at(0)) + "/logs/judge"));
  ASSERT_EQ(lines.size(), 1u);
  std::vector<std::string> words = Split(lines[0], ' ');
  ASSERT_EQ(words.size(), 4u) << lines[0];
  EXPECT_TRUE(Contains(words[0], "T") && Contains(words[0], ".")) << words[0];
  EXPECT_EQ(words[1], "stdout");
  EXPECT_EQ(words[2], "F");
  EXPECT_EQ(words[3], "hello");
}

TEST_F(Logs, FollowingEndsWithThePod) {
  RunningPod pod =
      Start({JudgeAci(), "--exec=/bin/sh", "--", "-c", "echo first; sleep 1; echo last"}, "first");
  Output output = RktOk({"logs", "-f", pod.uuid}, {.timeout = 20});
  EXPECT_TRUE(Contains(output.out, "first") && Contains(output.out, "last")) << output.out;
  pod.rkt->Wait();
}

}  // namespace
}  // namespace rkt::test
