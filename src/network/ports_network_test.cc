// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Published ports and what may reach a pod, with real clients between namespaces. Every case runs
// with nf_tables and with iptables.

#include "network/test_host.h"

namespace rkt::network {
namespace {

using test::Fetch;
using test::FetchInVain;
using test::InNewHost;
using test::PingInVain;
using test::Namespace;
using test::Sh;
using test::TestHost;
using test::TestPod;

appc::ForwardedPort Port(uint32_t host_port, uint32_t pod_port, std::string host_ip = "",
                         std::string protocol = "tcp", uint32_t count = 1) {
  appc::ForwardedPort port;
  port.name = "web";
  port.protocol = std::move(protocol);
  port.pod_port = pod_port;
  port.count = count;
  port.host_port = host_port;
  port.host_ip = std::move(host_ip);
  return port;
}

class Published : public ::testing::TestWithParam<const char*> {
 protected:
  // A host whose networks use the backend: a ptp network and a bridge, both masquerading.
  static void Prepare(TestHost& host) {
    host.AddOutside();
    std::string backend = StrCat("\"ipMasqBackend\":\"", GetParam(), "\",");
    host.Config("10-ptp.conf",
                StrCat("{\"name\":\"default\",\"type\":\"ptp\",\"ipMasq\":true,", backend,
                       "\"ipam\":{\"type\":\"host-local\",\"subnet\":\"172.16.28.0/"
                       "24\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}}"));
    host.Config("20-br.conf",
                StrCat("{\"name\":\"br\",\"type\":\"bridge\",\"bridge\":\"rktbr\","
                       "\"isDefaultGateway\":true,\"ipMasq\":true,",
                       backend, "\"ipam\":{\"type\":\"host-local\",\"subnet\":\"10.9.0.0/24\"}}"));
    host.Config("30-restricted.conf",
                StrCat("{\"name\":\"restricted\",\"type\":\"ptp\",", backend,
                       "\"ipam\":{\"type\":\"host-local\",\"subnet\":\"172.31.0.0/16\"}}"));
    host.Config("40-six.conf",
                StrCat("{\"name\":\"six\",\"type\":\"ptp\",\"ipMasq\":true,", backend,
                       "\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"10.7.0.0/"
                       "24\"}],[{\"subnet\":\"fd00:7::/64\"}]],"
                       "\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"::/0\"}]}}"));
  }
  static std::string Rules() { return Sh("nft list ruleset; iptables-save").out; }
};

TEST_P(Published, IsReachedFromOutsideTheHostLocalhostOtherPodsAndThePodItself) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    for (const char* network : {"default", "br", "restricted"}) {
      SCOPED_TRACE(network);
      TestPod server(host, {network}, {Port(8080, 80)});
      auto started = server.Start();
      ASSERT_TRUE(started) << started.error().Text();
      server.Serve(80, "hello");
      TestPod client(host, {network});
      ASSERT_TRUE(client.Start());
      TestPod other(host, {"default"});
      ASSERT_TRUE(other.Start());
      EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out, "hello\n") << Rules();
      EXPECT_EQ(Sh(Fetch("192.0.2.1:8080")).out, "hello\n") << Rules();
      EXPECT_EQ(Sh(Fetch("127.0.0.1:8080")).out, "hello\n") << Rules();
      std::string gateway = server.network.host_address;
      EXPECT_EQ(client.ns.Sh(Fetch(StrCat(gateway, ":8080"))).out, "hello\n") << Rules();
      EXPECT_EQ(server.ns.Sh(Fetch(StrCat(gateway, ":8080"))).out, "hello\n") << Rules();
      EXPECT_EQ(other.ns.Sh(Fetch("192.0.2.1:8080")).out, "hello\n") << Rules();
      // Directly, as neighbours.
      EXPECT_EQ(client.ns.Sh(Fetch(StrCat(server.Ip(), ":80"))).out, "hello\n");
      ASSERT_TRUE(server.TearDown());
      EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out.find("hello"), std::string::npos);
      EXPECT_EQ(Sh(Fetch("127.0.0.1:8080")).out.find("hello"), std::string::npos);
    }
  });
}

TEST_P(Published, OnOneAddressIsReachedByThatAddressOnly) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    TestPod server(host, {"default"}, {Port(8080, 80, "192.0.2.9"), Port(8081, 80, "127.0.0.1")});
    auto started = server.Start();
    ASSERT_TRUE(started) << started.error().Text();
    server.Serve(80, "hello");
    EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.9:8080")).out, "hello\n");
    EXPECT_EQ(Sh(Fetch("192.0.2.9:8080")).out, "hello\n");
    EXPECT_NE(host.outside->Sh(FetchInVain("192.0.2.1:8080")).out, "hello\n");
    EXPECT_NE(Sh(FetchInVain("127.0.0.1:8080")).out, "hello\n");
    EXPECT_EQ(Sh(Fetch("127.0.0.1:8081")).out, "hello\n");
    EXPECT_NE(host.outside->Sh(FetchInVain("192.0.2.1:8081")).out, "hello\n");
    // Traffic of others that only passes through keeps its destination.
    Namespace beyond;
    Sh(StrCat("ip link add up1 type veth peer name eth0 netns ", beyond.pid(),
              "; ip addr add 198.51.100.1/24 dev up1; ip link set up1 up"));
    beyond.Sh(
        "ip addr add 198.51.100.2/24 dev eth0; ip link set eth0 up; ip route add default via "
        "198.51.100.1;"
        "socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:\"echo beyond\" >/dev/null 2>&1 & sleep 0.3");
    host.outside->Sh("ip route add 198.51.100.0/24 via 192.0.2.1");
    EXPECT_EQ(host.outside->Sh(Fetch("198.51.100.2:8080")).out, "beyond\n");
  });
}

TEST_P(Published, RangesAndDatagramsArriveAtTheRightPort) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    TestPod server(host, {"default"}, {Port(9000, 80, "", "tcp", 20), Port(5353, 53, "", "udp")});
    auto started = server.Start();
    ASSERT_TRUE(started) << started.error().Text();
    server.Serve(99, "last");
    std::string script = StrCat(host.root(), "/datagrams.py");
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, script,
                            "import os, signal, socket\n"
                            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                            "s.bind(('', 53))\n"
                            "if os.fork(): os._exit(0)\n"
                            "signal.alarm(30)\n"
                            "while True: s.sendto(b'datagram\\n', s.recvfrom(99)[1])\n",
                            0644, true));
    ASSERT_EQ(server.ns.Sh(StrCat("python3 ", script, " >/dev/null 2>&1")).status, 0);
    EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:9019")).out, "last\n");
    // Datagrams may be lost on a busy machine.
    auto ask = [](const char* address) {
      return StrCat("for i in 1 2 3 4 5; do out=$(echo x | socat -T1 - UDP:", address,
                    ":5353); [ -n \"$out\" ] && break; done; echo $out");
    };
    EXPECT_EQ(host.outside->Sh(ask("192.0.2.1")).out, "datagram\n");
    EXPECT_EQ(Sh(ask("127.0.0.1")).out, "datagram\n");
  });
}

TEST_P(Published, OverIPv6IsReachedFromOutsideTheHostAndThePodItself) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    TestPod server(host, {"six"}, {Port(8080, 80)});
    auto started = server.Start();
    ASSERT_TRUE(started) << started.error().Text();
    server.Serve(80, "hello", true);
    auto fetch = [](const char* address) {
      return StrCat("socat -T2 - TCP6:[", address, "]:8080,connect-timeout=1 </dev/null");
    };
    EXPECT_EQ(host.outside->Sh(fetch("2001:db8:ffff::1")).out, "hello\n")
        << Rules() << server.ns.Sh("ip -6 a; ip -6 r").out;
    EXPECT_EQ(Sh(fetch("2001:db8:ffff::1")).out, "hello\n");
    EXPECT_EQ(server.ns.Sh(fetch("2001:db8:ffff::1")).out, "hello\n");
    EXPECT_NE(Sh(fetch("::1")).out, "hello\n");
    EXPECT_EQ(server.ns.Sh("busybox ping -6 -c1 -W2 2001:db8:ffff::2").status, 0);
  });
}

TEST_P(Published, NothingElseReachesThePodFromOutside) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    for (const char* network : {"default", "br"}) {
      SCOPED_TRACE(network);
      TestPod server(host, {network}, {Port(8080, 80)});
      ASSERT_TRUE(server.Start());
      server.Serve(80, "hello");
      host.outside->Sh(StrCat("ip route replace ", server.Ip(), " via 192.0.2.1"));
      EXPECT_NE(host.outside->Sh(FetchInVain(StrCat(server.Ip(), ":80"))).out, "hello\n");
      EXPECT_NE(host.outside->Sh(PingInVain(server.Ip())).status, 0);
      EXPECT_EQ(Sh(Fetch(StrCat(server.Ip(), ":80"))).out, "hello\n");
      EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out, "hello\n");
    }
  });
}

TEST_P(Published, OnLocalhostDoesNotOpenTheHostsLoopbackToThePod) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    Sh("socat TCP-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr SYSTEM:\"echo secret\" >/dev/null 2>&1 "
       "& sleep 0.3");
    ASSERT_EQ(Sh(Fetch("127.0.0.1:7000")).out, "secret\n");
    for (const char* network : {"default", "br"}) {
      SCOPED_TRACE(network);
      TestPod pod(host, {network}, {Port(8080, 80)});
      ASSERT_TRUE(pod.Start());
      pod.ns.Sh(StrCat(
          "ip addr del 127.0.0.1/8 dev lo; echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet;"
          "ip route flush table local; ip route add local ",
          pod.Ip(),
          " dev eth0 table local; "
          "ip route add 127.0.0.1/32 via ",
          pod.network.host_address, " dev eth0"));
      EXPECT_NE(pod.ns.Sh(FetchInVain("127.0.0.1:7000")).out, "secret\n");
      // The attack is a real one: it is the rules that stop it.
      if (std::string_view(GetParam()) == "nftables") {
        Sh("nft flush chain inet rkt from-pods");
        EXPECT_EQ(pod.ns.Sh(Fetch("127.0.0.1:7000")).out, "secret\n");
        Sh("nft delete table inet rkt");
      }
    }
  });
}

TEST_P(Published, PodsCannotSendFromOtherAddresses) {
  InNewHost([](TestHost& host) {
    Prepare(host);
    TestPod pod(host, {"default"}), victim(host, {"default"});
    ASSERT_TRUE(pod.Start() && victim.Start());
    EXPECT_EQ(pod.ns.Sh("busybox ping -c1 -W1 192.0.2.1").status, 0);
    pod.ns.Sh("ip addr add 172.16.28.77/32 dev eth0");
    Sh("ip route add 172.16.28.77 via 192.0.2.2");
    host.outside->Sh("ip addr add 172.16.28.77/32 dev lo");
    // Counted where it would arrive: answers would take another way.
    auto received = [&] {
      return Sh("cat /proc/net/snmp | grep ^Icmp: | tail -1 | cut -d\\  -f9").out;
    };
    std::string before = received();
    pod.ns.Sh(PingInVain("-I 172.16.28.77 172.16.28.1"));
    EXPECT_EQ(received(), before);
    pod.ns.Sh(StrCat("ip addr add ", victim.Ip(), "/32 dev eth0"));
    pod.ns.Sh(PingInVain(StrCat("-I ", victim.Ip(), " 172.16.28.1")));
    EXPECT_EQ(received(), before);
  });
}

INSTANTIATE_TEST_SUITE_P(By, Published, ::testing::Values("nftables", "iptables"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(BridgeNetwork, PodsCannotTakeTheirNeighboursAddressesOnTheWire) {
  InNewHost([](TestHost& host) {
    host.Config("20-br.conf", R"({"name":"br","type":"bridge","bridge":"rktbr","isGateway":true,
        "ipam":{"type":"host-local","ranges":[[{"subnet":"10.9.0.0/24"}],[{"subnet":"fd00:9::/64"}]]}})");
    TestPod thief(host, {"br"}), victim(host, {"br"}), client(host, {"br"});
    ASSERT_TRUE(thief.Start() && victim.Start() && client.Start());
    std::string six = ToText(victim.network.interfaces[0].addresses[1].address);
    EXPECT_EQ(client.ns.Sh(StrCat("busybox ping -c1 -W2 ", victim.Ip())).status, 0)
        << Sh("nft list table bridge rkt").out;
    EXPECT_EQ(client.ns.Sh(StrCat("busybox ping -6 -c1 -W2 ", six)).status, 0)
        << client.ns.Sh("ip -6 neigh").out;
    std::string before = client.ns.Sh(StrCat("ip neigh show ", victim.Ip())).out;
    thief.ns.Sh(StrCat("ip addr add ", victim.Ip(), "/24 dev eth0; arping -c2 -A -I eth0 ",
                       victim.Ip(), "; busybox arping -c2 -U -I eth0 ", victim.Ip()));
    EXPECT_EQ(client.ns.Sh(StrCat("ip neigh show ", victim.Ip(), " | cut -d\\  -f1-5")).out,
              Sh(StrCat("echo '", Trim(before), "' | cut -d' ' -f1-5")).out);
    // The thief's question for the gateway in the victim's name is not heard either.
    thief.ns.Sh(StrCat("ip addr flush dev eth0; ip addr add ", victim.Ip(), "/24 dev eth0"));
    EXPECT_NE(thief.ns.Sh(PingInVain("10.9.0.1")).status, 0);
    EXPECT_EQ(client.ns.Sh(StrCat("busybox ping -c1 -W2 ", victim.Ip())).status, 0);
  });
}

TEST(Conflicts, AreRefusedBeforeAnythingIsSetUp) {
  InNewHost([](TestHost& host) {
    Sh("socat TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr SYSTEM:\"echo own\" >/dev/null 2>&1 & "
       "socat UDP4-RECVFROM:5353,fork SYSTEM:\"echo own\" >/dev/null 2>&1 & sleep 0.3");
    TestPod any(host, {"default"}, {Port(8080, 80)});
    auto refused = any.Start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kBusy);
    EXPECT_NE(refused.error().Text().find("8080/tcp"), std::string::npos);
    EXPECT_FALSE(Exists(StrCat(any.request.pod_path, "/net")));
    EXPECT_EQ(Sh(StrCat("ls ", host.paths.leases)).out, "");
    TestPod udp(host, {"default"}, {Port(5353, 53, "", "udp")});
    EXPECT_FALSE(udp.Start());
    TestPod elsewhere(host, {"default"}, {Port(8080, 80, "192.0.2.9")});
    EXPECT_TRUE(elsewhere.Start());
    TestPod same(host, {"default"}, {Port(8080, 80, "192.0.2.9")});
    refused = same.Start();
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().Text().find(elsewhere.request.uuid), std::string::npos)
        << refused.error().Text();
    // A pod that crashed does not keep its ports.
    elsewhere.Crash();
    auto taken_over = same.Start();
    EXPECT_TRUE(taken_over) << taken_over.error().Text();
  });
}

TEST(Conflicts, AConnectionOfTheHostThatHasThePortDoesNotStandInTheWay) {
  InNewHost([](TestHost& host) {
    host.AddOutside();
    host.outside->Sh(
        "socat TCP-LISTEN:9,fork,reuseaddr SYSTEM:\"sleep 5\" >/dev/null 2>&1 & sleep 0.3");
    Sh("socat -T5 PIPE TCP:192.0.2.2:9,sourceport=8080 >/dev/null 2>&1 & sleep 0.3");
    TestPod pod(host, {"default"}, {Port(8080, 80)});
    auto started = pod.Start();
    EXPECT_TRUE(started) << started.error().Text();
  });
}

}  // namespace
}  // namespace rkt::network
