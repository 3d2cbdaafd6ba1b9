// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Apps that come to and go from a running pod: rkt app.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <thread>

#include "functional/mutable_pod.h"

namespace rkt::test {
namespace {

class Mutable : public MutablePodTest {};

TEST_F(Mutable, SandboxRunsEmptyUntilItIsStopped) {
  RunningPod pod = Sandbox({"--user-label=a=b", "--user-annotation=c=d", "--annotation=example.com/e=f"});
  EXPECT_EQ(RktOk({"app", "list", pod.uuid}).out, "NAME\tSTATE\n");
  EXPECT_EQ(RktOk({"app", "list", "--no-legend", pod.uuid}).out, "");
  EXPECT_EQ(StateOf(pod.uuid), "running");
  std::string manifest = RktOk({"cat-manifest", pod.uuid}).out;
  EXPECT_TRUE(Contains(manifest, "\"coreos.com/rkt/stage1/mutable\"")) << manifest;
  EXPECT_TRUE(Contains(manifest, "\"example.com/e\"")) << manifest;
  Facts status = Facts::Parse(RktOk({"status", pod.uuid, "--format=json"}).out);
  EXPECT_EQ(status["/user_labels/a"], "b");
  EXPECT_EQ(status["/user_annotations/c"], "d");
  char target[8] = "";
  EXPECT_EQ(readlink((UpperDir(pod.uuid) + "/rkt/supervisor-status").c_str(), target, 8), 5);
  EXPECT_EQ(std::string(target, 5), "ready");
  Stop(pod);
  EXPECT_EQ(StateOf(pod.uuid), "exited");
}

TEST_F(Mutable, AppGoesThroughItsStates) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web", {"--user-label=tier=front"}, {"exit", "6", "0.1"});
  EXPECT_EQ(AppState(pod.uuid, "web"), "created");
  Facts created = AppStatus(pod.uuid, "web");
  EXPECT_EQ(created["/state"], "created");
  EXPECT_GT(created["/created_at"].size(), 18u) << "nanoseconds";
  EXPECT_FALSE(created.Has("/started_at"));
  EXPECT_EQ(created["/user_labels/tier"], "front");
  EXPECT_TRUE(StartsWith(created["/image_id"], "sha512-"));
  EXPECT_TRUE(Exists(UpperDir(pod.uuid) + "/rkt/status/web-created"));

  DoOk("start", pod.uuid, "web");
  EXPECT_TRUE(Exists(UpperDir(pod.uuid) + "/rkt/status/web-started"));
  ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
  Facts exited = AppStatus(pod.uuid, "web");
  EXPECT_EQ(exited["/exit_code"], "6");
  EXPECT_GE(std::stoll(exited["/started_at"]), std::stoll(exited["/created_at"]));
  EXPECT_GE(std::stoll(exited["/finished_at"]), std::stoll(exited["/started_at"]) + 90'000'000);
  // Its failure is its own.
  EXPECT_EQ(StateOf(pod.uuid), "running");

  // Again.
  DoOk("start", pod.uuid, "web");
  EXPECT_EQ(AppState(pod.uuid, "web"), "running");
  ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
  DoOk("rm", pod.uuid, "web");
  EXPECT_EQ(RktOk({"app", "list", "--no-legend", pod.uuid}).out, "");
  Output gone = Do("status", pod.uuid, "web");
  EXPECT_EQ(gone.code, 1);
  EXPECT_TRUE(Contains(gone.err, "not found")) << gone.All();
  Stop(pod);
}

TEST_F(Mutable, StopEndsAllProcessesOfTheAppAlone) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "other");
  DoOk("start", pod.uuid, "other");
  // A shell with children, one of them in a session of its own.
  AddOk(pod.uuid, "web", {"--exec=/bin/sh"}, {"-c", "setsid sleep 987 & sleep 986 & wait"});
  DoOk("start", pod.uuid, "web");
  DoOk("start", pod.uuid, "web");  // it runs already
  auto processes = [&](const std::string& text) {
    return Contains(RktOk({"enter", "--app=other", pod.uuid, "/bin/ps"}).out, text);
  };
  for (double end = Now() + 10; Now() < end && !processes("sleep 987");) SleepFor(0.01);
  EXPECT_TRUE(processes("sleep 987"));
  DoOk("stop", pod.uuid, "web");
  EXPECT_EQ(AppState(pod.uuid, "web"), "exited");
  EXPECT_EQ(AppStatus(pod.uuid, "web")["/exit_code"], "15");
  EXPECT_FALSE(processes("sleep 98"));
  // What ignores the signal, too, does not outlive its app.
  AddOk(pod.uuid, "stubborn", {"--exec=/bin/sh"}, {"-c", "setsid sh -c 'trap \"\" TERM; sleep 985' & sleep 984"});
  DoOk("start", pod.uuid, "stubborn");
  for (double end = Now() + 10; Now() < end && !processes("sleep 985");) SleepFor(0.01);
  EXPECT_TRUE(processes("sleep 985"));
  DoOk("stop", pod.uuid, "stubborn");
  EXPECT_FALSE(processes("sleep 98"));
  EXPECT_EQ(AppState(pod.uuid, "other"), "running");
  Output again = Do("stop", pod.uuid, "web");
  EXPECT_EQ(again.code, 254);
  EXPECT_EQ(again.err, "stop: app \"web\" is not running\n");
  Stop(pod);
}

TEST_F(Mutable, WhoIgnoresTheStopIsKilledInTime) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web", {"--annotation=coreos.com/rkt/stage2/stop-timeout=1"}, {"ignore-term"});
  DoOk("start", pod.uuid, "web");
  ASSERT_TRUE(pod.rkt->WaitForText("ignoring TERM"));
  double begin = Now();
  DoOk("stop", pod.uuid, "web");
  EXPECT_GT(Now() - begin, 0.9);
  EXPECT_EQ(AppStatus(pod.uuid, "web")["/exit_code"], "9");
  AddOk(pod.uuid, "kind", {}, {"trap-term", "9"});
  DoOk("start", pod.uuid, "kind");
  ASSERT_TRUE(pod.rkt->WaitForText("waiting for TERM"));
  DoOk("stop", pod.uuid, "kind");
  EXPECT_EQ(AppStatus(pod.uuid, "kind")["/exit_code"], "9");
  Stop(pod);
}

TEST_F(Mutable, RemovingARunningAppStopsIt) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web");
  DoOk("start", pod.uuid, "web");
  DoOk("rm", pod.uuid, "web");
  EXPECT_EQ(AppState(pod.uuid, "web"), "");
  // The name is free again.
  EXPECT_EQ(RunApp(pod, "web", {}, {"say", "second"}), "judge: sleeping\nsecond\n");
  Stop(pod);
}

TEST_F(Mutable, AddedAppIsConfinedAsOneOfRunIs) {
  Facts run = See({"--hostname=same"}, {"--name=web", "--environment=K=V"});
  RunningPod pod = Sandbox({"--hostname=same"});
  Facts added = Facts::Parse(RunApp(pod, "web", {"--environment=K=V"}, {"see"}));
  ASSERT_GT(run.Keys("").size(), 5u);
  for (const std::string& key : run.Keys("")) {
    if (!run.Has("/" + key)) continue;  // a scalar is compared
    EXPECT_EQ(added["/" + key], run["/" + key]) << key;
  }
  for (const char* part : {"/environment", "/capabilities", "/limits", "/identity", "/files"}) {
    for (const std::string& key : run.Keys(part)) {
      EXPECT_EQ(added[std::string(part) + "/" + key], run[std::string(part) + "/" + key])
          << part << "/" << key;
    }
  }
  Stop(pod);
}

TEST_F(Mutable, EachAppSeesItsOwnFilesAndThePodsNamespaces) {
  RunningPod pod = Sandbox({"--hostname=sand"});
  AddOk(pod.uuid, "one");
  DoOk("start", pod.uuid, "one");
  AddOk(pod.uuid, "two");
  DoOk("start", pod.uuid, "two");
  auto in = [&](const std::string& app, const std::string& command) {
    return RktOk({"app", "exec", "--app=" + app, pod.uuid, "/bin/sh", "-c", command}).out;
  };
  EXPECT_EQ(in("one", "hostname; cat /etc/hostname"), "sand\nsand\n");
  for (const char* name : {"net", "ipc", "uts", "pid"}) {
    std::string link = std::string("readlink /proc/self/ns/") + name;
    EXPECT_EQ(in("one", link), in("two", link)) << name;
  }
  EXPECT_NE(in("one", "readlink /proc/self/ns/mnt"), in("two", "readlink /proc/self/ns/mnt"));
  in("one", "echo mine > /tmp/file");
  EXPECT_EQ(in("two", "ls /tmp"), "");
  // What controls the pod is out of reach.
  EXPECT_EQ(in("one", "ls /dev | grep -c control; ls -d /rkt /opt/stage2 2>&1 | grep -c 'No such'"),
            "0\n2\n");
  Stop(pod);
}

TEST_F(Mutable, VolumesOfTheCommandLine) {
  std::string shared = dir() + "/host";
  MakeDirs(shared);
  WriteFile(shared + "/file", "from the host\n");
  RunningPod pod = Sandbox();
  std::string mount = "--mnt-volume=name=v,kind=host,source=" + shared + ",target=/vol";
  EXPECT_EQ(RunApp(pod, "one", {mount, "--exec=/bin/sh"},
                   {"-c", "cat /vol/file; echo back > /vol/answer"}),
            "from the host\n");
  EXPECT_EQ(ReadFile(shared + "/answer"), "back\n");
  EXPECT_EQ(RunApp(pod, "two", {mount + ",readOnly=true", "--exec=/bin/sh"},
                   {"-c", "echo x > /vol/answer || echo refused"}),
            "refused\n");
  Facts status = AppStatus(pod.uuid, "two");
  EXPECT_EQ(status["/mounts/0/host_path"], shared);
  EXPECT_EQ(status["/mounts/0/container_path"], "/vol");
  EXPECT_EQ(status["/mounts/0/read_only"], "true");
  std::string empty = "--mnt-volume=name=e,kind=empty,mode=0700,target=/empty";
  EXPECT_EQ(RunApp(pod, "three", {empty, "--exec=/bin/sh"}, {"-c", "echo kept > /empty/f"}), "");
  EXPECT_EQ(RunApp(pod, "four", {empty, "--exec=/bin/sh"}, {"-c", "cat /empty/f"}), "kept\n");
  EXPECT_TRUE(Exists(PodDir(pod.uuid) + "/sharedVolumes/e"));
  for (const char* app : {"one", "two", "three", "four"}) DoOk("rm", pod.uuid, app);
  EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/sharedVolumes"), std::vector<std::string>());
  EXPECT_TRUE(Exists(shared + "/file"));
  Stop(pod);
}

TEST_F(Mutable, LimitsOfAddedAppsHold) {
  REQUIRE_FACILITY("cgroup-memory", !CgroupV1("memory").empty() || Exists("/sys/fs/cgroup/cgroup.controllers"),
                   "no memory controller");
  RunningPod pod = Sandbox();
  EXPECT_TRUE(Contains(ReadFile(PodDir(pod.uuid) + "/subcgroup"), "machine-rkt")) << "known from the start";
  AddOk(pod.uuid, "web", {"--memory=20M"}, {"allocate", "100"});
  DoOk("start", pod.uuid, "web");
  ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
  EXPECT_EQ(AppStatus(pod.uuid, "web")["/exit_code"], "9");
  std::string group = CgroupV1("memory") + "/" + ReadFile(PodDir(pod.uuid) + "/subcgroup") +
                      "/system.slice/web.service";
  EXPECT_EQ(Exists(group), !CgroupV1("memory").empty());
  DoOk("rm", pod.uuid, "web");
  EXPECT_FALSE(Exists(group));
  Stop(pod);
}

TEST_F(Mutable, LimitFlagsOfRunAreThoseOfAddAndSandbox) {
  RunningPod pod = Sandbox({"--sysctl=kernel.msgmax=4242"});
  EXPECT_EQ(RunApp(pod, "web", {"--exec=/bin/sh", "--ulimit=nofile=33:44", "--no-new-privileges=true", "--pids-limit=100"},
                   {"-c", "ulimit -n; grep NoNewPrivs /proc/self/status; cat /proc/sys/kernel/msgmax"}),
            "33\nNoNewPrivs:\t1\n4242\n");
  Stop(pod);
}

TEST_F(Mutable, StartWaitsForAppsThatSayWhenTheyAreReady) {
  ImageSpec spec;
  spec.name = "example.com/notifying";
  spec.annotations = R"([{"name": "appc.io/executor/supports-systemd-notify", "value": "true"}])";
  RunningPod pod = Sandbox();
  Fetch(WriteImage("notifying.aci", spec));
  auto add = [&](const std::string& name, const Args& words) {
    RktOk(Args{"app", "add", pod.uuid, "example.com/notifying", "--name=" + name, "--user=1000", "--group=1000", "--",
               "notify"} + words);
  };
  add("web", {"STATUS=warming up", "sleep:1", "READY=1\nSTATUS=here", "STATUS=later", "sleep:600"});
  for (int round = 0; round < 2; round++) {
    double start = Now();
    DoOk("start", pod.uuid, "web");
    EXPECT_GE(Now() - start, 1.0);
    EXPECT_EQ(AppState(pod.uuid, "web"), "running");
    start = Now();
    DoOk("start", pod.uuid, "web");  // it is
    DoOk("stop", pod.uuid, "web");
  }
  EXPECT_TRUE(Contains(RktOk({"logs", "--app=web", pod.uuid}).out, "sent STATUS=later")) << "it is heard to the end";
  add("short", {"sleep:0.1"});
  Output output = Do("start", pod.uuid, "short");
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "without having said that it is ready")) << output.err;
  add("quick", {"READY=1"});
  DoOk("start", pod.uuid, "quick");
  // A stop in between ends the waiting.
  add("never", {"sleep:600"});
  Background starting = StartRkt({"app", "start", pod.uuid, "--app=never"});
  ASSERT_TRUE(WaitForApp(pod.uuid, "never", "running"));
  EXPECT_TRUE(starting.Running());
  DoOk("stop", pod.uuid, "never");
  EXPECT_EQ(starting.Wait(20).code, 254);
  Stop(pod);
}

TEST_F(Mutable, LogsOfAddedApps) {
  RunningPod pod = Sandbox();
  EXPECT_EQ(RunApp(pod, "web", {}, {"say", "one", "two"}), "one\ntwo\n");
  EXPECT_EQ(RktOk({"logs", "--app=web", pod.uuid}).out, "one\ntwo\n");
  Stop(pod);
}

TEST_F(Mutable, FailedAddLeavesNothing) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "keep");
  std::string before = RktOk({"cat-manifest", pod.uuid}).out;
  auto files = [&] {
    std::string all;
    std::string pod_dir = PodDir(pod.uuid);
    for (const std::string& path : {pod_dir, pod_dir + "/appsinfo", pod_dir + "/overlay", pod_dir + "/logs",
                                    UpperDir(pod.uuid) + "/opt/stage2", UpperDir(pod.uuid) + "/rkt/status"}) {
      for (const std::string& name : ListDir(path)) all += path + "/" + name + "\n";
    }
    std::string mounts = ReadFile("/proc/" + Trim(ReadFile(pod_dir + "/pid")) + "/mountinfo");
    return all + std::to_string(Lines(mounts).size());
  };
  std::string files_before = files();
  struct {
    Args flags;
    std::string message;
  } cases[] = {{{"--user=nobody-has-this-name"}, "nobody-has-this-name"},
               {{"--caps-retain=CAP_BOGUS"}, "CAP_BOGUS"},
               {{"--mnt-volume=name=v,kind=host,source=/nowhere/at/all,target=/v"}, "/nowhere/at/all"},
               {{"--exec=no-such-program"}, "no-such-program"},
               {{"--annotation=coreos.com/rkt/stage2/stdin=bogus"}, "unknown stdin mode"}};
  for (const auto& c : cases) {
    Output output = Add(pod.uuid, "bad", c.flags);
    EXPECT_EQ(output.code, 254);
    EXPECT_TRUE(Contains(output.err, c.message)) << output.All();
    EXPECT_EQ(RktOk({"cat-manifest", pod.uuid}).out, before);
    EXPECT_EQ(files(), files_before) << c.message;
  }
  Output twice = Add(pod.uuid, "keep");
  EXPECT_EQ(twice.code, 254);
  EXPECT_TRUE(Contains(twice.err, "multiple apps with name keep")) << twice.All();
  Output suffix = Add(pod.uuid, "keep-created");
  EXPECT_EQ(suffix.code, 254);
  EXPECT_EQ(files(), files_before);
  Output missing = Rkt({"app", "add", pod.uuid, "example.com/nobody-has-it"});
  EXPECT_EQ(missing.code, 254);
  EXPECT_EQ(Rkt({"app", "add", pod.uuid}).code, 254);
  Stop(pod);
}

TEST_F(Mutable, MissingProgramIsAnErrorOfTheStart) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web", {"--exec=/not/there"});
  Output output = Do("start", pod.uuid, "web");
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "/not/there")) << output.All();
  ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
  EXPECT_EQ(AppStatus(pod.uuid, "web")["/exit_code"], "203");
  DoOk("rm", pod.uuid, "web");
  Stop(pod);
}

TEST_F(Mutable, EventHandlersOfAddedApps) {
  ImageSpec spec;
  spec.name = "example.com/handlers";
  spec.exec = {"/judge", "say", "main"};
  spec.app = R"("eventHandlers":[{"name":"pre-start","exec":["/judge","say","before"]},)"
             R"({"name":"post-stop","exec":["/judge","say","after"]}])";
  RunningPod pod = Sandbox();
  Fetch(WriteImage("handlers.aci", spec));
  RktOk({"app", "add", pod.uuid, "example.com/handlers", "--name=web"});
  DoOk("start", pod.uuid, "web");
  ASSERT_TRUE(WaitForApp(pod.uuid, "web", "exited"));
  EXPECT_EQ(AppText(pod.rkt->out(), "web"), "before\nmain\nafter\n");
  Stop(pod);
}

TEST_F(Mutable, AppsOfAnExitedPodCanBeRemoved) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "ran", {}, {"exit", "0"});
  DoOk("start", pod.uuid, "ran");
  ASSERT_TRUE(WaitForApp(pod.uuid, "ran", "exited"));
  AddOk(pod.uuid, "never");
  AddOk(pod.uuid, "runs");
  DoOk("start", pod.uuid, "runs");
  Stop(pod);
  EXPECT_EQ(AppState(pod.uuid, "ran"), "exited");
  EXPECT_EQ(AppState(pod.uuid, "never"), "created");
  EXPECT_EQ(AppState(pod.uuid, "runs"), "exited");
  EXPECT_EQ(Do("start", pod.uuid, "never").code, 254);
  for (const char* app : {"ran", "never", "runs"}) DoOk("rm", pod.uuid, app);
  EXPECT_EQ(RktOk({"app", "list", "--no-legend", pod.uuid}).out, "");
  EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/appsinfo"), std::vector<std::string>());
  EXPECT_EQ(Do("rm", pod.uuid, "ran").code, 254);
}

TEST_F(Mutable, ImmutablePodsRefuse) {
  RunningPod pod = Start({JudgeAci(), "--name=web", "--", "sleep"}, "sleeping");
  for (const Args& args : {Args{"app", "add", pod.uuid, "example.com/judge", "--name=x"},
                           Args{"app", "rm", pod.uuid, "--app=web"},
                           Args{"app", "start", pod.uuid, "--app=web"},
                           Args{"app", "stop", pod.uuid, "--app=web"}}) {
    Output output = Rkt(args);
    EXPECT_EQ(output.code, 254);
    EXPECT_TRUE(Contains(output.err, "immutable pod")) << args[1] << output.All();
  }
  EXPECT_EQ(AppState(pod.uuid, "web"), "running");
  std::string manifest = RktOk({"cat-manifest", "--pretty-print=false", pod.uuid}).out;
  EXPECT_TRUE(Contains(manifest, R"("name":"coreos.com/rkt/stage1/mutable","value":"false")")) << manifest;
  Stop(pod);
}

TEST_F(Mutable, OtherStage1AndBadFlags) {
  Output fly = Rkt({"app", "sandbox", "--stage1-from-dir=stage1-fly.aci"});
  EXPECT_EQ(fly.code, 1);
  EXPECT_TRUE(Contains(fly.err, "stage1 does not support mutable pods")) << fly.All();
  for (const char* port : {"--port=web:8080", "--port=web:tcp:80:8080", "--port=web:sctp:80:0.0.0.0:80"}) {
    EXPECT_EQ(Rkt({"app", "sandbox", port}).code, 254) << port;
  }
  EXPECT_EQ(Rkt({"app", "sandbox", "--net=none", "--port=web:tcp:80:0.0.0.0:8080"}).code, 1);
  EXPECT_EQ(Rkt({"app", "list", "no-such-pod"}).code, 1);
  std::string help = RktOk({"help"}).out;
  EXPECT_TRUE(Contains(help, "\tapp sandbox\t")) << help;
}

TEST_F(Mutable, AddNeedsASupervisorThatIsReady) {
  Fetch(JudgeAci());
  RunningPod pod = Sandbox();
  std::string link = UpperDir(pod.uuid) + "/rkt/supervisor-status";
  ASSERT_EQ(rename(link.c_str(), (link + ".away").c_str()), 0);
  Output output = Add(pod.uuid, "web");
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "supervisor for pod \"" + pod.uuid + "\" is not yet ready")) << output.All();
  ASSERT_EQ(rename((link + ".away").c_str(), link.c_str()), 0);
  AddOk(pod.uuid, "web");
  Stop(pod);
}

TEST_F(Mutable, FiftyAppsComeAndGoWithoutTrace) {
  RunningPod pod = Sandbox();
  int pid = std::stoi(ReadFile(PodDir(pod.uuid) + "/pid"));
  auto traces = [&] {
    std::string proc = "/proc/" + std::to_string(pid);
    return std::to_string(Lines(ReadFile(proc + "/mountinfo")).size()) + " mounts, " +
           std::to_string(ListDir(proc + "/fd").size()) + " descriptors, " +
           std::to_string(ListDir(proc + "/root/dev").size()) + " in /dev, " +
           std::to_string(ListDir(proc + "/root/rkt/iottymux").size() +
                          ListDir(proc + "/root/rkt/volumes").size() +
                          ListDir(proc + "/root/rkt/status").size()) + " in /rkt";
  };
  auto cycle = [&](int i) {
    std::string name = "app" + std::to_string(i);
    std::string volume = "--mnt-volume=name=v,kind=host,source=" + dir() + ",target=/v";
    AddOk(pod.uuid, name, {volume, "--stdout=stream"}, {"sleep"});
    DoOk("start", pod.uuid, name);
    DoOk("rm", pod.uuid, name);
  };
  cycle(0);
  std::string before = traces();
  for (int i = 1; i <= 50; ++i) cycle(i);
  EXPECT_EQ(traces(), before);
  for (const char* place : {"/appsinfo", "/logs"}) {
    EXPECT_EQ(ListDir(PodDir(pod.uuid) + place), std::vector<std::string>()) << place;
  }
  EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/overlay").size(), 1u);
  Stop(pod);
}

TEST_F(Mutable, AddsAtOnceAllSucceed) {
  RunningPod pod = Sandbox();
  std::vector<Background> adds;
  for (int i = 0; i < 6; ++i) {
    adds.push_back(StartRkt({"app", "add", pod.uuid, "example.com/judge", "--name=app" + std::to_string(i), "--", "sleep"}));
  }
  for (Background& add : adds) {
    Output output = add.Wait(60);
    EXPECT_EQ(output.code, 0) << output.All();
  }
  for (int i = 0; i < 6; ++i) DoOk("start", pod.uuid, "app" + std::to_string(i));
  EXPECT_EQ(Lines(RktOk({"app", "list", "--no-legend", pod.uuid}).out).size(), 6u);
  Stop(pod);
}

TEST_F(Mutable, KilledAddIsUndoneByTheNext) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "before");
  // At whatever point it is killed.
  for (int delay = 0; delay < 12; ++delay) {
    Background add = StartRkt({"app", "add", pod.uuid, "example.com/judge", "--name=victim",
                               "--mnt-volume=name=v,kind=host,source=" + dir() + ",target=/v", "--", "sleep"});
    SleepFor(0.004 * delay);
    add.Kill(SIGKILL);
    add.Wait();
    std::string state = AppState(pod.uuid, "victim");
    EXPECT_TRUE(state == "" || state == "unknown" || state == "created") << state;
    // The pod goes on taking apps, also of the same name where the killed one did not come to its end.
    Output next = Add(pod.uuid, "next");
    EXPECT_EQ(next.code, 0) << "killed after " << delay << ": " << next.All();
    state = AppState(pod.uuid, "victim");
    EXPECT_TRUE(state == "" || state == "created") << state;
    DoOk("start", pod.uuid, "next");
    DoOk("rm", pod.uuid, "next");
    if (state == "created") DoOk("rm", pod.uuid, "victim");
    EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/appsinfo"), std::vector<std::string>{"before"});
  }
  EXPECT_EQ(AppState(pod.uuid, "before"), "created");
  Stop(pod);
}

TEST_F(Mutable, KilledSandboxIsCollected) {
  RunningPod pod = Sandbox();
  AddOk(pod.uuid, "web", {"--memory=64M"});
  DoOk("start", pod.uuid, "web");
  AddOk(pod.uuid, "added");
  kill(pod.rkt->pid(), SIGKILL);
  pod.rkt->Wait();
  ASSERT_TRUE(WaitForState(pod.uuid, "exited"));
  EXPECT_EQ(AppState(pod.uuid, "web"), "exited");
  EXPECT_EQ(AppState(pod.uuid, "added"), "created");
  Output output = Add(pod.uuid, "late");
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "is not running")) << output.All();
  // That nothing stays is checked at the end of every test.
}

TEST_F(Mutable, WithoutOverlay) {
  RunningPod pod = Sandbox({"--no-overlay"});
  EXPECT_EQ(RunApp(pod, "web", {"--exec=/bin/sh"}, {"-c", "echo here > /tmp/x; cat /tmp/x"}), "here\n");
  EXPECT_FALSE(Exists(PodDir(pod.uuid) + "/appsinfo/web/treeStoreID"));
  DoOk("rm", pod.uuid, "web");
  EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/stage1/rootfs/opt/stage2"), std::vector<std::string>());
  Stop(pod);
}

TEST_F(Mutable, ManifestIsReplacedAsAWhole) {
  RunningPod pod = Sandbox();
  std::string path = PodDir(pod.uuid) + "/pod";
  bool over = false;
  int broken = 0;
  std::thread reader([&] {
    while (!over) {
      std::string text = ReadFile(path);
      if (text.empty() || text.back() != '}') ++broken;
    }
  });
  for (int i = 0; i < 5; ++i) {
    AddOk(pod.uuid, "a" + std::to_string(i));
    DoOk("rm", pod.uuid, "a" + std::to_string(i));
  }
  over = true;
  reader.join();
  EXPECT_EQ(broken, 0);
  EXPECT_EQ(ModeOf(path), 0640u);
  Stop(pod);
}

TEST_F(Mutable, ArgumentsReplaceTheImagesOwn) {
  ImageSpec spec;
  spec.name = "example.com/arguments";
  spec.exec = {"/judge", "say", "of-the-image"};
  RunningPod pod = Sandbox();
  Fetch(WriteImage("arguments.aci", spec));
  RktOk({"app", "add", pod.uuid, "example.com/arguments", "--name=own", "--", "say", "mine"});
  DoOk("start", pod.uuid, "own");
  ASSERT_TRUE(WaitForApp(pod.uuid, "own", "exited"));
  EXPECT_EQ(AppText(pod.rkt->out(), "own"), "mine\n");
  Stop(pod);
}

// The words by which a container runtime for Kubernetes makes pods.
TEST_F(Mutable, FlagsOfRktletAreTaken) {
  Fetch(JudgeAci());
  std::string file = dir() + "/uuid";
  Background sandbox = StartRkt({"app", "--debug", "sandbox", "--uuid-file-save=" + file, "--net=none",
                                 "--hostname=pod", "--user-label=io.kubernetes.pod.name=p",
                                 "--user-annotation=k=v", "--annotation=coreos.com/rkt/experiment/logmode=k8s-plain",
                                 "--annotation=coreos.com/rkt/experiment/kubernetes-log-dir=" + dir()});
  for (double end = Now() + 20; Now() < end && ReadFile(file).size() != 36;) SleepFor(0.01);
  std::string uuid = ReadFile(file);
  RktOk({"status", uuid, "--format=json", "--wait-ready=10s"});
  Output added = RktOk({"app", "add", uuid, "example.com/judge", "--name=0-web", "--stdin=null", "--stdout=stream",
                        "--stderr=stream", "--caps-retain=CAP_KILL,CAP_NET_RAW", "--seccomp=mode=retain,@appc.io/all",
                        "--annotation=coreos.com/rkt/experiment/kubernetes-log-path=web_0.log", "--environment=A=B",
                        "--user-label=x=y", "--mnt-volume=name=v,kind=host,source=" + dir() + ",target=/v,readOnly=true",
                        "--exec=/judge", "--", "say", "hello", "there"});
  EXPECT_EQ(added.out, "");
  DoOk("start", uuid, "0-web");
  ASSERT_TRUE(WaitForApp(uuid, "0-web", "exited"));
  std::vector<std::string> lines = Lines(ReadFile(dir() + "/web_0.log"));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(EndsWith(lines[0], "Z stdout hello")) << lines[0];
  EXPECT_TRUE(StartsWith(lines[1], "20")) << lines[1];
  // A path that leaves the directory, by its name or by a link.
  symlink("/etc", (dir() + "/link").c_str());
  for (const char* path : {"../out.log", "link/out.log", "a/../../out.log"}) {
    Output refused = Rkt({"app", "add", uuid, "example.com/judge", "--name=out", "--stdout=stream",
                          std::string("--annotation=coreos.com/rkt/experiment/kubernetes-log-path=") + path});
    EXPECT_EQ(refused.code, 254) << path;
    EXPECT_TRUE(Contains(refused.err, "kubernetes-log-path")) << refused.All();
  }
  EXPECT_FALSE(Exists("/etc/out.log"));
  RktOk({"stop", uuid});
  EXPECT_EQ(sandbox.Wait(20).code, 0);
}

}  // namespace
}  // namespace rkt::test
