// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Networks as users meet them: the default one, published ports, named networks, what is refused,
// what is left.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class Network : public NetworkHostTest {};

TEST_F(Network, DefaultIsOnePodWithAnAddressAndARouteOut) {
  Output output = RunOk({"--net", JudgeAci(), "--exec=/bin/sh", "--", "-c",
                         "busybox ip -4 addr show eth0; busybox ip route"});
  std::string text = AppText(output.out);
  EXPECT_TRUE(Contains(text, "inet 172.16.28.2/24")) << text;
  EXPECT_TRUE(Contains(text, "default via 172.16.28.1 dev eth0")) << text;
  std::string uuid = PodsIn("run").at(0);
  EXPECT_EQ(StatusValue(uuid, "networks"), "default:ip4=172.16.28.2");
  Facts info = Facts::Parse(ReadFile(PodDir(uuid) + "/net-info.json"));
  EXPECT_EQ(info["/0/netName"], "default");
  EXPECT_EQ(info["/0/ifName"], "eth0");
  EXPECT_EQ(info["/0/mask"], "255.255.255.0");
  EXPECT_EQ(info["/0/netConf"], "net/99-default.conf");
  // The pod has given everything back when rkt ends.
  EXPECT_EQ(Leases(), "");
  EXPECT_FALSE(Exists(PodDir(uuid) + "/net"));
}

TEST_F(Network, ArgumentsAndOrderFollowTheConfiguration) {
  Output output = RunOk({"--net=default:IP=172.16.28.200,default-restricted", JudgeAci(),
                         "--exec=/bin/busybox", "--", "ip", "-4", "-o", "addr"});
  std::string text = AppText(output.out);
  EXPECT_TRUE(Contains(text, "eth0    inet 172.31.0.2/16")) << text;
  EXPECT_TRUE(Contains(text, "eth1    inet 172.16.28.200/24")) << text;
}

TEST_F(Network, PublishedPortIsReachedFromTheHostAndRefusedToASecondPod) {
  std::string image = WebImage();
  RunningPod pod = Start(Args{"--net=default", "--port=web:8080", image} + Web("published"));
  EXPECT_EQ(Get("http://127.0.0.1:8080/"), "published\n");
  Output second =
      Run({"--net=default", "--port=web:8080", image, "--exec=/judge", "--", "exit", "0"});
  EXPECT_EQ(second.code, 254);
  EXPECT_TRUE(Contains(second.err, "8080/tcp")) << second.err;
  EXPECT_TRUE(Contains(second.err, pod.uuid)) << second.err;
  RktOk({"stop", pod.uuid});
  pod.rkt->Wait();
  EXPECT_NE(RunProgram({"/usr/bin/curl", "-s", "--max-time", "1", "http://127.0.0.1:8080/"}).code,
            0);
  EXPECT_EQ(Leases(), "");
}

TEST_F(Network, PodsOfANamedNetworkFindEachOtherByName) {
  AddNetwork("10-shop.conf",
             R"({"name": "shop", "type": "bridge", "bridge": "shop0", "isDefaultGateway": true,
      "ipam": {"type": "host-local", "subnet": "10.44.0.0/24"}})");
  insecure_ = "image";
  std::string image = WebImage();
  std::string uuid_file = dir() + "/uuid";
  Background server =
      StartRkt(WithConfig(Args{"run", "--net=shop", "--hostname=front",
                               "--uuid-file-save=" + uuid_file, image, "--name=web"} +
                          Web("by name")));
  Output client =
      Rkt(WithConfig({"run", "--net=shop", image, "--exec=/bin/sh", "--", "-c",
                      "for i in 1 2 3 4 5 6 7 8 9; do busybox wget -q -O - http://web.front/ && "
                      "exit 0; sleep 0.3; done; cat /etc/hosts; exit 1"}));
  EXPECT_EQ(client.code, 0) << client.All();
  EXPECT_EQ(AppText(client.out), "by name\n");
  RktOk({"stop", Trim(ReadFile(uuid_file))});
  server.Wait();
  EXPECT_EQ(Leases(), "");
  Shell("ip link del shop0");
}

TEST_F(Network, KilledRktLeavesNothingThatGcDoesNotTakeBack) {
  std::string image = WebImage();
  RunningPod pod = Start(Args{"--net=default", "--port=web:8080", image} + Web("x"));
  EXPECT_EQ(Get("http://127.0.0.1:8080/"), "x\n");
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  EXPECT_EQ(Leases(), "./default/172.16.28.2\n");
  CollectAll();
  EXPECT_EQ(Leases(), "");
  EXPECT_EQ(Shell("nft list ruleset | grep -c 8080"), "0\n");
}

TEST_F(Network, MistakesAreNamedAndNothingIsStarted) {
  AddNetwork(
      "10-bad.conf",
      R"({"name": "bad", "type": "ptp", "ipam": {"type": "host-local", "subnet": "10.1.0.0"}})");
  Output bad = Rkt(WithConfig({"run", "--net=bad", JudgeAci(), "--", "exit", "0"}));
  EXPECT_EQ(bad.code, 254);
  EXPECT_TRUE(Contains(bad.err, "10-bad.conf: field \"ipam.subnet\"")) << bad.err;
  Output unknown = Run({"--net=nowhere", JudgeAci(), "--", "exit", "0"});
  EXPECT_EQ(unknown.code, 254);
  EXPECT_TRUE(Contains(unknown.err, "networks not found: nowhere")) << unknown.err;
  EXPECT_EQ(Leases(), "");
}

}  // namespace
}  // namespace rkt::test
