// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_output.h"

#include <gtest/gtest.h>

#include "base/duration.h"

namespace rkt::cli {
namespace {

stage0::PodStatus ExitedPod() {
  stage0::PodStatus pod;
  pod.uuid = "01234567-89ab-4def-8123-0123456789ab";
  pod.state = pod::State::kExitedGarbage;
  pod.created_ns = 100 * kSecond + 5;
  return pod;
}

TEST(PodJson, LeavesOutWhatIsEmpty) {
  EXPECT_EQ(json::Write(*PodJson(ExitedPod())),
            R"({"name":"01234567-89ab-4def-8123-0123456789ab","state":"exited garbage",)"
            R"("created_at":100})");
}

TEST(PodJson, CountsPodsInSecondsAndAppsInNanoseconds) {
  stage0::PodStatus pod = ExitedPod();
  pod.started_ns = 200 * kSecond + 7;
  stage0::AppStatus& app = pod.apps.emplace_back();
  app.state = "exited";
  app.summary.name = "a";
  app.summary.image_id = "sha512-00";
  app.summary.mounts.push_back({"v", "/in", "/out", true});
  app.created_ns = 100 * kSecond + 5;
  app.exit_code = 7;
  pod.user_labels = {{"k", "v"}};
  EXPECT_EQ(json::Write(*PodJson(pod)),
            R"({"name":"01234567-89ab-4def-8123-0123456789ab","state":"exited garbage",)"
            R"("app_names":["a"],"apps":[{"name":"a","state":"exited","created_at":100000000005,)"
            R"("exit_code":7,"image_id":"sha512-00","mounts":[{"name":"v","container_path":"/in",)"
            R"("host_path":"/out","read_only":true}]}],"created_at":100,"started_at":200,)"
            R"("user_labels":{"k":"v"}})");
}

TEST(PodJson, NetworksHaveTheKeysOfTheirFile) {
  stage0::PodStatus pod = ExitedPod();
  pod.networks.push_back(
      {"default", "net/99-default.conf", "/ptp", "eth0", "172.16.28.2", "", "m"});
  EXPECT_EQ(json::Write(*PodJson(pod)->Find("networks")),
            R"([{"netName":"default","netConf":"net/99-default.conf","pluginPath":"/ptp",)"
            R"("ifName":"eth0","ip":"172.16.28.2","args":"","mask":"m"}])");
}

TEST(PodJson, PodsThatAreStillMadeHaveNone) {
  stage0::PodStatus pod = ExitedPod();
  pod.created_ns.reset();
  EXPECT_EQ(PodJson(pod).error().message(), "invalid creation time");
}

TEST(NetworksText, IsSafeForTerminals) {
  std::vector<stage0::NetworkStatus> networks(2);
  networks[0].net_name = "default";
  networks[0].ip = "172.16.28.7";
  networks[1].net_name = "n\x1b[2J";
  networks[1].ip = "10.0.0.2";
  EXPECT_EQ(NetworksText(networks), "default:ip4=172.16.28.7, n\\x1b[2J:ip4=10.0.0.2");
}

}  // namespace
}  // namespace rkt::cli
