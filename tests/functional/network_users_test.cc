// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Networks of pods with users of their own: the interfaces are made by the host's root in a namespace that is the pod's.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkUsers : public NetworkHostTest {
 protected:
  void TearDown() override {
    CollectAll();
    Shell("ip link del users0; ip link del wire0");
    NetworkHostTest::TearDown();
  }
  void AddBridge() {
    AddNetwork("20-users.conf", R"({"name": "users", "type": "bridge", "bridge": "users0", "isDefaultGateway": true,
        "ipMasq": true, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.53.0.0/24"}], [{"subnet": "fd00:53::/64"}]]}})");
  }
  void AddMacvlan() {
    Shell("ip link add wire0 type veth peer name wire1; ip link set wire0 up; ip link set wire1 up");
    AddNetwork("30-wire.conf", R"({"name": "wire", "type": "macvlan", "master": "wire0",
        "ipam": {"type": "host-local", "subnet": "10.54.0.0/24"}})");
  }
  // The pod's root is nobody on the host, and its network namespace is owned by its users.
  void ExpectUsersOfItsOwn(const RunningPod& pod) {
    std::string pid = Trim(ReadFile(PodDir(pod.uuid) + "/pid"));
    std::vector<std::string> map = Split(Trim(ReadFile("/proc/" + pid + "/uid_map")), ' ');
    std::string host;
    for (const std::string& word : map) {
      if (!word.empty() && word != "0" && host.empty()) host = word;
    }
    EXPECT_GE(std::atol(host.c_str()), 65536) << ReadFile("/proc/" + pid + "/uid_map");
    // Rights over the network come from the pod's users, not from the host's.
    EXPECT_EQ(Shell("nsenter -t " + pid + " -U -n ip link add mine0 type bridge && echo made"), "made\n");
    EXPECT_NE(Shell("nsenter -t " + pid + " -U ip link add mine0 type bridge && echo made"), "made\n");
  }
  std::string InPod(const RunningPod& pod, const std::string& script) {
    return Rkt({"enter", pod.uuid, "/bin/sh", "-c", script}).out;
  }
};

TEST_F(NetworkUsers, DefaultHasARouteOutAndPublishesPorts) {
  RunningPod pod = StartInNetwork({"--private-users", "--net=default", "--port=web:8080", WebImage()}, "private");
  ExpectUsersOfItsOwn(pod);
  EXPECT_EQ(Get("http://127.0.0.1:8080/"), "private\n");
  EXPECT_EQ(Get("http://172.16.28.2/"), "private\n");
  std::string text = InPod(pod, "busybox ip -4 addr show eth0; busybox ip route");
  EXPECT_TRUE(Contains(text, "inet 172.16.28.2/24")) << text;
  EXPECT_TRUE(Contains(text, "default via 172.16.28.1 dev eth0")) << text;
  // Another pod with other users, and the pod itself, by the published port.
  Output other = Run(Args{"--private-users", "--net=default", WebImage()} +
                     Script("busybox wget -q -O - http://172.16.28.2/; busybox wget -q -O - http://172.16.28.1:8080/"));
  EXPECT_EQ(AppText(other.out), "private\nprivate\n") << other.All();
  EXPECT_EQ(InPod(pod, "busybox wget -q -O - http://172.16.28.1:8080/"), "private\n");
  Stop(pod);
  EXPECT_EQ(Leases(), "");
  EXPECT_EQ(Shell("nft list ruleset | grep -c 8080"), "0\n");
}

TEST_F(NetworkUsers, PodsOfABridgeFindEachOther) {
  AddBridge();
  RunningPod pod = StartInNetwork(
      {"--private-users", "--net=users", "--hostname=front", "--port=web:8080", WebImage(), "--name=web"}, "bridged");
  ExpectUsersOfItsOwn(pod);
  EXPECT_EQ(Get("http://127.0.0.1:8080/"), "bridged\n");
  EXPECT_EQ(Get("http://[fd00:53::2]/"), "bridged\n");
  Output other = Rkt(WithConfig(Args{"run", "--private-users", "--net=users", WebImage()} +
                                Script("busybox wget -q -O - http://web.front/; busybox wget -q -O - http://10.53.0.1:8080/; "
                                       "busybox wget -q -O - http://[fd00:53::2]/")));
  EXPECT_EQ(AppText(other.out), "bridged\nbridged\nbridged\n") << other.All();
  EXPECT_EQ(InPod(pod, "busybox wget -q -O - http://10.53.0.1:8080/"), "bridged\n");
  // More rights than it has from the host would it need to be its neighbour.
  std::string pid = Trim(ReadFile(PodDir(pod.uuid) + "/pid"));
  Background host({"/usr/bin/socat", "-u", "UDP4-RECVFROM:7777,bind=10.53.0.1,fork", "STDOUT"}, {}, dir() + "/host");
  SleepFor(0.2);
  std::string inside = "nsenter -t " + pid + " -n ";
  Shell(inside + "ip addr add 10.53.0.9/32 dev lo; echo liar | " + inside +
        "socat -u STDIN UDP4-SENDTO:10.53.0.1:7777,bind=10.53.0.9; echo honest | " + inside +
        "socat -u STDIN UDP4-SENDTO:10.53.0.1:7777,bind=10.53.0.2");
  EXPECT_TRUE(host.WaitForText("honest"));
  EXPECT_EQ(host.out(), "honest\n");
  Stop(pod);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkUsers, MacvlanIsOnTheMastersWire) {
  AddMacvlan();
  RunningPod pod = StartInNetwork({"--private-users", "--net=wire", WebImage()}, "on the wire");
  ExpectUsersOfItsOwn(pod);
  Output other = Rkt(WithConfig(Args{"run", "--private-users", "--net=wire", WebImage()} +
                                Script("busybox ip -o -4 addr show eth0 | busybox grep -c 10.54.0.3/24; "
                                       "busybox wget -q -O - http://10.54.0.2/")));
  EXPECT_EQ(AppText(other.out), "1\non the wire\n") << other.All();
  // The host is not on it.
  EXPECT_NE(Shell("curl -s --max-time 0.3 http://10.54.0.2/ || echo none"), "on the wire\n");
  Stop(pod);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkUsers, AllThreeTogether) {
  AddBridge();
  AddMacvlan();
  RunningPod pod = StartInNetwork({"--private-users", "--net=default,users,wire", "--port=web:8080", WebImage()}, "three");
  ExpectUsersOfItsOwn(pod);
  std::string text = InPod(pod, "busybox ip -4 -o addr | busybox grep -o 'eth[0-9].*inet [0-9.]*'; busybox ip route | busybox grep default");
  EXPECT_TRUE(Contains(text, "eth0    inet 10.53.0.2")) << text;
  EXPECT_TRUE(Contains(text, "eth1    inet 10.54.0.2")) << text;
  EXPECT_TRUE(Contains(text, "eth2    inet 172.16.28.2")) << text;
  EXPECT_TRUE(Contains(text, "default via 10.53.0.1 dev eth0")) << text;
  // Ports lead to the first that masquerades.
  EXPECT_EQ(Get("http://127.0.0.1:8080/"), "three\n");
  EXPECT_EQ(Get("http://10.53.0.2/"), "three\n");
  Output other = Rkt(WithConfig(Args{"run", "--private-users", "--net=wire", WebImage()} +
                                Script("busybox wget -q -O - http://10.54.0.2/")));
  EXPECT_EQ(AppText(other.out), "three\n") << other.All();
  Stop(pod);
  EXPECT_EQ(Leases(), "");
}

}  // namespace
}  // namespace rkt::test
