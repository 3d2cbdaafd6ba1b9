// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt network list, inspect, check, prune.

#include <algorithm>

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkCommands : public NetworkHostTest {};

constexpr char kShop[] = R"({"name": "shop", "type": "bridge", "bridge": "shop0", "isDefaultGateway": true,
    "ipMasq": true, "ipam": {"type": "host-local", "subnet": "10.44.0.0/24"}})";
constexpr char kPlugin[] = R"({"cniVersion": "1.0.0", "name": "plug", "plugins": [{"type": "bridge", "bridge": "plug0",
    "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.45.0.0/24"}}, {"type": "tuning"}]})";

TEST_F(NetworkCommands, ListAndInspectShowNetworksWithTheirPods) {
  AddNetwork("10-shop.conf", kShop);
  AddNetwork("20-odd.conf", R"({"name": "odd", "type": "no-such-plugin", "ipam": {}})");
  RunningPod pod = StartInNetwork({"--net=shop", "--port=web:8080", WebImage()}, "front");
  Output list = Rkt(WithConfig({"network", "list"}));
  EXPECT_EQ(list.code, 0);
  std::vector<std::string> lines = Lines(list.out);
  ASSERT_EQ(lines.size(), 5u) << list.All();
  EXPECT_TRUE(StartsWith(lines[0], "NAME")) << list.out;
  EXPECT_TRUE(StartsWith(lines[1], "shop")) << list.out;
  EXPECT_TRUE(Contains(lines[1], "bridge")) << list.out;
  EXPECT_TRUE(Contains(lines[1], "10.44.0.0/24")) << list.out;
  EXPECT_TRUE(StartsWith(lines[2], "odd")) << list.out;
  EXPECT_TRUE(Contains(list.err, "network \"odd\" cannot be used")) << list.err;
  EXPECT_TRUE(StartsWith(lines[3], "default-restricted")) << list.out;
  EXPECT_TRUE(StartsWith(lines[4], "default\t")) << list.out;
  Facts json = Facts::Parse(Rkt(WithConfig({"network", "list", "--format=json"})).out);
  EXPECT_EQ(json["/0/name"], "shop");
  EXPECT_EQ(json["/0/pods"], "1");
  EXPECT_EQ(json["/3/pods"], "0");

  Output inspect = Rkt(WithConfig({"network", "inspect", "shop"}));
  EXPECT_TRUE(Contains(inspect.out, "pod=" + pod.uuid + " eth0 10.44.0.2 running\n")) << inspect.All();
  EXPECT_TRUE(Contains(inspect.out, "port=8080/tcp")) << inspect.out;
  Facts details = Facts::Parse(Rkt(WithConfig({"network", "inspect", "--format=json", "shop"})).out);
  EXPECT_EQ(details["/0/attached/0/id"], pod.uuid);
  EXPECT_EQ(details["/0/attached/0/addresses/0"], "10.44.0.2");
  EXPECT_EQ(details["/0/config"], kShop);
  Output unknown = Rkt(WithConfig({"network", "inspect", "nowhere"}));
  EXPECT_EQ(unknown.code, 254);
  EXPECT_TRUE(Contains(unknown.err, "networks not found: nowhere")) << unknown.err;
  Stop(pod);
  Shell("ip link del shop0");
}

TEST_F(NetworkCommands, CheckFindsWhatHasChanged) {
  AddNetwork("10-shop.conf", kShop);
  RunningPod pod = StartInNetwork({"--net=shop,default", "--port=web:8080", WebImage()}, "x");
  Output good = Rkt(WithConfig({"network", "check"}));
  EXPECT_EQ(good.code, 0) << good.All();
  EXPECT_EQ(Lines(good.out).size(), 2u) << good.out;
  EXPECT_TRUE(Contains(good.out, " shop eth0: ok\n")) << good.out;
  std::string pid = Trim(ReadFile(PodDir(pod.uuid) + "/pid"));
  Shell("nsenter -t " + pid + " -n ip addr flush dev eth0; nsenter -t " + pid + " -n ip link set eth1 down");
  Shell("rm /var/lib/cni/networks/default/172.16.28.2; nft flush ruleset");
  Output bad = Rkt(WithConfig({"network", "check", pod.uuid}));
  EXPECT_EQ(bad.code, 1) << bad.All();
  EXPECT_TRUE(Contains(bad.out, "shop eth0: eth0 has not the address 10.44.0.2\n")) << bad.out;
  EXPECT_TRUE(Contains(bad.out, "default eth1: eth1 is down\n")) << bad.out;
  EXPECT_TRUE(Contains(bad.out, "the lease of 172.16.28.2 is gone\n")) << bad.out;
  EXPECT_TRUE(Contains(bad.out, "the rule of the published port 8080/tcp")) << bad.out;
  Stop(pod);
  EXPECT_EQ(Rkt(WithConfig({"network", "check", pod.uuid})).code, 254);
  Shell("ip link del shop0");
}

TEST_F(NetworkCommands, CheckAsksPlugins) {
  REQUIRE_FACILITY("cni", Exists("/usr/lib/cni/bridge"), "the CNI plugins are not installed");
  AddNetwork("10-plug.conflist", kPlugin);
  RunningPod pod = StartInNetwork({"--net=plug", WebImage()}, "x");
  Output good = Rkt(WithConfig({"network", "check", pod.uuid}));
  EXPECT_EQ(good.code, 0) << good.All();
  EXPECT_TRUE(Contains(good.out, " plug eth0: ok\n")) << good.out;
  std::string pid = Trim(ReadFile(PodDir(pod.uuid) + "/pid"));
  Shell("nsenter -t " + pid + " -n ip addr flush dev eth0");
  Output bad = Rkt(WithConfig({"network", "check", pod.uuid}));
  EXPECT_EQ(bad.code, 1) << bad.All();
  EXPECT_TRUE(Contains(bad.out, " plug eth0: ")) << bad.out;
  Stop(pod);
  Shell("ip link del plug0");
}

TEST_F(NetworkCommands, PruneTakesBackWhatPodsLeftWhoseDirectoriesAreGone) {
  AddNetwork("10-shop.conf", kShop);
  RunningPod living = StartInNetwork({"--net=shop", WebImage()}, "x");
  RunningPod dead = StartInNetwork({"--net=shop", "--port=web:8080", WebImage()}, "x");
  dead.rkt->Kill(SIGKILL);
  dead.rkt->Wait();
  ASSERT_TRUE(WaitForState(dead.uuid, "exited"));
  RemoveAll(PodDir(dead.uuid));
  EXPECT_TRUE(Contains(Shell("nft list ruleset"), "8080"));
  Output pruned = Rkt(WithConfig({"network", "prune"}));
  EXPECT_EQ(pruned.code, 0) << pruned.All();
  EXPECT_TRUE(Contains(pruned.out, dead.uuid)) << pruned.out;
  EXPECT_FALSE(Contains(Shell("nft list ruleset"), "8080"));
  EXPECT_EQ(Leases(), "./shop/10.44.0.2\n");
  EXPECT_EQ(Rkt(WithConfig({"network", "check", living.uuid})).code, 0);
  EXPECT_EQ(Rkt(WithConfig({"network", "prune"})).out, "");
  Stop(living);
  // The bridge goes when the pod's end of the cable is gone, which the kernel does when it has time.
  std::string gone;
  for (int i = 0; i < 100 && !Contains(gone, "bridge"); i++) {
    gone += Rkt(WithConfig({"network", "prune"})).out;
    SleepFor(0.02);
  }
  EXPECT_EQ(gone, "bridge shop0\n");
}

TEST_F(NetworkCommands, StateFromBeforeTheLastBootIsGivenUp) {
  // A lease, a result and a link of a pod that nobody knows any more.
  const std::string uuid = "6cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5";
  Shell("mkdir -p /var/lib/cni/networks/default /var/lib/cni/results /run/rkt/network/pods; "
        "printf '" + uuid + "\\r\\neth0' > /var/lib/cni/networks/default/172.16.28.2; "
        "printf 'someone-else\\r\\neth0' > /var/lib/cni/networks/default/172.16.28.3; "
        "echo '{}' > /var/lib/cni/results/default-" + uuid + "-eth0; "
        "touch -d 1990-01-01 /var/lib/cni/networks/default/172.16.28.* /var/lib/cni/results/*; "
        "ln -s /nowhere/pods/run/" + uuid + " /run/rkt/network/pods/" + uuid);
  Output pruned = Rkt({"network", "prune"});
  EXPECT_EQ(pruned.code, 0) << pruned.All();
  // What other engines hold is theirs.
  EXPECT_EQ(Leases(), "./default/172.16.28.3\n") << pruned.out;
  EXPECT_EQ(ListDir("/var/lib/cni/results").size(), 0u);
  EXPECT_EQ(ListDir("/run/rkt/network/pods").size(), 0u);
  Output output = RunOk({"--net=default", JudgeAci(), "--exec=/bin/busybox", "--", "ip", "-4", "-o", "addr"});
  EXPECT_TRUE(Contains(AppText(output.out), "172.16.28.2/24")) << output.out;
}

}  // namespace
}  // namespace rkt::test
