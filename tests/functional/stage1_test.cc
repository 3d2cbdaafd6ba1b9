// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// How a stage1 is chosen, and what one gets: a stub that prints its arguments stands for somebody
// else's stage1. At the end, what is special about fly.

#include <signal.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Stage1 : public PodTest {
 protected:
  // A stage1 whose run entry point is a script on top of busybox: it says how it was called.
  std::string Stub(const std::string& annotations, const std::string& script = "") {
    Tar tar;
    ImageSpec spec;
    spec.name = "example.com/stub";
    spec.has_app = false;
    spec.annotations = annotations;
    tar.File("manifest", ManifestJson(spec)).Dir("rootfs");
    tar.HostFile("rootfs/busybox", RKT_BUSYBOX);
    tar.Dir("rootfs/rkt").Dir("rootfs/rkt/status").Dir("rootfs/opt").Dir("rootfs/opt/stage2");
    tar.File("rootfs/run", script.empty() ? kPrintArguments : script, 0755);
    tar.File("rootfs/gc", "#!/bin/sh\nexit 0\n", 0755);
    return WriteImage("stub.aci", tar.Finish());
  }
  static constexpr char kPrintArguments[] =
      "#!/bin/sh\n"
      "echo $$ > pid\n"
      "echo \"argv0 $0\"\n"
      "for a in \"$@\"; do echo \"arg $a\"; done\n"
      "echo \"cwd $(pwd)\"\n"
      "echo \"lock $(readlink /proc/self/fd/$RKT_LOCK_FD)\"\n"
      "echo \"selinux ${RKT_SELINUX_CONTEXT-unset} ${RKT_SELINUX_MOUNT_CONTEXT-unset}\"\n"
      "echo \"caller $CALLER\"\n"
      "exit 6\n";
  static std::string Annotations(const std::string& version) {
    std::string json =
        R"([{"name":"coreos.com/rkt/stage1/run","value":"/run"},{"name":"coreos.com/rkt/stage1/gc","value":"/gc"})";
    if (!version.empty())
      json += R"(,{"name":"coreos.com/rkt/stage1/interface-version","value":")" + version + "\"}";
    return json + "]";
  }
  static std::string DefaultImage() {
    return std::string(RKT_STAGE1_IMAGES) + "/stage1-native.aci";
  }
};

TEST_F(Stage1, EachWayOfChoosingWorks) {
  REQUIRE_FACILITY("build-tree", Exists(DefaultImage()), "no " + DefaultImage());
  std::string id = Fetch(DefaultImage());
  for (const std::string& flag :
       {"--stage1-path=" + DefaultImage(),
        std::string("--stage1-name=coreos.com/rkt/stage1-native:2.0.0"), "--stage1-hash=" + id,
        "--stage1-url=file://" + DefaultImage(), std::string("--stage1-from-dir=stage1-native.aci"),
        std::string("--stage1-from-dir=stage1-fly.aci")}) {
    EXPECT_EQ(Rkt({"run", flag, "--net=host", JudgeAci(), "--", "exit", "3"}).code, 3) << flag;
  }
}

TEST_F(Stage1, TwoChoicesExcludeEachOther) {
  Output output = Rkt({"run", "--stage1-path=/x.aci", "--stage1-name=y", JudgeAci()});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "--stage1-path") && Contains(output.err, "--stage1-name") &&
              Contains(output.err, "are mutually exclusive"))
      << output.err;
  output = Rkt({"run", "--stage1-path=/x.aci", "--stage1-path=/y.aci", JudgeAci()});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "--stage1-path already used")) << output.err;
}

TEST_F(Stage1, NoFallbackFromAChoice) {
  for (const char* flag : {"--stage1-path=/no/such.aci", "--stage1-from-dir=stage1-none.aci",
                           "--stage1-hash=sha512-ffffffffffff"}) {
    EXPECT_EQ(Rkt({"run", flag, JudgeAci(), "--", "exit", "0"}).code, 254) << flag;
    EXPECT_TRUE(PodsIn("run").empty());
  }
}

TEST_F(Stage1, ConfigurationNamesAnother) {
  std::string stub = Stub(Annotations("6"));
  MakeDirs(dir() + "/config-local/stage1.d");
  std::string file = dir() + "/config-local/stage1.d/stage1.json";
  WriteFile(
      file,
      R"({"rktKind":"stage1","rktVersion":"v1","name":"example.com/stub","version":"1.0.0","location":")" +
          stub + "\"}");
  EXPECT_EQ(Rkt({"run", "--net=none", JudgeAci(), "--", "exit", "0"}).code, 6);
  WriteFile(file, R"({"rktKind":"stage1","rktVersion":"v1","name":"example.com/stub"})");
  Output output = Rkt({"run", "--net=none", JudgeAci(), "--", "exit", "0"});
  EXPECT_EQ(output.code, 254) << output.All();
}

TEST_F(Stage1, ArgumentsAreThoseOfTheContract) {
  std::string stub = Stub(Annotations("6"));
  std::string file = dir() + "/uuid";
  Output output = Rkt({"run", "--stage1-path=" + stub, "--uuid-file-save=" + file, "--net=none",
                       "--hostname=h", "--dns=host", "--ipc=parent", JudgeAci()},
                      {.env = {"CALLER=seen"}});
  EXPECT_EQ(output.code, 6) << output.All();
  std::string uuid = ReadFile(file);
  std::string pod = PodDir(uuid);
  std::vector<std::string> args;
  for (const std::string& line : Lines(output.out)) {
    if (StartsWith(line, "arg ")) args.push_back(line.substr(4));
  }
  EXPECT_EQ(args, (Args{"--net=none", "--local-config=" + dir() + "/config-local", "--hostname=h",
                        "--dns-conf-mode=resolv=host,hosts=default", "--ipc=parent", uuid}))
      << output.out;
  EXPECT_TRUE(Contains(output.out, "cwd " + pod + "\n")) << output.out;
  EXPECT_TRUE(Contains(output.out, "lock " + pod + "\n")) << output.out;
  EXPECT_TRUE(Contains(output.out, "argv0 " + pod + "/stage1/rootfs/run\n")) << output.out;
  EXPECT_TRUE(Contains(output.out, "selinux  \n")) << output.out;
  EXPECT_TRUE(Contains(output.out, "caller seen\n")) << output.out;
}

TEST_F(Stage1, PreparedPodsGetTheSameArguments) {
  std::string stub = Stub(Annotations("6"));
  std::string uuid = Trim(RktOk({"prepare", "--quiet", "--stage1-path=" + stub, JudgeAci()}).out);
  Output output = Rkt({"run-prepared", "--net=none", "--hostname=h", "--dns=host", "--hosts-entry=host", "--ipc=parent", uuid});
  EXPECT_EQ(output.code, 6) << output.All();
  std::vector<std::string> args;
  for (const std::string& line : Lines(output.out)) {
    if (StartsWith(line, "arg ")) args.push_back(line.substr(4));
  }
  EXPECT_EQ(args, (Args{"--net=none", "--local-config=" + dir() + "/config-local", "--hostname=h",
                        "--dns-conf-mode=resolv=host,hosts=host", "--ipc=parent", uuid}))
      << output.out;
  EXPECT_TRUE(Contains(output.out, "selinux  \n")) << output.out;
}

TEST_F(Stage1, OldInterfaceGetsNoNewArguments) {
  std::string stub = Stub(Annotations(""));
  Output output = Rkt(
      {"run", "--stage1-path=" + stub, "--net=none", "--hostname=h", "--ipc=parent", JudgeAci()});
  EXPECT_EQ(output.code, 6) << output.All();
  EXPECT_FALSE(Contains(output.out, "arg --hostname")) << output.out;
  EXPECT_FALSE(Contains(output.out, "arg --ipc")) << output.out;
  EXPECT_TRUE(Contains(output.err, "stage0: warning: --hostname option is not supported by stage1"))
      << output.err;
  EXPECT_TRUE(Contains(output.err, "stage0: warning: --ipc option is not supported by stage1"))
      << output.err;
}

TEST_F(Stage1, MissingStopIsReported) {
  std::string stub = Stub(Annotations("6"), "#!/bin/sh\necho $$ > pid\necho up\nsleep 60\n");
  std::string file = dir() + "/uuid";
  Background run = StartRkt(
      {"run", "--stage1-path=" + stub, "--uuid-file-save=" + file, "--net=none", JudgeAci()});
  ASSERT_TRUE(run.WaitForText("up")) << run.err();
  Output output = Rkt({"stop", ReadFile(file)});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "rkt stop not implemented for pod's stage1")) << output.err;
  for (int pid : DescendantsOf(run.pid())) kill(pid, 9);
  run.Kill(9);
  run.Wait();
}

TEST_F(Stage1, FlagsOfAPodAreInItsRuntimeConfig) {
  Run({"--hostname=h", JudgeAci(), "--", "exit", "0"});
  Facts config = Facts::Parse(ReadFile(PodDir(PodsIn("run").at(0)) + "/runtime-config"));
  EXPECT_EQ(config["/Hostname"], "h");
  for (const char* key :
       {"MetadataServiceURL", "PrivateUsers", "MDSToken", "Debug", "Mutable", "ResolvConfMode",
        "EtcHostsMode", "NetList", "Interactive", "InsecureOptions", "IPCMode"}) {
    EXPECT_TRUE(config.Has(std::string("/") + key)) << key;
  }
}

class NativeNet : public PodTest {};

TEST_F(NativeNet, NoneHasLoopbackOnly) {
  EXPECT_EQ(See({"--net=none"}).List("/interfaces"), Args{"lo"});
  Output output = RunOk({JudgeAci(), "--name=server", "--", "listen", "8080", "---",  //
                         JudgeAci(), "--name=client", "--exec=/bin/sh", "--", "-c",
                         "sleep 0.3; /judge connect 8080"});
  EXPECT_EQ(AppLines(output.out, "client").at(0), "connect: hello from the judge") << output.out;
}

TEST_F(NativeNet, HostSharesTheCallers) {
  char link[64] = "";
  ASSERT_GT(readlink("/proc/self/ns/net", link, sizeof link - 1), 0);
  EXPECT_EQ(See({"--net=host"})["/namespaces/net"], link);
  EXPECT_FALSE(Exists(PodDir(PodsIn("run").at(0)) + "/net-info.json"));
}

class Fly : public PodTest {};

TEST_F(Fly, AppRunsInTheNamespacesOfTheCaller) {
  Facts facts = See({});
  for (const char* name : {"net", "pid", "ipc", "uts"}) {
    char link[64] = "";
    ASSERT_GT(readlink((std::string("/proc/self/ns/") + name).c_str(), link, sizeof link - 1), 0);
    EXPECT_EQ(facts[std::string("/namespaces/") + name], link) << name;
  }
  EXPECT_FALSE(facts.Has("/env/AC_APP_NAME"));
}

TEST_F(Fly, MountsAreKeptOffTheHost) {
  std::multiset<std::string> before = TakeTraces(dir()).mounts;
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  EXPECT_EQ(TakeTraces(dir()).mounts, before);
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Fly, OneAppOnly) {
  Output output = Run({JudgeAci(), "--name=a", "--", "x", "---", JudgeAci(), "--name=b"});
  EXPECT_NE(output.code, 0);
  EXPECT_TRUE(Contains(output.err, "fly only supports 1 application per Pod for now"))
      << output.err;
}

TEST_F(Fly, WhatItCannotDoIsSaid) {
  Output output = RunOk({"--hostname=h", JudgeAci(), "--", "exit", "0"});
  EXPECT_TRUE(Contains(output.out, "Warning: -hostname not supported; ignoring")) << output.All();
  output =
      Run({"--volume=v,kind=empty", "--mount=volume=v,target=/mnt", JudgeAci(), "--", "exit", "0"});
  EXPECT_NE(output.code, 0) << output.All();
}

TEST_F(Fly, PidAndGroupAreWritten) {
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping");
  EXPECT_EQ(Trim(ReadFile(PodDir(pod.uuid) + "/pid")), std::to_string(pod.rkt->pid()));
  EXPECT_FALSE(Trim(ReadFile(PodDir(pod.uuid) + "/pgid")).empty());
  Output inside = RktOk({"enter", pod.uuid, "/judge", "see"});
  EXPECT_TRUE(Facts::Parse(inside.out).Has("/ids/uid"));
  EXPECT_EQ(Rkt({"enter", pod.uuid, "sh"}).code, 254) << "no search in the path";
  RktOk({"stop", pod.uuid});
  EXPECT_EQ(pod.rkt->Wait(10).signal, 15);
}

TEST_F(Fly, HostVolume) {
  std::string shared = dir() + "/shared";
  MakeDirs(shared);
  WriteFile(shared + "/in", "from the host\n");
  Output output = RunOk({"--volume=v,kind=host,source=" + shared, "--mount=volume=v,target=/mnt",
                         JudgeAci(), "--", "show", "/mnt/in"});
  EXPECT_EQ(AppLines(output.out), Args{"from the host"});
}

}  // namespace
}  // namespace rkt::test
