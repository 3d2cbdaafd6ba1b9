// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The native stage1 that came with rkt is entered without an exec; the same stage1 under another name is an image like
// any other and is executed. Nobody may notice a difference but by the process's name.

#include <fcntl.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class LinkedStage1 : public PodTest {
 protected:
  static std::string DefaultImage() { return std::string(RKT_STAGE1_IMAGES) + "/stage1-native.aci"; }

  // The image of the native stage1 with a name of its own, so that it is not the one that is linked in.
  std::string Renamed() {
    std::string path = dir() + "/renamed.aci";
    RktOk({"image", "patch-manifest", "--name=example.com/stage1-renamed", DefaultImage(), path});
    return path;
  }
  std::string ExeOf(int pid) {
    char target[4096];
    ssize_t n = readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), target, sizeof target - 1);
    return n < 0 ? "" : std::string(target, static_cast<size_t>(n));
  }
};

TEST_F(LinkedStage1, IsEnteredWithoutAnExecAndAnyOtherIsExecuted) {
  REQUIRE_FACILITY("build-tree", Exists(DefaultImage()), "no " + DefaultImage());
  RunningPod linked = Start({"--net=none", JudgeAci(), "--", "sleep"});
  EXPECT_TRUE(EndsWith(ExeOf(linked.rkt->pid()), "/rkt")) << ExeOf(linked.rkt->pid());
  RunningPod other = Start({"--net=none", "--stage1-path=" + Renamed(), JudgeAci(), "--", "sleep"});
  EXPECT_TRUE(EndsWith(ExeOf(other.rkt->pid()), "/init")) << ExeOf(other.rkt->pid());
  for (RunningPod* pod : {&linked, &other}) {
    EXPECT_TRUE(Contains(RktOk({"status", pod->uuid}).out, "state=running"));
    EXPECT_EQ(Rkt({"enter", pod->uuid, "/judge", "exit", "5"}).code, 5);
    RktOk({"stop", pod->uuid});
    EXPECT_EQ(pod->rkt->Wait().code, 0);
  }
}

TEST_F(LinkedStage1, AppsSeeTheSameUnderBoth) {
  REQUIRE_FACILITY("build-tree", Exists(DefaultImage()), "no " + DefaultImage());
  Facts linked = See({"--hostname=h"});
  Facts executed = See({"--hostname=h", "--stage1-path=" + Renamed()});
  ASSERT_TRUE(linked.Has("/mounts"));
  // Numbers of mounts, namespaces and processes, and the paths of the two pods' directories, are each one's own.
  auto same = [&](const std::string& path) { EXPECT_EQ(linked.List(path), executed.List(path)) << path; };
  EXPECT_EQ(linked.Count("/fds"), executed.Count("/fds"));
  for (const char* list : {"/environment", "/root", "/interfaces", "/groups"}) same(list);
  for (const std::string& key : linked.Keys("/paths")) {
    for (const char* what : {"/read", "/write", "/entries", "/type", "/mode"}) {
      EXPECT_EQ(linked["/paths/" + key + what], executed["/paths/" + key + what]) << key << what;
    }
  }
  EXPECT_EQ(linked.Count("/mounts"), executed.Count("/mounts"));
  EXPECT_EQ(linked.Keys("/dev"), executed.Keys("/dev"));
}

TEST_F(LinkedStage1, HoldsNothingOfTheStoreButThePod) {
  RunningPod pod = Start({"--net=none", JudgeAci(), "--", "sleep"});
  std::string fds = "/proc/" + std::to_string(pod.rkt->pid()) + "/fd";
  bool lock = false;
  for (const std::string& name : ListDir(fds)) {
    char target[4096];
    ssize_t n = readlink((fds + "/" + name).c_str(), target, sizeof target - 1);
    std::string path(target, n < 0 ? 0 : static_cast<size_t>(n));
    if (!StartsWith(path, data())) continue;
    EXPECT_TRUE(StartsWith(path, PodDir(pod.uuid))) << path;
    lock = lock || path == PodDir(pod.uuid);
  }
  EXPECT_TRUE(lock);
  RktOk({"stop", pod.uuid});
  EXPECT_EQ(pod.rkt->Wait().code, 0);
}

}  // namespace
}  // namespace rkt::test
