// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt attach, and the stream modes of apps.

#include <sys/wait.h>
#include <unistd.h>

#include "functional/mutable_pod.h"

namespace rkt::test {
namespace {

class Attach : public MutablePodTest {
 protected:
  static Args Streams() { return {"--stdin=stream", "--stdout=stream", "--stderr=stream"}; }
  static Args Tty() { return {"--stdin=tty", "--stdout=tty", "--stderr=tty"}; }
  RunningPod StartApp(const Args& modes, const Args& exec) {
    RunningPod pod = Start(Args{JudgeAci(), "--name=app"} + modes + exec);
    RktOk({"status", pod.uuid, "--wait-ready=20s"});
    return pod;
  }
  Args AttachArgs(const std::string& uuid, const std::string& mode) {
    return {"attach", "--mode=" + mode, uuid};
  }
  static std::string Pattern(size_t size) {
    std::string text;
    for (size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i) + " of many\n";
    return text;
  }
};

TEST_F(Attach, ListIsIndentedByFourSpaces) {
  RunningPod pod = StartApp(Streams(), {"--exec=/bin/cat"});
  EXPECT_EQ(RktOk(AttachArgs(pod.uuid, "list")).out,
            "{\n    \"version\": 1,\n    \"targets\": [\n"
            "        {\n            \"name\": \"stdin\",\n            \"domain\": \"unix\",\n"
            "            \"address\": \"/rkt/iottymux/app/sock-stdin\"\n        },\n"
            "        {\n            \"name\": \"stdout\",\n            \"domain\": \"unix\",\n"
            "            \"address\": \"/rkt/iottymux/app/sock-stdout\"\n        },\n"
            "        {\n            \"name\": \"stderr\",\n            \"domain\": \"unix\",\n"
            "            \"address\": \"/rkt/iottymux/app/sock-stderr\"\n        }\n    ]\n}\n");
  std::string env = ReadFile(UpperDir(pod.uuid) + "/rkt/iottymux/app/env");
  EXPECT_TRUE(Contains(env, "STAGE2_TTY=false\n") && Contains(env, "STAGE2_STDIN=stream\n")) << env;
  Stop(pod);
}

TEST_F(Attach, ModesThatAreNone) {
  RunningPod pod = StartApp({"--stdin=stream", "--stdout=log"}, {"--exec=/bin/cat"});
  for (const char* mode : {"tty,stdin", "bogus", "stdin,", "tty-in,stderr"}) {
    Output output = Rkt(AttachArgs(pod.uuid, mode));
    EXPECT_EQ(output.code, 254) << mode;
    EXPECT_EQ(output.err, "attach: invalid attach mode\n");
  }
  for (const char* mode : {"stdout", "tty"}) {
    Output output = Rkt(AttachArgs(pod.uuid, mode));
    EXPECT_EQ(output.code, 254) << mode;
    EXPECT_TRUE(Contains(output.err, "offers no")) << output.All();
  }
  EXPECT_EQ(Rkt({"attach", "--app=other", pod.uuid}).code, 254);
  // What goes to the log is there as ever.
  RktOk(AttachArgs(pod.uuid, "stdin"), {.input = "logged\n"});
  EXPECT_TRUE(pod.rkt->WaitForText("logged"));
  Stop(pod);
  EXPECT_EQ(RktOk({"logs", pod.uuid}).out, "logged\n");
  Output ended = Rkt(AttachArgs(pod.uuid, "auto"));
  EXPECT_EQ(ended.code, 254);
  EXPECT_TRUE(Contains(ended.err, "is not running")) << ended.All();
}

TEST_F(Attach, PlainAppHasNothingToAttachTo) {
  RunningPod pod = StartApp({}, {"--", "sleep"});
  Output output = Rkt(AttachArgs(pod.uuid, "list"));
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "nothing to attach to")) << output.All();
  EXPECT_FALSE(Exists(UpperDir(pod.uuid) + "/rkt/iottymux"));
  Stop(pod);
  Output flag = Run({JudgeAci(), "--stdin=log"});
  EXPECT_EQ(flag.code, 254);
  EXPECT_TRUE(Contains(flag.err, "invalid stdin mode \"log\"")) << flag.All();
}

TEST_F(Attach, NullAndLogModes) {
  Output output = RunOk({JudgeAci(), "--stdout=null", "--stderr=log", "--exec=/bin/sh", "--", "-c",
                         "echo out; echo err >&2; cat | wc -c >&2"});
  EXPECT_EQ(AppText(output.out), "");
  EXPECT_EQ(AppText(output.err), "err\n0\n");
}

TEST_F(Attach, AutoConnectsEverything) {
  RunningPod pod = StartApp(Streams(), {"--exec=/bin/sh", "--", "-c",
                                        "read a; echo got $a; echo bad $a >&2; read b; exit 7"});
  Background client = StartRkt(AttachArgs(pod.uuid, "auto"), {.input = "x\ny\n"});
  Output output = client.Wait(30);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(output.out, "got x\n");
  EXPECT_EQ(output.err, "bad x\n");
  EXPECT_EQ(pod.rkt->Wait(20).code, 7);
}

TEST_F(Attach, EveryClientGetsAllOfALot) {
  std::string text = Pattern(8 << 20);
  WriteFile(dir() + "/text", text);
  RunningPod pod = StartApp({"--stdin=stream", "--stdout=stream"},
                            {"--exec=/bin/sh", "--", "-c", "head -c " + std::to_string(text.size())});
  Background one = StartRkt(AttachArgs(pod.uuid, "stdout"));
  Background two = StartRkt(AttachArgs(pod.uuid, "stdout"));
  SleepFor(0.5);
  Args typing = {"/bin/sh", "-c", "exec \"$@\" < " + dir() + "/text", "sh"};
  Background typist(typing + RktArgs(AttachArgs(pod.uuid, "stdin")), {}, dir() + "/typist");
  EXPECT_EQ(one.Wait(60).code, 0);
  EXPECT_EQ(two.Wait(60).code, 0);
  EXPECT_EQ(one.out().size(), text.size());
  EXPECT_TRUE(one.out() == text);
  EXPECT_TRUE(two.out() == text);
  EXPECT_EQ(typist.Wait(20).code, 0);
  EXPECT_EQ(pod.rkt->Wait(20).code, 0);
}

TEST_F(Attach, DeadAndStalledClientsStopNobody) {
  std::string volume = dir() + "/volume";
  MakeDirs(volume);
  RunningPod pod = Start({"--volume=v,kind=host,source=" + volume, JudgeAci(), "--name=app",
                          "--stdin=stream", "--stdout=stream", "--mount=volume=v,target=/v",
                          "--exec=/bin/sh", "--", "-c",
                          "read a; head -c 4000000 /dev/zero; echo done > /v/done; read b; echo $b; read c"});
  RktOk({"status", pod.uuid, "--wait-ready=20s"});
  Background stalled = StartRkt(AttachArgs(pod.uuid, "stdout"));
  Background dead = StartRkt(AttachArgs(pod.uuid, "stdout"));
  Background lively = StartRkt(AttachArgs(pod.uuid, "stdout"));
  SleepFor(0.5);
  stalled.Kill(SIGSTOP);
  RktOk(AttachArgs(pod.uuid, "stdin"), {.input = "go\n"});
  dead.Kill(SIGKILL);
  for (double end = Now() + 30; Now() < end && !Exists(volume + "/done");) SleepFor(0.05);
  EXPECT_TRUE(Exists(volume + "/done"));
  RktOk(AttachArgs(pod.uuid, "stdin"), {.input = "still here\n"});
  EXPECT_TRUE(lively.WaitForText("still here"));
  EXPECT_EQ(lively.out().size(), 4000000u + sizeof "still here");
  stalled.Kill(SIGCONT);
  Output cut = stalled.Wait(20);
  EXPECT_FALSE(cut.timed_out);
  EXPECT_LT(cut.out.size(), 4000000u);
  Stop(pod);
}

TEST_F(Attach, EndOfInputLeavesTheAppItsInput) {
  RunningPod pod = StartApp({"--stdin=stream", "--stdout=stream"}, {"--exec=/bin/cat"});
  Background reader = StartRkt(AttachArgs(pod.uuid, "stdout"));
  SleepFor(0.3);
  for (const char* text : {"one\n", "two\n"}) RktOk(AttachArgs(pod.uuid, "stdin"), {.input = text});
  EXPECT_TRUE(reader.WaitForText("one\ntwo\n"));
  EXPECT_TRUE(pod.rkt->Running());
  Stop(pod);
  EXPECT_EQ(reader.Wait(20).code, 0);
}

TEST_F(Attach, ClientThatDiesInTheMiddle) {
  RunningPod pod = StartApp({"--stdin=stream", "--stdout=stream"}, {"--exec=/bin/cat"});
  for (int i = 0; i < 5; ++i) {
    Background client = StartRkt(AttachArgs(pod.uuid, "stdin,stdout"));
    SleepFor(0.03 * i);
    client.Kill(SIGKILL);
    client.Wait();
  }
  Background reader = StartRkt(AttachArgs(pod.uuid, "stdout"));
  SleepFor(0.3);
  RktOk(AttachArgs(pod.uuid, "stdin"), {.input = "alive\n"});
  EXPECT_TRUE(reader.WaitForText("alive\n"));
  Stop(pod);
}

TEST_F(Attach, TerminalOfTheApp) {
  RunningPod pod = StartApp(Tty(), {"--exec=/bin/sh"});
  Facts endpoints = Facts::Parse(RktOk(AttachArgs(pod.uuid, "list")).out);
  EXPECT_EQ(endpoints.Count("/targets"), 1u);
  EXPECT_EQ(endpoints["/targets/0/name"], "tty");
  EXPECT_EQ(endpoints["/targets/0/address"], "/rkt/iottymux/app/sock-tty");
  Terminal terminal(RktArgs(AttachArgs(pod.uuid, "auto")), {}, 33, 101);
  SleepFor(0.3);
  terminal.Type("/judge tty; echo size=$(stty size) ready=$((1+1))\n");
  ASSERT_TRUE(terminal.Expect("\"controlling\":\"ok\"")) << terminal.screen();
  ASSERT_TRUE(terminal.Expect("size=33 101 ready=2")) << terminal.screen();
  terminal.Resize(20, 66);
  SleepFor(0.2);
  terminal.Type("echo now=$(stty size)\n");
  EXPECT_TRUE(terminal.Expect("now=20 66")) << terminal.screen();
  // A second one sees the same; the first leaves, the app stays.
  Terminal second(RktArgs(AttachArgs(pod.uuid, "tty")), {});
  SleepFor(0.3);
  terminal.Type("echo both=$((2+3))\n");
  EXPECT_TRUE(second.Expect("both=5")) << second.screen();
  terminal.Type("\x1d\x1d\x1d");
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_TRUE(pod.rkt->Running());
  second.Type("exit 4\n");
  EXPECT_EQ(second.Wait(), 0);
  EXPECT_EQ(pod.rkt->Wait(20).code, 4);
}

TEST_F(Attach, HalfATerminal) {
  RunningPod pod = StartApp(Tty(), {"--exec=/bin/sh"});
  Background watcher = StartRkt(AttachArgs(pod.uuid, "tty-out"));
  SleepFor(0.3);
  RktOk(AttachArgs(pod.uuid, "tty-in"), {.input = "echo sum=$((3+4))\n"});
  EXPECT_TRUE(watcher.WaitForText("sum=7"));
  RktOk(AttachArgs(pod.uuid, "tty-in"), {.input = "exit\n"});
  EXPECT_EQ(watcher.Wait(20).code, 0);
  EXPECT_EQ(pod.rkt->Wait(20).code, 0);
}

TEST_F(Attach, AppsOfAMutablePod) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "cat", Streams() + Args{"--exec=/bin/cat", "--user=1000", "--group=1000"}, {});
  Output early = Rkt({"attach", "--app=cat", pod.uuid});
  EXPECT_EQ(early.code, 254);
  EXPECT_TRUE(Contains(early.err, "nothing to attach to")) << early.All();
  DoOk("start", pod.uuid, "cat");
  Background reader = StartRkt({"attach", "--app=cat", "--mode=stdout", pod.uuid});
  SleepFor(0.3);
  RktOk({"attach", "--app=cat", "--mode=stdin", pod.uuid}, {.input = "hello\n"});
  EXPECT_TRUE(reader.WaitForText("hello\n"));
  // Who attaches does not keep an app from being removed.
  DoOk("rm", pod.uuid, "cat");
  EXPECT_EQ(reader.Wait(20).code, 0);
  EXPECT_EQ(Rkt({"attach", "--app=cat", pod.uuid}).code, 254);
  Stop(pod);
}

TEST_F(Attach, ManifestsOfOthersGetNoLogOnTheHost) {
  std::string id = Fetch(JudgeAci());
  std::string path = dir() + "/pod.json";
  std::string annotations =
      R"([{"name":"coreos.com/rkt/experiment/logmode","value":"k8s-plain"},)"
      R"({"name":"coreos.com/rkt/stage1/mutable","value":"true"},)"
      R"({"name":"coreos.com/rkt/experiment/kubernetes-log-dir","value":")" + dir() + "\"}]";
  WriteFile(path, R"({"acVersion":"0.8.11","acKind":"PodManifest","annotations":)" + annotations +
                      R"(,"apps":[{"name":"app","image":{"id":")" + id +
                      R"("},"annotations":[{"name":"coreos.com/rkt/experiment/kubernetes-log-path","value":"app.log"},)"
                      R"({"name":"coreos.com/rkt/stage2/stdout","value":"stream"}],)"
                      R"("app":{"exec":["/judge","say","text"],"user":"0","group":"0"}}]})");
  RunOk({"--pod-manifest=" + path});
  EXPECT_FALSE(Exists(dir() + "/app.log"));
}

}  // namespace
}  // namespace rkt::test
