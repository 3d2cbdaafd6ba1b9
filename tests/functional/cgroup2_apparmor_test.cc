// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Profiles of AppArmor, where the kernel has it: in the virtual machine (functional.cgroup2).

#include <unistd.h>

#include "functional/harness/host.h"

namespace rkt::test {
namespace {

class Cgroup2Apparmor : public PodTest {
 protected:
  void SetUp() override {
    REQUIRE_FACILITY("apparmor",
                     Trim(ReadFile("/sys/module/apparmor/parameters/enabled")) == "Y" &&
                         RunProgram({"apparmor_parser", "--version"}).code == 0,
                     "not in this kernel; see functional.cgroup2");
    PodTest::SetUp();
    profile_ = "rkt-test-" + std::to_string(getpid());
    // All but making files below /tmp.
    WriteFile(dir() + "/profile",
              "profile " + profile_ +
                  " flags=(attach_disconnected,mediate_deleted) {\n"
                  "  file,\n  capability,\n  network,\n  signal,\n  unix,\n  ptrace,\n"
                  "  deny /tmp/** w,\n}\n");
    Output loaded = RunProgram({"apparmor_parser", "--skip-cache", "--replace", dir() + "/profile"},
                               {.timeout = 120});
    ASSERT_EQ(loaded.code, 0) << loaded.All();
  }
  void TearDown() override {
    if (!profile_.empty()) RunProgram({"apparmor_parser", "--remove", dir() + "/profile"}, {.timeout = 120});
    PodTest::TearDown();
  }
  // A pod manifest with one app and these isolators of the pod.
  std::string Manifest(const std::string& profile, const std::string& exec) {
    std::string path = dir() + "/pod.json";
    WriteFile(path, R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"judge","image":{"id":")" +
                        Fetch(JudgeAci()) + R"("},"app":{"exec":[)" + exec +
                        R"(],"user":"0","group":"0"}}],"isolators":[{"name":"os/linux/apparmor-profile",)" +
                        R"("value":{"profile":")" + profile + R"("}}]})");
    return path;
  }
  std::string profile_;
};

TEST_F(Cgroup2Apparmor, AppsRunUnderTheirProfileAndSoDoesWhatEnters) {
  RunningPod pod =
      Start({"--pod-manifest=" + Manifest(profile_, R"("/judge","sleep")")}, "sleeping");
  auto enter = [&](const Args& flags, const Args& args) {
    return Trim(RktOk(Args{"enter"} + flags + Args{pod.uuid, "/judge"} + args).out);
  };
  EXPECT_EQ(enter({}, {"show", "/proc/2/attr/current"}), profile_ + " (enforce)");
  EXPECT_EQ(enter({}, {"show", "/proc/self/attr/current"}), profile_ + " (enforce)");
  EXPECT_EQ(enter({}, {"try", "create:/tmp/x", "create:/x"}),
            "create:/tmp/x = EACCES\ncreate:/x = ok");
  EXPECT_EQ(enter({"--privileged"}, {"show", "/proc/self/attr/current"}), "unconfined");
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Cgroup2Apparmor, AProfileThatIsNotLoadedKeepsTheAppFromRunning) {
  Output output = Run({"--pod-manifest=" + Manifest("rkt-test-nobody-has-this", R"("/judge","say","here")")});
  EXPECT_NE(output.code, 0);
  EXPECT_FALSE(Contains(output.out, "here")) << output.All();
  EXPECT_TRUE(Contains(output.err, "rkt-test-nobody-has-this")) << output.All();
}

TEST_F(Cgroup2Apparmor, AnImageChoosesNoProfile) {
  ImageSpec spec;
  spec.app = R"("isolators":[{"name":"os/linux/apparmor-profile","value":{"profile":")" + profile_ + R"("}}])";
  Output output = Run({WriteImage("wish.aci", spec), "--", "show", "/proc/self/attr/current"});
  EXPECT_EQ(AppText(output.out), "unconfined\n") << output.All();
  EXPECT_TRUE(Contains(output.err, "an image cannot choose its label")) << output.err;
}

}  // namespace
}  // namespace rkt::test
