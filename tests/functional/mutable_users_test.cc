// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Mutable pods with users of their own: apps, volumes and files that come later are the pod's as those of `rkt run` are.

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "functional/mutable_pod.h"

namespace rkt::test {
namespace {

class MutableUsers : public MutablePodTest {
 protected:
  std::string Range(const std::string& uuid) {
    return ReadFile(PodDir(uuid) + "/private-users-prepared");
  }
  static uid_t OwnerOf(const std::string& path) {
    struct stat st = {};
    EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
    return st.st_uid;
  }
  static constexpr char kMap[] = "set -- $(cat /proc/self/uid_map); echo $1 $2:$3 $(id -u)";
};

TEST_F(MutableUsers, AddedAppsHaveThem) {
  REQUIRE_FACILITY("build-tree", Exists(std::string(RKT_STAGE1_IMAGES) + "/stage1-native.aci"), "no stage1-native.aci");
  // The same stage1 by another name is executed, on an overlay of its tree.
  std::string other = dir() + "/other.aci";
  RktOk({"image", "patch-manifest", "--name=example.com/other", std::string(RKT_STAGE1_IMAGES) + "/stage1-native.aci", other});
  for (const Args& flags : {Args{}, Args{"--stage1-path=" + other}, Args{"--no-overlay"}}) {
    RunningPod pod = Sandbox(flags + Args{"--private-users"});
    std::string range = Range(pod.uuid);
    ASSERT_FALSE(range.empty());
    EXPECT_EQ(RunApp(pod, "root", {"--exec=/bin/sh"}, {"-c", kMap}), "0 " + range + " 0\n");
    EXPECT_EQ(RunApp(pod, "user", {"--exec=/bin/sh", "--user=1000", "--group=1000"}, {"-c", kMap}), "0 " + range + " 1000\n");
    // The image's files and what the app makes have the owners that the app sees, on disk too.
    EXPECT_EQ(RunApp(pod, "files", {"--exec=/bin/sh"},
                     {"-c", "stat -c '%u %g' /owned; touch /made /tmp/mine; chown 7:8 /made; stat -c '%u %g' /made"}),
              "1234 2345\n7 8\n");
    std::string made;
    for (const std::string& tree : ListDir(PodDir(pod.uuid) + "/overlay")) {
      std::string path = PodDir(pod.uuid) + "/overlay/" + tree + "/upper/files/made";
      if (Exists(path)) made = path;
    }
    if (flags == Args{"--no-overlay"}) made = PodDir(pod.uuid) + "/stage1/rootfs/opt/stage2/files/rootfs/made";
    EXPECT_EQ(OwnerOf(made), 7u);
    EXPECT_EQ(AppStatus(pod.uuid, "files")["/exit_code"], "0");
    EXPECT_EQ(RktOk({"logs", "--app=user", pod.uuid}).out, "0 " + range + " 1000\n");
    for (const char* app : {"root", "user", "files"}) DoOk("rm", pod.uuid, app);
    EXPECT_EQ(RktOk({"app", "list", "--no-legend", pod.uuid}).out, "");
    EXPECT_FALSE(Exists(made));
    Stop(pod);
    RktOk({"rm", pod.uuid});
  }
}

TEST_F(MutableUsers, VolumesKeepTheirOwners) {
  RunningPod pod = Sandbox({"--private-users"});
  std::string host = dir() + "/volume";
  MakeDirs(host);
  ASSERT_EQ(chmod(host.c_str(), 0777), 0);
  WriteFile(host + "/theirs", "x");
  ASSERT_EQ(chown((host + "/theirs").c_str(), 1000, 1000), 0);
  WriteFile(dir() + "/file", "one file\n");
  EXPECT_EQ(RunApp(pod, "web",
                   {"--exec=/bin/sh", "--user=1000", "--group=1000", "--mnt-volume=name=v,kind=host,source=" + host + ",target=/v",
                    "--mnt-volume=name=e,kind=empty,uid=1000,gid=5,mode=0750,target=/e",
                    "--mnt-volume=name=f,kind=host,source=" + dir() + "/file,target=/f,readOnly=true"},
                   {"-c", "stat -c %u /v/theirs; echo y >/v/mine && echo z >/e/mine; stat -c '%u %g %a' /e; cat /f"}),
            "1000\n1000 5 750\none file\n");
  EXPECT_EQ(OwnerOf(host + "/mine"), 1000u);
  // Of an empty volume, too, the owners on disk are those that the app sees.
  EXPECT_EQ(OwnerOf(PodDir(pod.uuid) + "/sharedVolumes/e/mine"), 1000u);
  DoOk("rm", pod.uuid, "web");
  EXPECT_FALSE(Exists(PodDir(pod.uuid) + "/sharedVolumes/e"));
  Stop(pod);
}

TEST_F(MutableUsers, CommandsOfARunningPodWork) {
  RunningPod pod = Sandbox({"--private-users"});
  AddOk(pod.uuid, "web", {"--stdin=stream", "--stdout=stream", "--exec=/bin/cat"}, {"-"});
  DoOk("start", pod.uuid, "web");
  EXPECT_EQ(AppState(pod.uuid, "web"), "running");
  std::string range = Range(pod.uuid);
  EXPECT_EQ(RktOk({"enter", "--app=web", pod.uuid, "/bin/sh", "-c", kMap}).out, "0 " + range + " 0\n");
  WriteFile(dir() + "/in", "copied\n");
  RktOk({"cp", dir() + "/in", pod.uuid + ":web:/in"});
  EXPECT_EQ(RktOk({"app", "exec", "--app=web", pod.uuid, "/bin/sh", "-c", "cat /in; stat -c %u /in"}).out, "copied\n0\n");
  RktOk({"cp", pod.uuid + ":web:/etc/passwd", dir() + "/out"});
  EXPECT_TRUE(Contains(ReadFile(dir() + "/out"), "root:"));
  Background client = StartRkt({"attach", "--mode=stdin,stdout", pod.uuid, "--app=web"}, {.input = "through\n"});
  EXPECT_TRUE(client.WaitForText("through")) << client.err();
  DoOk("stop", pod.uuid, "web");
  EXPECT_FALSE(client.Wait().timed_out);
  DoOk("start", pod.uuid, "web");
  Stop(pod);
}

TEST_F(MutableUsers, FailedAddLeavesNothing) {
  RunningPod pod = Sandbox({"--private-users"});
  for (const Args& flags : {Args{"--user=70000", "--group=0"}, Args{"--mnt-volume=name=v,kind=host,source=/nowhere/at/all,target=/v"}}) {
    EXPECT_EQ(Add(pod.uuid, "web", flags).code, 254) << flags[0];
    EXPECT_EQ(RktOk({"app", "list", "--no-legend", pod.uuid}).out, "");
    EXPECT_EQ(ListDir(PodDir(pod.uuid) + "/appsinfo"), Args{});
  }
  EXPECT_EQ(RunApp(pod, "web", {}, {"say", "well"}), "well\n");
  Stop(pod);
}

TEST_F(MutableUsers, LimitsAndTheHostsNetworkWork) {
  RunningPod pod = Sandbox({"--private-users", "--net=host"});
  EXPECT_EQ(RunApp(pod, "web", {"--exec=/bin/sh", "--memory=20M", "--pids-limit=50"}, {"-c", "ls -d /sys/class/net/lo; id -u"}),
            "/sys/class/net/lo\n0\n");
  if (!CgroupV1("memory").empty()) {
    AddOk(pod.uuid, "eater", {"--memory=20M"}, {"allocate", "100"});
    DoOk("start", pod.uuid, "eater");
    EXPECT_TRUE(WaitForApp(pod.uuid, "eater", "exited"));
    EXPECT_EQ(AppStatus(pod.uuid, "eater")["/exit_code"], "9");
  }
  Stop(pod);
}

TEST_F(MutableUsers, TheHostsConfigurationMakesItTheDefault) {
  MakeDirs(dir() + "/config-local/pods.d");
  WriteFile(dir() + "/config-local/pods.d/users.json", R"({"rktKind": "pods", "rktVersion": "v1", "privateUsers": true})");
  RunningPod pod = Sandbox();
  EXPECT_NE(Range(pod.uuid), "");
  EXPECT_EQ(RunApp(pod, "root", {"--exec=/bin/sh"}, {"-c", kMap}), "0 " + Range(pod.uuid) + " 0\n");
  Stop(pod);
  pod = Sandbox({"--private-users=false"});
  EXPECT_FALSE(Exists(PodDir(pod.uuid) + "/private-users-prepared"));
  Stop(pod);
}

TEST_F(MutableUsers, DataDirectoriesThatCannotBeMappedAreRefused) {
  MakeDirs(data());
  ASSERT_EQ(::mount("ramfs", data().c_str(), "ramfs", 0, "mode=755"), 0);
  Output output = Rkt({"app", "sandbox", "--private-users", "--net=none"});
  EXPECT_EQ(output.code, 1) << output.All();
  EXPECT_TRUE(Contains(output.err, "file system can map ids")) << output.err;
  EXPECT_TRUE(PodsIn("run").empty() && PodsIn("prepare").empty() && PodsIn("embryo").empty());
  ::umount2(data().c_str(), MNT_DETACH);
}

TEST_F(MutableUsers, KilledSandboxIsCollected) {
  RunningPod pod = Sandbox({"--private-users"});
  AddOk(pod.uuid, "web");
  DoOk("start", pod.uuid, "web");
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  RktOk({"export", "--app=web", pod.uuid, dir() + "/web.aci"});
  RktOk({"app", "rm", pod.uuid, "--app=web"});
}

}  // namespace
}  // namespace rkt::test
