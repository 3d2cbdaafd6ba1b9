// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Limits of apps and of whole pods, as they feel from inside: processes, descriptors, block
// devices, kernel parameters, control groups.

#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Isolators : public PodTest {
 protected:
  // The only line that the judge printed: "name: value".
  std::string Value(const Output& output) {
    std::vector<std::string> lines = AppLines(output.out);
    EXPECT_EQ(lines.size(), 1u) << output.All();
    return lines.empty() ? "" : lines[0].substr(lines[0].find(": ") + 2);
  }
  Args RanAs(const std::string& isolators, const Args& args) {
    ImageSpec spec;
    spec.app = "\"isolators\":[" + isolators + "]";
    return Args{WriteImage("limited.aci", spec), "--"} + args;
  }
  // A pod manifest with isolators of the pod and two apps; the file's path.
  std::string PodManifest(const std::string& isolators, const std::string& first,
                          const std::string& second) {
    std::string id = Fetch(JudgeAci());
    std::string apps;
    for (const auto& [name, exec] :
         {std::pair<std::string, std::string>("one", first), {"two", second}}) {
      if (exec.empty()) continue;
      apps += (apps.empty() ? "" : ",") + std::string("{\"name\":\"") + name +
              "\",\"image\":{\"id\":\"" + id + "\"},\"app\":{\"exec\":" + exec +
              ",\"user\":\"0\",\"group\":\"0\"}}";
    }
    std::string path = dir() + "/pod.json";
    WriteFile(path, "{\"acVersion\":\"0.8.11\",\"acKind\":\"PodManifest\",\"apps\":[" + apps +
                        "],\"isolators\":[" + isolators + "]}");
    return path;
  }
};

// The loop devices of the machine are few, and others may use them.
class Loop {
 public:
  explicit Loop(const std::string& file, size_t size) {
    WriteFile(file, "");
    if (truncate(file.c_str(), static_cast<off_t>(size)) != 0) return;
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return;
    int backing = open(file.c_str(), O_RDWR | O_CLOEXEC);
    for (int tries = 0; tries < 20 && device_ < 0; ++tries) {
      int number = ioctl(control, LOOP_CTL_GET_FREE);
      if (number < 0) break;
      path_ = "/dev/loop" + std::to_string(number);
      device_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
      if (device_ >= 0 && ioctl(device_, LOOP_SET_FD, backing) != 0) {
        close(device_);
        device_ = -1;
      }
    }
    close(backing);
    close(control);
  }
  ~Loop() {
    if (device_ < 0) return;
    ioctl(device_, LOOP_CLR_FD, 0);
    close(device_);
  }
  Loop(const Loop&) = delete;
  bool ready() const { return device_ >= 0; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int device_ = -1;
};

TEST_F(Isolators, PidsLimitStopsAForkBomb) {
  REQUIRE_FACILITY("cgroup-pids", !CgroupV1("pids").empty(), "no pids controller");
  Output output = RunOk({JudgeAci(), "--pids-limit=12", "--", "forks", "40"});
  EXPECT_EQ(Value(output), "11 EAGAIN") << "the judge itself is the twelfth";
  EXPECT_EQ(Value(RunOk(RanAs(R"({"name":"os/linux/pids-limit","value":12})", {"forks", "40"}))),
            "11 EAGAIN");
  // The command line's takes the place of the image's.
  Output more =
      RunOk(Args{WriteImage("limited.aci", ImageSpec{}), "--pids-limit=30", "--", "forks", "20"});
  EXPECT_EQ(Value(more), "20");
}

TEST_F(Isolators, EveryPodHasABoundOnItsProcesses) {
  struct utsname kernel;
  uname(&kernel);
  int major = 0, minor = 0;
  sscanf(kernel.release, "%d.%d", &major, &minor);
  REQUIRE_FACILITY("pid-max", major > 6 || (major == 6 && minor >= 14),
                   "kernel.pid_max is the whole machine's");
  std::string host = ReadFile("/proc/sys/kernel/pid_max");
  Output output = RunOk({JudgeAci(), "--", "show", "/proc/sys/kernel/pid_max"});
  EXPECT_EQ(AppLines(output.out), Args{"8493"});
  output = RunOk({JudgeAci(), "--pids-limit=20000", "--", "show", "/proc/sys/kernel/pid_max"});
  EXPECT_EQ(AppLines(output.out), Args{"20301"});
  output = RunOk({JudgeAci(), "--pids-limit=-1", "--", "show", "/proc/sys/kernel/pid_max"});
  EXPECT_NE(AppLines(output.out), Args{"8493"});
  EXPECT_EQ(ReadFile("/proc/sys/kernel/pid_max"), host) << "the machine's own must stay what it is";
}

TEST_F(Isolators, LimitsOfTheWholePodBoundAllItsApps) {
  REQUIRE_FACILITY("cgroup-pids", !CgroupV1("pids").empty(), "no pids controller");
  // Both apps together; one of them takes a while, so that they meet.
  std::string manifest =
      PodManifest(R"({"name":"os/linux/pids-limit","value":20})", R"(["/judge","forks","100","1"])",
                  R"(["/judge","forks","100","1"])");
  Output output = RunOk({"--pod-manifest=" + manifest});
  int made = 0;
  for (const std::string& line : AppLines(output.out)) {
    EXPECT_TRUE(EndsWith(line, " EAGAIN")) << line;
    made += std::stoi(line.substr(line.find(": ") + 2));
  }
  // The second app is let in whatever the count is, but makes none beyond it.
  EXPECT_GE(made, 17) << output.All();
  EXPECT_LE(made, 19) << output.All();
}

TEST_F(Isolators, MemoryOfTheWholePod) {
  REQUIRE_FACILITY("cgroup-memory", !CgroupV1("memory").empty(), "no memory controller");
  std::string limit = R"({"name":"resource/memory","value":{"limit":"32Mi"}})";
  EXPECT_EQ(
      Run({"--pod-manifest=" + PodManifest(limit, R"(["/judge","allocate","200"])", "")}).code, 9);
  EXPECT_EQ(Run({"--pod-manifest=" + PodManifest(limit, R"(["/judge","allocate","8"])", "")}).code,
            0);
}

TEST_F(Isolators, Rlimits) {
  Facts facts = See({}, {"--ulimit=nofile=100:200", "--ulimit=core=0", "--ulimit=STACK=1048576"});
  EXPECT_EQ(facts["/limits/nofile"], "100 200");
  EXPECT_EQ(facts["/limits/core"], "0 0");
  EXPECT_EQ(facts["/limits/stack"], "1048576 1048576");
  Output output = RunOk(RanAs(
      R"({"name":"os/unix/rlimits","value":{"nofile":{"soft":64,"hard":128},"core":0}})", {"see"}));
  facts = Facts::Parse(AppText(output.out));
  EXPECT_EQ(facts["/limits/nofile"], "64 128");
  EXPECT_EQ(facts["/limits/core"], "0 0");
  struct rlimit own = {};
  getrlimit(RLIMIT_NOFILE, &own);
  std::string hard = std::to_string(own.rlim_max);
  EXPECT_EQ(See({}, {"--ulimit=nofile=50:unlimited"})["/limits/nofile"], "50 " + hard);
}

TEST_F(Isolators, NoRlimitIsRaisedAboveThatOfRktItself) {
  Args ask = {"sh", "-c", "ulimit -n 500; exec \"$@\"", "sh"};
  Output output =
      RunProgram(ask + RktArgs(RunArgs({JudgeAci(), "--ulimit=nofile=100:1000", "--", "see"})));
  EXPECT_EQ(output.code, 1) << output.All();
  EXPECT_TRUE(Contains(output.err, "setting the limit nofile above that of rkt itself"))
      << output.err;
  output = RunProgram(
      ask +
      RktArgs(RunArgs(RanAs(R"({"name":"os/unix/rlimits","value":{"nofile":1000}})", {"see"}))));
  EXPECT_EQ(output.code, 1) << output.All();
}

TEST_F(Isolators, KernelParametersOfThePod) {
  std::string host = ReadFile("/proc/sys/net/ipv4/ip_forward") +
                     ReadFile("/proc/sys/kernel/msgmax") +
                     ReadFile("/proc/sys/net/ipv4/conf/lo/forwarding");
  Output output =
      RunOk({"--sysctl=net.ipv4.ip_forward=1", "--sysctl=kernel.msgmax=12345",
             "--sysctl=net/ipv4/conf/lo/forwarding=1", "--sysctl=kernel.domainname=pods.example",
             JudgeAci(), "--exec=/bin/sh", "--", "-c",
             "cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax net/ipv4/conf/lo/forwarding "
             "kernel/domainname"});
  EXPECT_EQ(AppLines(output.out), (Args{"1", "12345", "1", "pods.example"}));
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv4/ip_forward") + ReadFile("/proc/sys/kernel/msgmax") +
                ReadFile("/proc/sys/net/ipv4/conf/lo/forwarding"),
            host);
  std::string manifest =
      PodManifest(R"({"name":"os/unix/sysctl","value":{"net.ipv4.tcp_keepalive_time":"300"}})",
                  R"(["/judge","show","/proc/sys/net/ipv4/tcp_keepalive_time"])", "");
  EXPECT_EQ(AppLines(RunOk({"--pod-manifest=" + manifest}).out), Args{"300"});
}

TEST_F(Isolators, KernelParametersOfTheHostAreRefusedByName) {
  auto refused = [&](const Args& args, const std::string& text) {
    Output output = Run(args + Args{JudgeAci(), "--", "exit", "0"});
    EXPECT_EQ(output.code, 254) << args[0] << "\n" << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << output.err;
  };
  refused({"--sysctl=kernel.panic=1"}, "kernel.panic is a parameter of the whole machine");
  refused({"--sysctl=kernel/core_pattern=|/x"},
          "kernel.core_pattern is a parameter of the whole machine");
  refused({"--sysctl=net.ipv4/../../kernel.panic=1"}, "is no name of a kernel parameter");
  refused({"--sysctl=net.ipv4.no_such=1"}, "net.ipv4.no_such");
  refused({"--sysctl=net.ipv4.ip_forward"}, "name=value");
  refused({"--sysctl=kernel.hostname=x"}, "--hostname");
  refused({"--net=host", "--sysctl=net.ipv4.ip_forward=1"}, "whose network the pod has");
  refused({"--ipc=parent", "--sysctl=kernel.msgmax=1"}, "whose IPC namespace the pod has");
  std::string manifest =
      PodManifest(R"({"name":"os/unix/sysctl","value":{"vm.overcommit_memory":"1"}})",
                  R"(["/judge","exit","0"])", "");
  Output output = Run({"--pod-manifest=" + manifest});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "vm.overcommit_memory")) << output.err;
  // An app has no parameters of its own; an image that thinks so is told.
  output = RunOk(RanAs(R"({"name":"os/unix/sysctl","value":{"kernel.panic":"1"}})", {"exit", "0"}));
  EXPECT_TRUE(Contains(output.err, "os/unix/sysctl isolator")) << output.err;
}

TEST_F(Isolators, BlockBandwidthThrottles) {
  REQUIRE_FACILITY("cgroup-blkio", !CgroupV1("blkio").empty(), "no blkio controller");
  Loop loop(dir() + "/disk", 16 << 20);
  REQUIRE_FACILITY("loop", loop.ready(), "no loop devices");
  Args volume = {"--volume=disk,kind=host,source=" + loop.path(),
                 "--mount=volume=disk,target=/disk"};
  int free =
      std::stoi(Value(RunOk(volume + Args{JudgeAci(), "--", "read-direct", "/disk", "2097152"})));
  int bound = std::stoi(Value(RunOk(volume + Args{JudgeAci(), "--block-bandwidth=2Mi", "--",
                                                  "read-direct", "/disk", "2097152"})));
  EXPECT_GE(bound, 700) << "a second's worth of bytes; unbound it took " << free;
  int operations = std::stoi(Value(RunOk(
      volume + Args{JudgeAci(), "--block-iops=32", "--", "read-direct", "/disk", "2097152"})));
  EXPECT_GE(operations, 700) << "32 reads of 64 KiB";
}

TEST_F(Isolators, BlockWeightReachesTheGroup) {
  std::string blkio = CgroupV1("blkio");
  REQUIRE_FACILITY("cgroup-blkio", !blkio.empty(), "no blkio controller");
  RunningPod pod = Start({JudgeAci(), "--block-weight=30", "--", "sleep"}, "sleeping");
  std::string group = ReadFile(PodDir(pod.uuid) + "/subcgroup");
  EXPECT_EQ(Trim(ReadFile(blkio + "/" + group + "/system.slice/judge.service/blkio.bfq.weight")),
            "30");
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Isolators, OnlyTheHierarchiesWithALimitAreTouched) {
  REQUIRE_FACILITY("cgroup-memory", !CgroupV1("memory").empty(), "no cgroup v1");
  RunningPod pod = Start({JudgeAci(), "--memory=64Mi", "--", "sleep"}, "sleeping");
  int groups = 0;
  for (const std::string& path : TakeTraces(dir()).cgroups) {
    if (!Contains(path, pod.uuid)) continue;
    ++groups;
    EXPECT_TRUE(StartsWith(path, CgroupV1("memory") + "/")) << path;
  }
  EXPECT_GT(groups, 0);
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Isolators, NoAppSeesAControlGroupOfTheHost) {
  for (const Args& flags : {Args{}, Args{"--memory=64Mi", "--pids-limit=50", "--cpu=1"}}) {
    Facts facts = See({}, flags);
    for (const std::string& line : facts.List("/cgroups")) {
      EXPECT_TRUE(EndsWith(line, ":/")) << line;
    }
    EXPECT_NE(facts["/namespaces/cgroup"], "");
    char host[64] = "";
    (void)!readlink("/proc/self/ns/cgroup", host, sizeof host - 1);
    EXPECT_NE(facts["/namespaces/cgroup"], host);
  }
}

TEST_F(Isolators, TheGroupThatRktIsInIsNotTold) {
  REQUIRE_FACILITY("cgroup-memory", !CgroupV1("memory").empty(), "no cgroup v1");
  std::string group = CgroupV1("memory") + "/of-the-caller-" + std::to_string(getpid());
  ASSERT_EQ(mkdir(group.c_str(), 0755), 0);
  Output output = RunProgram(Args{"sh", "-c", "echo $$ > " + group + "/cgroup.procs && exec \"$@\"", "sh"} +
                             RktArgs(RunArgs({JudgeAci(), "--memory=64Mi", "--exec=/bin/cat", "--", "/proc/1/cgroup"})));
  for (int i = 0; i < 100 && rmdir(group.c_str()) != 0; ++i) usleep(20000);
  EXPECT_FALSE(Exists(group));
  EXPECT_EQ(output.code, 0) << output.err;
  EXPECT_TRUE(Contains(output.out, ":memory:/")) << output.out;
  EXPECT_FALSE(Contains(output.out, "of-the-caller")) << output.out;
  EXPECT_FALSE(Contains(output.out, "..")) << output.out;
}

TEST_F(Isolators, EnteringMeansTheAppsOwnLimits) {
  REQUIRE_FACILITY("cgroup-pids", !CgroupV1("pids").empty(), "no pids controller");
  RunningPod pod =
      Start({JudgeAci(), "--pids-limit=10", "--ulimit=nofile=77", "--", "sleep"}, "sleeping");
  Output output = RktOk({"enter", pod.uuid, "/judge", "forks", "40"});
  EXPECT_EQ(Trim(output.out), "forks: 8 EAGAIN") << "one sleeps, one is the bomb";
  output = RktOk({"enter", pod.uuid, "/bin/sh", "-c", "ulimit -n; cat /proc/self/cgroup"});
  std::vector<std::string> lines = Lines(output.out);
  ASSERT_GT(lines.size(), 1u);
  EXPECT_EQ(lines[0], "77");
  for (size_t i = 1; i < lines.size(); i++) EXPECT_TRUE(EndsWith(lines[i], ":/")) << lines[i];
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Isolators, ALimitThatCannotBeSetIsAnError) {
  // A machine without the controller: one where nothing is mounted in its place.
  REQUIRE_FACILITY("cgroup-pids", !CgroupV1("pids").empty(), "no cgroup v1");
  auto without_pids = [&](const Args& args) {
    return RunProgram(
        Args{"unshare", "-m", "sh", "-c", "umount -l " + CgroupV1("pids") + "; exec \"$@\"", "sh"} +
        RktArgs(RunArgs(args)));
  };
  Output output = without_pids({JudgeAci(), "--pids-limit=10", "--", "exit", "3"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "os/linux/pids-limit of app \"judge\" cannot be set"))
      << output.err;
  EXPECT_TRUE(Contains(output.err, "--insecure-options=limits")) << output.err;
  insecure_ = "image,limits";
  output = without_pids({JudgeAci(), "--pids-limit=10", "--", "exit", "3"});
  EXPECT_EQ(output.code, 3) << output.All();
  EXPECT_TRUE(Contains(
      output.err,
      "warning: os/linux/pids-limit isolator set but support disabled in the kernel, skipping"))
      << output.err;
}

TEST_F(Isolators, WhatHasNoEffectIsSaid) {
  Output output = RunOk(RanAs(
      R"({"name":"example.com/own","value":7},{"name":"resource/network-bandwidth","value":{"default":true,"limit":"1G"}},)"
      R"({"name":"os/linux/selinux-context","value":{"user":"u","role":"r","type":"t","level":"s0"}})",
      {"exit", "0"}));
  EXPECT_TRUE(
      Contains(output.err, "isolator \"example.com/own\" of app \"judge\" is not known, skipping"))
      << output.err;
  EXPECT_TRUE(Contains(output.err, "resource/network-bandwidth isolator set of app")) << output.err;
  EXPECT_TRUE(Contains(output.err, "os/linux/selinux-context isolator set for app \"judge\""))
      << output.err;
}

TEST_F(Isolators, AnImageOnlyAsksForWhatStaysInItsPod) {
  auto refused = [&](const std::string& isolator, const std::string& flag) {
    Output output = Run(RanAs(isolator, {"exit", "0"}));
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, "app \"judge\": the image asks for")) << output.err;
    EXPECT_TRUE(Contains(output.err, flag)) << output.err;
  };
  refused(
      R"({"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_CHOWN","cap_sys_admin"]}})",
      "--caps-retain");
  refused(R"({"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_DAC_READ_SEARCH"]}})",
          "--caps-retain");
  refused(R"({"name":"os/linux/oom-score-adj","value":-500})", "--oom-score-adj");
  refused(R"({"name":"os/linux/pids-limit","value":0})", "--pids-limit");
  refused(R"({"name":"os/linux/pids-limit","value":100000})", "--pids-limit");
  // The command line gives what it names; what is the pod's own needs no word.
  std::string image = WriteImage(
      "asks.aci",
      ImageSpec{
          .app =
              R"("isolators":[{"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_SYS_ADMIN"]}}])"});
  EXPECT_EQ(Run({image, "--caps-retain=CAP_SYS_ADMIN", "--", "exit", "3"}).code, 3);
  EXPECT_EQ(
      Run(RanAs(R"({"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_NET_ADMIN"]}})",
                {"exit", "3"}))
          .code,
      3);
  // A pod manifest that leaves the app to its image gives nothing either.
  std::string id = Fetch(image);
  WriteFile(dir() + "/bare.json",
            "{\"acVersion\":\"0.8.11\",\"acKind\":\"PodManifest\",\"apps\":[{\"name\":\"judge\","
            "\"image\":{\"id\":\"" +
                id + "\"}}]}");
  Output output = Run({"--pod-manifest=" + dir() + "/bare.json"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "CAP_SYS_ADMIN")) << output.err;
  insecure_ = "image,capabilities";
  EXPECT_EQ(Run({image, "--", "exit", "3"}).code, 3);
}

TEST_F(Isolators, BadValuesAreRefusedWithFieldAndRule) {
  auto refused = [&](const Args& flags, const std::string& text) {
    Output output = Run(Args{JudgeAci()} + flags + Args{"--", "exit", "0"});
    EXPECT_EQ(output.code, 254) << flags[0] << "\n" << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << output.err;
  };
  refused({"--pids-limit=-2"}, "pids-limit");
  refused({"--pids-limit=many"}, "pids-limit");
  refused({"--ulimit=nofiles=1"}, "there is no limit \"nofiles\"");
  refused({"--ulimit=nofile=20:10"}, "soft must not be more than hard");
  refused({"--ulimit=nofile=x"}, "neither a whole number");
  refused({"--ulimit=nofile"}, "name=soft[:hard]");
  refused({"--block-bandwidth=0"}, "more than nothing");
  refused({"--block-weight=1001"}, "between 10 and 1000");
  refused({"--block-weight=9"}, "between 10 and 1000");
  EXPECT_EQ(Run({"--pids-limit=3", JudgeAci()}).code, 254);
  for (const char* isolator :
       {R"({"name":"os/linux/pids-limit","value":"many"})",
        R"({"name":"resource/block-bandwidth","value":{"limit":"1M"}})",
        R"({"name":"os/unix/rlimits","value":{"nofile":{"soft":5,"hard":"x"}}})",
        R"({"name":"os/unix/sysctl","value":{"net.a":[1]}})"}) {
    ImageSpec spec;
    spec.app = "\"isolators\":[" + std::string(isolator) + "]";
    Output output = Rkt({"fetch", WriteImage("bad.aci", spec)});
    EXPECT_EQ(output.code, 254) << isolator;
    EXPECT_TRUE(Contains(output.err, "isolators[0].value")) << output.err;
  }
}

TEST_F(Isolators, NoNewPrivilegesByFlag) {
  EXPECT_EQ(See({}, {"--no-new-privileges=true"})["/no_new_privs"], "1");
  EXPECT_EQ(See({}, {"--no-new-privileges=false"})["/no_new_privs"], "0");
}

TEST_F(Isolators, GroupsGoAwayEvenAfterSigkill) {
  REQUIRE_FACILITY("cgroup-memory", !CgroupV1("memory").empty(), "no cgroup v1");
  RunningPod pod =
      Start({JudgeAci(), "--memory=64Mi", "--pids-limit=30", "--block-iops=1000", "--", "sleep"},
            "sleeping");
  for (int pid : DescendantsOf(pod.rkt->pid())) kill(pid, SIGKILL);
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  CollectAll();
  for (const std::string& path : TakeTraces(dir()).cgroups) {
    EXPECT_FALSE(Contains(path, pod.uuid)) << path;
  }
}

}  // namespace
}  // namespace rkt::test
