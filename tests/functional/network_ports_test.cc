// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Published ports from every side, with IPv4 and IPv6, with nftables and with iptables; after a kill and after a reboot.
// (How rules look like and what else they let through is the unit tests' matter: ports_network_test.cc.)

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkPorts : public NetworkHostTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    NetworkHostTest::SetUp();
    if (dir().empty()) return;
    for (const char* type : {"ptp", "bridge"}) {
      bool bridge = std::string(type) == "bridge";
      std::string net = bridge ? "52" : "51";
      AddNetwork(net + "-" + type + ".conf",
                 std::string(R"({"name": "my)") + type + R"(", "type": ")" + type + R"(", "ipMasq": true, "ipMasqBackend": ")" +
                     GetParam() + "\", " + (bridge ? R"("bridge": "ports0", "isDefaultGateway": true, )" : "") +
                     R"("ipam": {"type": "host-local", "ranges": [[{"subnet": "10.)" + net + R"(.0.0/24"}], [{"subnet": "fd00:)" +
                     net + "::/64\"}]]" + (bridge ? "" : R"(, "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])") + "}}");
    }
    // Somebody outside, who also knows ways to the pods themselves.
    outside_ = std::make_unique<Background>(Args{"unshare", "-n", "/bin/sh", "-c", "echo made; exec sleep 1000"}, Options{},
                                            dir() + "/outside");
    ASSERT_TRUE(outside_->WaitForText("made"));
    std::string pid = std::to_string(outside_->pid());
    Shell("ip link set lo up; ip link add out0 type veth peer name in0 netns " + pid +
          "; ip addr add 192.0.2.1/24 dev out0; ip addr add 192.0.2.9/24 dev out0; "
          "ip -6 addr add 2001:db8::1/64 dev out0 nodad; ip link set out0 up; "
          "nsenter -t " + pid + " -n /bin/sh -c 'ip link set lo up; ip addr add 192.0.2.2/24 dev in0; "
          "ip -6 addr add 2001:db8::2/64 dev in0 nodad; ip link set in0 up; ip route add default via 192.0.2.1; "
          "ip -6 route add default via 2001:db8::1'");
  }
  void TearDown() override {
    outside_.reset();
    Shell("ip link del out0; ip link del ports0");
    NetworkHostTest::TearDown();
    if (std::string(GetParam()) == "iptables")
      Shell("for t in filter nat raw; do iptables -t $t -F; iptables -t $t -X; ip6tables -t $t -F; ip6tables -t $t -X; done");
  }
  // What a URL answers from a network namespace (of a process; 0: the host's): the text, or "" where nobody answers.
  static std::string From(const std::string& pid, const std::string& url, double seconds = 5) {
    std::string enter = pid.empty() ? "" : "nsenter -t " + pid + " -n ";
    return Shell(enter + "/usr/bin/curl -g -s --max-time " + std::to_string(seconds) + " " + url);
  }
  std::string Outside() const { return std::to_string(outside_->pid()); }
  std::string Pid(const RunningPod& pod) const { return Trim(ReadFile(PodDir(pod.uuid) + "/pid")); }
  // Everything that a pod leaves on the host for its ports and addresses.
  static std::string State() {
    return Shell("nft list ruleset 2>/dev/null | grep -E '8080|8081|RKT-'; iptables-save | grep -E '8080|8081|RKT-'; "
                 "ip6tables-save | grep -E '8080|8081|RKT-'; ls /run/rkt/network/pods 2>/dev/null") +
           Leases();
  }

  std::unique_ptr<Background> outside_;
};

TEST_P(NetworkPorts, AreReachedFromEverySide) {
  for (const char* network : {"myptp", "mybridge"}) {
    bool bridge = std::string(network) == "mybridge";
    std::string net = bridge ? "52" : "51";
    RunningPod server = StartInNetwork({std::string("--net=") + network, "--port=web:8080", WebImage()}, "served here");
    RunningPod other = StartInNetwork({std::string("--net=") + network, WebImage()}, "the other");
    RunningPod elsewhere = StartInNetwork({"--net=default", WebImage()}, "elsewhere");
    std::string gateways[] = {"http://10." + net + ".0.1:8080/", "http://[fd00:" + net + "::1]:8080/"};
    std::string hosts[] = {"http://192.0.2.1:8080/", "http://192.0.2.9:8080/", "http://[2001:db8::1]:8080/"};
    EXPECT_EQ(Get("http://127.0.0.1:8080/"), "served here\n") << network;
    for (const std::string& url : hosts) {
      EXPECT_EQ(From("", url), "served here\n") << network << " host " << url;
      EXPECT_EQ(From(Outside(), url), "served here\n") << network << " outside " << url;
      EXPECT_EQ(From(Pid(other), url), "served here\n") << network << " another pod " << url;
      EXPECT_EQ(From(Pid(server), url), "served here\n") << network << " itself " << url;
    }
    for (const std::string& url : gateways) {
      EXPECT_EQ(From("", url), "served here\n") << network << " host " << url;
      EXPECT_EQ(From(Pid(other), url), "served here\n") << network << " another pod " << url;
      EXPECT_EQ(From(Pid(server), url), "served here\n") << network << " itself " << url;
    }
    EXPECT_EQ(From(Pid(elsewhere), hosts[0]), "served here\n") << network << " a pod of another network";
    // Past the published port nobody comes from outside, and the port means nothing inside.
    for (const char* address : {".0.0.2", ".0.0.3"}) {
      std::string url = "http://10." + net + (std::string(address).substr(2)) + "/";
      EXPECT_EQ(From(Outside(), url, 0.3), "") << network << " outside " << url;
      EXPECT_NE(From("", url), "") << network << " host " << url;
    }
    EXPECT_EQ(From(Outside(), "http://[fd00:" + net + "::2]/", 0.3), "") << network;
    EXPECT_EQ(From(Pid(other), "http://127.0.0.1:8080/"), "") << network;
    Stop(elsewhere);
    Stop(other);
    Stop(server);
    EXPECT_EQ(State(), "") << network;
    EXPECT_EQ(From("", hosts[0]), "") << network;
  }
}

TEST_P(NetworkPorts, OnOneAddressAreThatAddressesAlone) {
  RunningPod server = StartInNetwork(
      {"--net=myptp", "--port=web:192.0.2.9:8081", WebImage()}, "one address");
  std::string url = "http://192.0.2.9:8081/";
  EXPECT_EQ(Get(url), "one address\n");
  EXPECT_EQ(From(Outside(), url), "one address\n");
  EXPECT_EQ(From(Pid(server), url), "one address\n");
  for (const char* address : {"192.0.2.1", "127.0.0.1", "10.51.0.1", "[2001:db8::1]"}) {
    EXPECT_EQ(From("", std::string("http://") + address + ":8081/"), "") << address;
    EXPECT_EQ(From(Outside(), std::string("http://") + address + ":8081/", 0.3), "") << address;
  }
  Stop(server);
  EXPECT_EQ(State(), "");
}

TEST_P(NetworkPorts, OfAKilledPodAreFreeAtOnceAndCollected) {
  RunningPod killed = StartInNetwork({"--net=myptp", "--port=web:8080", WebImage()}, "killed");
  ASSERT_EQ(Get("http://192.0.2.1:8080/"), "killed\n");
  killed.rkt->Kill(SIGKILL);
  killed.rkt->Wait();
  EXPECT_TRUE(WaitForState(killed.uuid, "exited"));
  EXPECT_NE(State(), "");
  // The next one need not wait for gc.
  RunningPod next = StartInNetwork({"--net=myptp", "--port=web:8080", WebImage()}, "next");
  EXPECT_EQ(Get("http://192.0.2.1:8080/"), "next\n");
  EXPECT_EQ(From(Outside(), "http://[2001:db8::1]:8080/"), "next\n");
  // Collecting the killed one takes nothing from it.
  Rkt(WithConfig({"gc", "--grace-period=0s"}));
  Rkt(WithConfig({"gc", "--grace-period=0s"}));
  EXPECT_EQ(From(Outside(), "http://192.0.2.1:8080/"), "next\n");
  EXPECT_EQ(From(Outside(), "http://[2001:db8::1]:8080/"), "next\n");
  Stop(next);
  EXPECT_EQ(State(), "");
}

TEST_P(NetworkPorts, AreFreeAfterAReboot) {
  RunningPod before = StartInNetwork({"--net=mybridge", "--port=web:8080", WebImage()}, "before");
  ASSERT_EQ(Get("http://192.0.2.1:8080/"), "before\n");
  before.rkt->Kill(SIGKILL);
  before.rkt->Wait();
  EXPECT_TRUE(WaitForState(before.uuid, "exited"));
  // Files of /var outlive the machine, /run, rules and interfaces do not.
  Shell("nft flush ruleset; for t in filter nat raw; do for i in iptables ip6tables; do $i -t $t -F; $i -t $t -X; done; done; "
        "rm -rf /run/rkt/*; ip link del ports0; "
        "find /var/lib/cni -type f -exec touch -d '1990-01-01' {} +");
  EXPECT_NE(Leases(), "");
  RunningPod after = StartInNetwork({"--net=mybridge", "--port=web:8080", WebImage()}, "after");
  EXPECT_EQ(Get("http://192.0.2.1:8080/"), "after\n");
  EXPECT_EQ(From(Outside(), "http://[2001:db8::1]:8080/"), "after\n");
  Rkt(WithConfig({"gc", "--grace-period=0s"}));
  Rkt(WithConfig({"gc", "--grace-period=0s"}));
  EXPECT_EQ(From(Outside(), "http://192.0.2.1:8080/"), "after\n");
  Stop(after);
  EXPECT_EQ(State(), "");
}

INSTANTIATE_TEST_SUITE_P(Filters, NetworkPorts, ::testing::Values("nftables", "iptables"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace rkt::test
