// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The metadata service and apps that come and go while their pod runs.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

constexpr char kSocket[] = "/run/rkt/metadata-svc.sock";

class MetadataApps : public NetworkHostTest {
 protected:
  void TearDown() override {
    service_.reset();
    NetworkHostTest::TearDown();
  }
  void StartService() {
    service_ = std::make_unique<Background>(StartRkt({"metadata-service"}));
    for (int i = 0; i < 2000 && !Exists(kSocket) && service_->Running(); i++) SleepFor(0.01);
    ASSERT_TRUE(Exists(kSocket)) << service_->err();
  }
  void StopService(int signal = SIGTERM) {
    service_->Kill(signal);
    service_->Wait();
  }
  // A registered pod that takes apps. It shares the host's stack, so that the host may ask in its name.
  void Sandbox() {
    Fetch(JudgeAci());
    ImageSpec other;
    other.name = "example.com/other";
    other.annotations = R"([{"name": "example.com/which", "value": "the other"}])";
    Fetch(WriteImage("other.aci", other));
    std::string file = dir() + "/sandbox.uuid";
    pod_.rkt = std::make_unique<Background>(
        StartRkt({"app", "sandbox", "--uuid-file-save=" + file, "--net=host", "--mds-register"}));
    for (double end = Now() + 30; Now() < end && pod_.uuid.size() != 36; SleepFor(0.003)) pod_.uuid = ReadFile(file);
    ASSERT_EQ(pod_.uuid.size(), 36u) << pod_.rkt->err();
    RktOk({"status", pod_.uuid, "--wait-ready=30s"});
    Facts config = Facts::Parse(ReadFile(PodDir(pod_.uuid) + "/runtime-config"));
    base_ = config["/MetadataServiceURL"] + "/acMetadata/v1";
  }
  void StopSandbox() {
    RktOk({"stop", pod_.uuid});
    pod_.rkt->Wait();
  }
  Output Add(const std::string& name, const std::string& image = "example.com/judge") {
    return Rkt({"app", "add", pod_.uuid, image, "--name=" + name, "--", "sleep"});
  }
  Output Remove(const std::string& name) { return Rkt({"app", "rm", pod_.uuid, "--app=" + name}); }
  bool InPod(const std::string& name) {
    return Contains(RktOk({"app", "list", "--no-legend", pod_.uuid}).out, name + "\t");
  }
  // "404", or what the service says.
  std::string Get(const std::string& path) {
    Output output = RunProgram({"/usr/bin/curl", "-s", "--max-time", "10", "-w", "\n%{http_code}", base_ + path});
    std::vector<std::string> lines = Split(output.out, '\n');
    return lines.back() == "200" ? lines[0] : lines.back();
  }
  bool InManifest(const std::string& name) { return Contains(Get("/pod/manifest"), "\"name\":\"" + name + "\""); }

  std::unique_ptr<Background> service_;
  RunningPod pod_;
  std::string base_;
};

TEST_F(MetadataApps, AppsAreKnownFromTheirComingToTheirGoing) {
  StartService();
  Sandbox();
  EXPECT_FALSE(InManifest("one"));
  ASSERT_EQ(Add("one").code, 0);
  ASSERT_EQ(Add("two").code, 0);
  EXPECT_TRUE(InManifest("one"));
  EXPECT_TRUE(StartsWith(Get("/apps/one/image/id"), "sha512-"));
  EXPECT_EQ(Get("/apps/one/annotations/example.com/which"), "404");
  // The app itself asks.
  Output asked = Rkt({"app", "add", pod_.uuid, "example.com/judge", "--name=asks", "--exec=/bin/sh", "--", "-c",
                      "busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/apps/asks/image/id"});
  ASSERT_EQ(asked.code, 0) << asked.All();
  RktOk({"app", "start", pod_.uuid, "--app=asks"});
  EXPECT_TRUE(pod_.rkt->WaitForText("sha512-")) << pod_.rkt->out() << pod_.rkt->err();

  ASSERT_EQ(Remove("one").code, 0);
  EXPECT_FALSE(InManifest("one"));
  EXPECT_EQ(Get("/apps/one/image/id"), "404");
  EXPECT_TRUE(InManifest("two"));
  EXPECT_TRUE(StartsWith(Get("/apps/two/image/id"), "sha512-"));
  // Another of that name is not taken for the first.
  ASSERT_EQ(Add("one", "example.com/other").code, 0);
  EXPECT_EQ(Get("/apps/one/annotations/example.com/which"), "the other");
  StopSandbox();
  EXPECT_EQ(Get("/pod/uuid"), "401");
}

TEST_F(MetadataApps, WithoutAServiceAppsAreRefusedAndMayGo) {
  StartService();
  Sandbox();
  ASSERT_EQ(Add("stays").code, 0);
  ASSERT_EQ(Add("goes").code, 0);
  StopService();
  Output refused = Add("late");
  EXPECT_EQ(refused.code, 254);
  EXPECT_GE(refused.seconds, 2.0) << "tried three times, a second apart";
  EXPECT_TRUE(Contains(refused.err, "which is to know of app \"late\", and no service answers at " + std::string(kSocket)))
      << refused.err;
  EXPECT_FALSE(InPod("late"));
  Output removed = Remove("goes");
  EXPECT_EQ(removed.code, 0) << removed.All();
  EXPECT_FALSE(InPod("goes"));
  // A service that is started now knows what has happened.
  StartService();
  EXPECT_EQ(Get("/apps/goes/image/id"), "404");
  EXPECT_FALSE(InManifest("goes"));
  EXPECT_FALSE(InManifest("late"));
  EXPECT_TRUE(StartsWith(Get("/apps/stays/image/id"), "sha512-"));
  EXPECT_EQ(Add("late").code, 0);
  EXPECT_TRUE(StartsWith(Get("/apps/late/image/id"), "sha512-"));
  StopSandbox();
}

TEST_F(MetadataApps, AServiceThatIsStartedAgainIsWaitedFor) {
  StartService();
  Sandbox();
  StopService(SIGKILL);
  std::string words;
  for (const std::string& word : RktArgs({"app", "add", pod_.uuid, "example.com/judge", "--name=early", "--", "sleep"}))
    words += word + " ";
  Background adding({"/bin/sh", "-c", "exec " + words}, {}, dir() + "/adding");
  SleepFor(0.3);
  EXPECT_TRUE(adding.Running());
  // The killed one has left its socket.
  service_ = std::make_unique<Background>(StartRkt({"metadata-service"}));
  Output added = adding.Wait();
  EXPECT_EQ(added.code, 0) << added.All();
  EXPECT_TRUE(StartsWith(Get("/apps/early/image/id"), "sha512-"));
  StopSandbox();
}

}  // namespace
}  // namespace rkt::test
