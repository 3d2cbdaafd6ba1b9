// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Many pods, pods that lose what their network was made with, and pods that pretend to be others.

#include <set>

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkMany : public NetworkHostTest {
 protected:
  // What pods may leave on the host, counted: leases, interfaces, elements of rules, links of pods, namespaces.
  static std::string Counts() {
    return Shell(R"(echo leases $(find /var/lib/cni/networks -name '[0-9]*' | wc -l)
        echo interfaces $(ip -o link | wc -l)
        echo rules $(nft list ruleset | grep -c -E 'rktv|[0-9a-f]{8}-[0-9a-f]{4}')
        echo pods $(ls /run/rkt/network/pods 2>/dev/null | wc -l)
        echo results $(ls /var/lib/cni/results 2>/dev/null | wc -l))");
  }
  // Interfaces go when the kernel has time.
  static std::string CountsWhenQuiet(const std::string& expected) {
    std::string counts = Counts();
    for (int i = 0; i < 100 && counts != expected; i++) {
      SleepFor(0.05);
      counts = Counts();
    }
    return counts;
  }
  void StartAndStop(int times, bool with_gc) {
    std::string image = Fetch(WebImage());
    // The tables of rules are made by the first pod and stay.
    RunOk({"--net=default", image, "--exec=/bin/true"});
    CollectAll();
    for (int i = 0; i < 100 && Shell("ip -o link | grep -c rktv") != "0\n"; i++) SleepFor(0.05);
    std::string before = Counts();
    std::string rkt;
    for (const std::string& word : RktArgs({})) rkt += word + " ";
    Output loop = RunProgram({"/bin/bash", "-c",
                              "for i in $(seq " + std::to_string(times) + "); do " + rkt +
                                  "run --net=default --port=web:8080 " + image + " --exec=/bin/true || echo failed; " +
                                  (with_gc ? "(( i % 100 )) || " + rkt + "gc --grace-period=0s >/dev/null 2>&1; " : "") +
                                  "done"},
                             {.timeout = 600});
    EXPECT_EQ(loop.out, "") << loop.err;
    CollectAll();
    EXPECT_EQ(CountsWhenQuiet(before), before);
  }
};
class SlowNetworkMany : public NetworkMany {};

TEST_F(NetworkMany, FiftyAtOnceGetAddressesOfTheirOwn) {
  std::string image = Fetch(WebImage());
  std::string rkt;
  for (const std::string& word : RktArgs({})) rkt += word + " ";
  // Nobody leaves before all have come.
  MakeDirs(dir() + "/meet");
  Output all = RunProgram(
      {"/bin/bash", "-c",
       "for i in $(seq 50); do " + rkt + "run --net=default --volume=meet,kind=host,source=" + dir() +
           "/meet --mount=volume=meet,target=/meet " + image + " --exec=/bin/sh -- -c "
           "'busybox ip -4 -o addr show eth0; touch /meet/$(hostname); "
           "while [ $(ls /meet | wc -l) -lt 50 ]; do sleep 0.05; done' & done; wait"},
      {.timeout = 120});
  std::multiset<std::string> addresses;
  for (const std::string& line : AppLines(all.out)) {
    size_t at = line.find("inet ");
    if (at != std::string::npos) addresses.insert(line.substr(at + 5, line.find('/') - at - 5));
  }
  EXPECT_EQ(addresses.size(), 50u) << all.All();
  EXPECT_EQ(std::set<std::string>(addresses.begin(), addresses.end()).size(), 50u);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkMany, StartsAndStopsInALoopLeakNothing) { StartAndStop(20, false); }
TEST_F(SlowNetworkMany, AThousandStartsAndStopsLeakNothing) { StartAndStop(1000, true); }

TEST_F(NetworkMany, APluginThatIsGoneKeepsNothing) {
  REQUIRE_FACILITY("cni", Exists("/usr/lib/cni/bridge"), "the CNI plugins are not installed");
  AddNetwork("10-odd.conf", R"({"cniVersion": "0.4.0", "name": "odd", "type": "mine", "bridge": "odd0",
      "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.46.0.0/24"}})");
  Shell("cp /usr/lib/cni/bridge " + config() + "/net.d/mine");
  RunningPod pod = StartInNetwork({"--net=odd", WebImage()}, "x");
  EXPECT_EQ(Leases(), "./odd/10.46.0.2\n");
  EXPECT_EQ(Get("http://10.46.0.2/"), "x\n");
  Shell("rm " + config() + "/net.d/mine");
  Stop(pod);
  EXPECT_EQ(Leases(), "");
  Shell("ip link del odd0");
}

TEST_F(NetworkMany, APluginThatTakesItsTimeIsInterrupted) {
  AddNetwork("10-slow.conf", R"({"cniVersion": "0.4.0", "name": "slow", "type": "slow"})");
  WriteFile(config() + "/net.d/slow", "#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\necho $$ >" + dir() +
                                          "/plugin\nexec sleep 100\n");
  Shell("chmod +x " + config() + "/net.d/slow");
  for (int signal : {SIGINT, SIGTERM}) {
    Background rkt = StartRkt(WithConfig(RunArgs({"--net=slow", WebImage(), "--exec=/bin/true"})));
    std::string plugin;
    double start = Now();
    while (plugin.empty() && Now() - start < 20) {
      SleepFor(0.01);
      if (Exists(dir() + "/plugin")) plugin = Trim(ReadFile(dir() + "/plugin"));
    }
    ASSERT_NE(plugin, "");
    start = Now();
    rkt.Kill(signal);
    Output output = rkt.Wait();
    EXPECT_LT(Now() - start, 20);
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, "plugin slow of network \"slow\" (ADD)")) << output.err;
    EXPECT_TRUE(Contains(output.err, "was interrupted")) << output.err;
    EXPECT_FALSE(Exists("/proc/" + plugin)) << "the plugin lives on";
    unlink((dir() + "/plugin").c_str());
  }
}

TEST_F(NetworkMany, BothFamiliesOfAddressesWork) {
  AddNetwork("10-six.conf", R"({"name": "six", "type": "ptp", "ipMasq": true, "ipam": {"type": "host-local",
      "ranges": [[{"subnet": "10.47.0.0/24"}], [{"subnet": "fd00:47::/64"}]],
      "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}})");
  RunningPod server = StartInNetwork({"--net=six", "--port=web:8080", WebImage()}, "six");
  EXPECT_EQ(Get("http://[fd00:47::2]/"), "six\n");
  EXPECT_EQ(Get("http://10.47.0.1:8080/"), "six\n");
  EXPECT_EQ(Get("http://[fd00:47::1]:8080/"), "six\n");
  Output client = Rkt(WithConfig(Args{"run", "--net=six", WebImage()} +
                                 Script("busybox wget -q -O - http://[fd00:47::2]/; busybox wget -q -O - http://10.47.0.2/")));
  EXPECT_EQ(AppText(client.out), "six\nsix\n") << client.All();
  Stop(server);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkMany, APodIsNeitherItsNeighbourNorTheMetadataService) {
  RunningPod victim = StartInNetwork({"--net=default", WebImage()}, "victim");
  RunningPod liar = StartInNetwork({"--net=default", WebImage()}, "liar");
  // 172.16.28.2 and .3. The liar gets more rights than any pod has: its namespace from outside.
  std::string inside = "nsenter -t " + Trim(ReadFile(PodDir(liar.uuid) + "/pid")) + " -n ";
  Background host({"/usr/bin/socat", "-u", "UDP4-RECVFROM:7777,bind=172.16.28.1,fork", "STDOUT"}, {}, dir() + "/host");
  std::string at_victim = "nsenter -t " + Trim(ReadFile(PodDir(victim.uuid) + "/pid")) + " -n ";
  Background other({"/bin/bash", "-c", "exec " + at_victim + "socat -u UDP4-RECVFROM:7777,fork STDOUT"}, {},
                   dir() + "/victim");
  SleepFor(0.2);
  Shell(inside + "ip addr add 172.16.28.2/32 dev lo; " + inside + "ip addr add 10.99.0.1/32 dev lo");
  auto send = [&](const std::string& from, const std::string& to, const std::string& text) {
    Shell("echo " + text + " | " + inside + "socat -u STDIN UDP4-SENDTO:" + to + ":7777,bind=" + from);
  };
  send("172.16.28.2", "172.16.28.1", "as-neighbour");
  send("10.99.0.1", "172.16.28.1", "as-stranger");
  send("172.16.28.3", "172.16.28.1", "as-itself");
  EXPECT_TRUE(host.WaitForText("as-itself"));
  EXPECT_EQ(host.out(), "as-itself\n");
  // The service's address as the sender of packets to others.
  Shell(inside + "ip addr del 172.16.28.2/32 dev lo; " + inside + "ip addr add 172.16.28.1/32 dev lo;");
  send("172.16.28.1", "172.16.28.2", "as-service");
  send("172.16.28.3", "172.16.28.2", "as-itself");
  EXPECT_TRUE(other.WaitForText("as-itself"));
  EXPECT_EQ(other.out(), "as-itself\n");
  Stop(liar);
  Stop(victim);
}

}  // namespace
}  // namespace rkt::test
