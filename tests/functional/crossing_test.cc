// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Somebody else's stage1, with every entry point that there is: each records how it was called, with which arguments,
// environment, working directory and descriptors, which is compared with the contract (docs/stage1-contract.md). And
// how long `status --wait-ready` waits for such a one.

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <map>
#include <set>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

constexpr const char* kEntryPoints[] = {"run", "enter", "stop", "gc", "attach", "app/add", "app/rm", "app/start", "app/stop"};

// What the shell itself has open is its script, and is left out. A program records what is open: a redirection would
// open more.
const char kRecord[] = R"(#!/bin/sh
/usr/bin/printf 'arg %s\n' "$0" "$@" >RECORDS/${0##*/}.new
/usr/bin/find /proc/$$/cwd -printf 'cwd %l\n' >>RECORDS/${0##*/}.new
/usr/bin/tr '\0' '\n' </proc/$$/environ | /bin/sed 's/^/env /' >>RECORDS/${0##*/}.new
/usr/bin/find /proc/$$/fd -type l -not -lname "*/${0##*/}" -fprintf RECORDS/fds 'fd %f %l\n'
/bin/cat RECORDS/fds >>RECORDS/${0##*/}.new
/bin/mv RECORDS/${0##*/}.new RECORDS/${0##*/}
)";

class Crossing : public PodTest {
 protected:
  struct Call {
    std::string program;
    Args arguments;
    std::string directory;
    std::map<std::string, std::string> environment;
    std::map<int, std::string> descriptors;
  };

  void SetUp() override {
    PodTest::SetUp();
    if (dir().empty()) return;
    records_ = dir() + "/records";
    MakeDirs(records_);
    Fetch(JudgeAci());
  }
  std::string Script(const std::string& rest) const {
    std::string text = kRecord;
    for (size_t at; (at = text.find("RECORDS")) != std::string::npos;) text.replace(at, 7, records_);
    return text + rest;
  }
  // `run` is what the run entry point does once it has recorded.
  std::string Stub(const std::string& run) {
    ImageSpec spec;
    spec.name = "example.com/stub";
    spec.has_app = false;
    std::string annotations = R"([{"name":"coreos.com/rkt/stage1/interface-version","value":"6"})";
    Tar tar, root;
    root.Dir("rootfs").Dir("rootfs/rkt").Dir("rootfs/rkt/status").Dir("rootfs/opt").Dir("rootfs/opt/stage2");
    std::map<std::string, std::string> rest = {{"run", run}, {"stop", "kill -9 $(cat pid)\n"}};
    for (std::string entry : kEntryPoints) {
      std::string file = entry;
      if (size_t slash = file.find('/'); slash != std::string::npos) file[slash] = '_';
      annotations += R"(,{"name":"coreos.com/rkt/stage1/)" + entry + R"(","value":"/)" + file + "\"}";
      root.File("rootfs/" + file, Script(rest[entry]), 0755);
    }
    spec.annotations = annotations + "]";
    tar.File("manifest", ManifestJson(spec));
    std::string bytes = tar.Finish();
    // Two archives one behind the other, without the end of the first.
    bytes.resize(bytes.size() - 1024);
    return WriteImage("stub.aci", bytes + root.Finish());
  }
  Call Recorded(const std::string& entry) {
    Call call;
    for (const std::string& line : Lines(ReadFile(records_ + "/" + entry))) {
      std::string what = line.substr(0, line.find(' ')), value = line.substr(line.find(' ') + 1);
      if (what == "arg" && call.program.empty()) {
        call.program = value;
      } else if (what == "arg") {
        call.arguments.push_back(value);
      } else if (what == "cwd") {
        call.directory = value;
      } else if (what == "env") {
        call.environment[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
      } else if (what == "fd") {
        call.descriptors[atoi(value.c_str())] = value.substr(value.find(' ') + 1);
      }
    }
    EXPECT_FALSE(call.program.empty()) << entry << " was not called";
    RemoveAll(records_ + "/" + entry);
    return call;
  }
  static std::set<std::string> NamesOf(const std::map<std::string, std::string>& environment) {
    std::set<std::string> names;
    for (const auto& [name, value] : environment) names.insert(name);
    return names;
  }
  // Descriptors beside the standard streams, and beside those that whoever runs the tests has left open.
  static std::vector<std::string> Opened(const Call& call) {
    std::vector<std::string> paths;
    for (const auto& [fd, path] : call.descriptors) {
      char ours[PATH_MAX] = {};
      std::string link = "/proc/self/fd/" + std::to_string(fd);
      if (fd <= 2 || (readlink(link.c_str(), ours, sizeof ours - 1) > 0 && path == ours)) continue;
      paths.push_back(path);
    }
    return paths;
  }
  void ExpectCrossing(const std::string& entry, const Args& arguments, const std::vector<std::string>& opened) {
    Call call = Recorded(entry);
    EXPECT_EQ(call.arguments, arguments) << entry;
    EXPECT_TRUE(StartsWith(call.program, data() + "/cas/tree/")) << call.program;
    EXPECT_EQ(call.directory, PodDir(pod_.uuid) + "/stage1/rootfs") << entry;
    EXPECT_EQ(NamesOf(call.environment), (std::set<std::string>{"PATH", "RKT_STAGE1_ENTERCMD", "RKT_STAGE1_ENTERPID"})) << entry;
    EXPECT_EQ(call.environment["PATH"], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    EXPECT_TRUE(StartsWith(call.environment["RKT_STAGE1_ENTERCMD"], data() + "/cas/tree/") &&
                EndsWith(call.environment["RKT_STAGE1_ENTERCMD"], "/rootfs/enter"))
        << call.environment["RKT_STAGE1_ENTERCMD"];
    EXPECT_EQ(call.environment["RKT_STAGE1_ENTERPID"], Trim(ReadFile(PodDir(pod_.uuid) + "/pid")));
    EXPECT_EQ(Opened(call), opened) << entry;
  }
  void BeginSandbox(const std::string& run) {
    std::string file = dir() + "/uuid";
    pod_.rkt = std::make_unique<Background>(StartRkt({"app", "sandbox", "--stage1-path=" + Stub(run), "--net=none",
                                                      "--hostname=h", "--uuid-file-save=" + file}, {.env = {"CALLER=seen"}}));
    for (double end = Now() + 20; Now() < end && !Exists(records_ + "/run") && pod_.rkt->Running(); SleepFor(0.003)) {
    }
    pod_.uuid = ReadFile(file);
    ASSERT_EQ(pod_.uuid.size(), 36u) << pod_.rkt->err();
  }

  std::string records_;
  RunningPod pod_;
};

constexpr char kReady[] = "echo $$ >pid\nln -s ready stage1/rootfs/rkt/supervisor-status\nexec sleep 60\n";

TEST_F(Crossing, EveryEntryPointIsCalledAsTheContractSays) {
  const std::string config = "--local-config=" + dir() + "/config-local";
  BeginSandbox(kReady);
  RktOk({"status", pod_.uuid, "--wait-ready=20s"});
  std::string pod = PodDir(pod_.uuid);
  Call run = Recorded("run");
  EXPECT_EQ(run.program, pod + "/stage1/rootfs/run");
  EXPECT_EQ(run.arguments, (Args{"--net=none", config, "--hostname=h", "--mutable", pod_.uuid}));
  EXPECT_EQ(run.directory, pod);
  EXPECT_EQ(NamesOf(run.environment), (std::set<std::string>{"PATH", "HOME", "CALLER", "RKT_LOCK_FD", "RKT_PRIVATE_MOUNTS",
                                                             "RKT_SELINUX_CONTEXT", "RKT_SELINUX_MOUNT_CONTEXT"}));
  EXPECT_EQ(run.environment["CALLER"], "seen");
  EXPECT_EQ(run.descriptors[atoi(run.environment["RKT_LOCK_FD"].c_str())], pod);
  EXPECT_EQ(Opened(run), (std::vector<std::string>{pod}));

  RktOk({"app", "add", pod_.uuid, "example.com/judge", "--name=web"}, {.env = {"CALLER=seen"}});
  // The lock goes along, so that it is held as long as stage1 works.
  ExpectCrossing("app_add", {"--debug=false", "--uuid=" + pod_.uuid, "--app=web"}, {pod + "/pod.lck"});
  Rkt({"--debug", "app", "start", pod_.uuid, "--app=web"}, {.env = {"CALLER=seen"}});
  ExpectCrossing("app_start", {"--debug=true", "--app=web"}, {pod + "/pod.lck"});
  RktOk({"attach", "--mode=list", pod_.uuid}, {.env = {"CALLER=seen"}});
  ExpectCrossing("attach", {"--action=list", "--app=web", "--debug=false"}, {});
  RktOk({"attach", pod_.uuid});
  ExpectCrossing("attach", {"--action=auto-attach", "--app=web", "--debug=false"}, {});
  RktOk({"attach", "--mode=stdin,stdout", pod_.uuid});
  ExpectCrossing("attach", {"--action=custom-attach", "--tty-in=false", "--tty-out=false", "--stdin=true", "--stdout=true",
                            "--stderr=false", "--app=web", "--debug=false"}, {});

  RktOk({"enter", pod_.uuid, "cmd", "--flag"}, {.env = {"CALLER=seen"}});
  Call enter = Recorded("enter");
  EXPECT_TRUE(StartsWith(enter.program, data() + "/cas/tree/")) << enter.program;
  EXPECT_EQ(enter.arguments, (Args{"--pid=" + Trim(ReadFile(pod + "/pid")), "--appname=web", "--", "cmd", "--flag"}));
  EXPECT_EQ(enter.directory, pod);
  EXPECT_EQ(NamesOf(enter.environment), (std::set<std::string>{"PATH", "HOME", "CALLER"}));
  EXPECT_EQ(Opened(enter), std::vector<std::string>{});

  RktOk({"app", "stop", pod_.uuid, "--app=web"}, {.env = {"CALLER=seen"}});
  ExpectCrossing("app_stop", {"--debug=false", "--app=web"}, {});
  RktOk({"app", "rm", pod_.uuid, "--app=web"}, {.env = {"CALLER=seen"}});
  ExpectCrossing("app_stop", {"--debug=false", "--app=web"}, {});
  ExpectCrossing("app_rm", {"--debug=false", "--app=web"}, {pod + "/pod.lck"});

  RktOk({"stop", "--force", pod_.uuid});
  Call stop = Recorded("stop");
  EXPECT_TRUE(StartsWith(stop.program, data() + "/cas/tree/")) << stop.program;
  EXPECT_EQ(stop.arguments, (Args{"--force", pod_.uuid}));
  EXPECT_EQ(stop.directory, pod);
  EXPECT_EQ(Opened(stop), std::vector<std::string>{});
  pod_.rkt->Wait();
  CollectAll();
  Call gc = Recorded("gc");
  EXPECT_EQ(gc.arguments, (Args{"--local-config", dir() + "/config-local", pod_.uuid}));
  EXPECT_TRUE(EndsWith(gc.directory, "/pods/exited-garbage/" + pod_.uuid)) << gc.directory;
  EXPECT_EQ(Opened(gc), std::vector<std::string>{});
}

TEST_F(Crossing, ReadinessIsWaitedForAsLongAsIsSaid) {
  BeginSandbox("echo $$ >pid\nwhile [ ! -e " + records_ + "/go ]; do sleep 0.05; done\n"
               "ln -s ready stage1/rootfs/rkt/supervisor-status\nexec sleep 60\n");
  double start = Now();
  Output late = Rkt({"status", pod_.uuid, "--wait-ready=300ms"});
  EXPECT_GE(Now() - start, 0.3);
  EXPECT_EQ(late.code, 254) << late.All();
  EXPECT_TRUE(Contains(late.err, "deadline exceeded")) << late.err;
  EXPECT_EQ(late.out, "") << "no state is told that nobody has waited for";
  Background waiting = StartRkt({"status", pod_.uuid, "--wait-ready=60s"});
  SleepFor(0.2);
  EXPECT_TRUE(waiting.Running()) << "it is not ready yet";
  WriteFile(records_ + "/go", "");
  Output ready = waiting.Wait(30);
  EXPECT_EQ(ready.code, 0) << ready.All();
  EXPECT_TRUE(Contains(ready.out, "state=running")) << ready.out;
  start = Now();
  RktOk({"status", pod_.uuid, "--wait-ready"});
  RktOk({"status", pod_.uuid, "--wait-ready=false"});
  // Without the flag, and with one that is no duration.
  EXPECT_EQ(Rkt({"status", pod_.uuid, "--wait-ready=soon"}).code, 254);
  RktOk({"stop", pod_.uuid});
  pod_.rkt->Wait();
}

TEST_F(Crossing, ReadinessOfAPodThatEndsIsNotWaitedForForever) {
  BeginSandbox("echo $$ >pid\nsleep 0.5\nexit 7\n");
  Output ended = RktOk({"status", pod_.uuid, "--wait-ready=60s"});
  EXPECT_TRUE(Contains(ended.out, "state=exited")) << ended.out;
  EXPECT_EQ(pod_.rkt->Wait().code, 7);
}

TEST_F(Crossing, AStage1MayNameAParentInPlaceOfTheProcess) {
  // As one does that starts something in between: the only child of the process is the pod's first.
  BeginSandbox("sleep 60 &\necho $$ >ppid\nln -s ready stage1/rootfs/rkt/supervisor-status\nwait\n");
  RktOk({"status", pod_.uuid, "--wait-ready=20s"});
  int parent = atoi(ReadFile(PodDir(pod_.uuid) + "/ppid").c_str());
  RktOk({"app", "add", pod_.uuid, "example.com/judge", "--name=web"});
  std::vector<int> children = DescendantsOf(parent);
  ASSERT_EQ(children.size(), 1u);
  EXPECT_EQ(Recorded("app_add").environment["RKT_STAGE1_ENTERPID"], std::to_string(children[0]));
  RktOk({"enter", pod_.uuid, "cmd"});
  EXPECT_EQ(Recorded("enter").arguments.at(0), "--pid=" + std::to_string(children[0]));
  for (int pid : children) kill(pid, SIGKILL);
  pod_.rkt->Wait();
}

}  // namespace
}  // namespace rkt::test
