// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/pod_network.h"

#include "network/inventory.h"
#include "network/test_host.h"

namespace rkt::network {
namespace {

using test::Fetch;
using test::InNewHost;
using test::Sh;
using test::TestHost;
using test::TestPod;

TEST(PodNetwork, DefaultGivesAnAddressARouteAndMasqueradesTowardsTheOutside) {
  InNewHost([](TestHost& host) {
    host.AddOutside();
    TestPod pod(host, {"default"});
    auto network = pod.Start();
    ASSERT_TRUE(network) << network.error().Text();
    ASSERT_EQ(network->interfaces.size(), 1u);
    EXPECT_EQ(network->interfaces[0].name, "eth0");
    EXPECT_EQ(pod.Ip(), "172.16.28.2");
    EXPECT_EQ(network->host_address, "172.16.28.1");
    EXPECT_NE(pod.ns.Sh("ip route").out.find("default via 172.16.28.1"), std::string::npos)
        << pod.ns.Sh("ip route").out;
    auto ping = pod.ns.Sh("busybox ping -c1 -W2 192.0.2.2");
    EXPECT_EQ(ping.status, 0) << ping.out << Sh("nft list ruleset").out
                              << pod.ns.Sh("ip a; ip r").out;
    EXPECT_NE(pod.File("net-info.json").find("\"ip\":\"172.16.28.2\""), std::string::npos);
    EXPECT_TRUE(pod.TearDown());
    EXPECT_EQ(Sh(StrCat("ls ", host.paths.leases, "/default")).out, "last_reserved_ip.0\nlock\n");
  });
}

constexpr char kNamed[] =
    R"({"name":"shop","type":"bridge","bridge":"rktshop","isDefaultGateway":true,"ipMasq":true,
    "ipam":{"type":"host-local","subnet":"10.44.0.0/24"},"dns":{"nameservers":["10.44.0.53"],"search":["shop.test"]}})";

TEST(PodNetwork, RestrictedHasNoRouteOutAndNoneHasNoNetworks) {
  InNewHost([](TestHost& host) {
    host.AddOutside();
    TestPod pod(host, {"default-restricted"});
    ASSERT_TRUE(pod.Start());
    EXPECT_EQ(pod.Ip(), "172.31.0.2");
    EXPECT_EQ(pod.ns.Sh("ip route show default").out, "");
    EXPECT_EQ(pod.ns.Sh("busybox ping -c1 -W1 172.31.0.1").status, 0);
    TestPod none(host, {"none"});
    auto plan = PlanNetworks(none.request);
    ASSERT_TRUE(plan);
    EXPECT_FALSE(plan->NeedsSetUp());
    EXPECT_FALSE(plan->HostNetwork());
    ASSERT_TRUE(SetUpNetworks(*plan, -1));
    EXPECT_EQ(none.File("net-info.json"), "null");
    TestPod with_host(host, {"host"});
    plan = PlanNetworks(with_host.request);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->HostNetwork());
    ASSERT_TRUE(SetUpNetworks(*plan, -1));
    EXPECT_EQ(with_host.File("net-info.json"), "(missing)");
  });
}

TEST(PodNetwork, AllJoinsEveryNetworkInTheOrderOfTheFiles) {
  InNewHost([](TestHost& host) {
    host.Config("10-shop.conf", kNamed);
    TestPod pod(host, {"all", "default:IP=172.16.28.200;MAC=02-00-00-00-00-07"});
    auto network = pod.Start();
    ASSERT_TRUE(network) << network.error().Text();
    ASSERT_EQ(network->interfaces.size(), 3u);
    EXPECT_EQ(network->interfaces[0].network, "shop");
    EXPECT_EQ(network->interfaces[1].network, "default-restricted");
    EXPECT_EQ(network->interfaces[2].network, "default");
    EXPECT_EQ(pod.Ip(2), "172.16.28.200");
    EXPECT_NE(pod.ns.Sh("ip link show eth2").out.find("02:00:00:00:00:07"), std::string::npos);
    // One default route: that of the first network that has one.
    EXPECT_EQ(pod.ns.Sh("ip route show default").out, "default via 10.44.0.1 dev eth0 \n");
    EXPECT_EQ(network->dns.network, "shop");
    EXPECT_EQ(network->dns.search, std::vector<std::string>{"shop.test"});
    EXPECT_NE(pod.File("net-info.json").find("\"args\":\"IP=172.16.28.200"), std::string::npos);
    EXPECT_NE(pod.File("net/99-default.conf").find("172.16.28.0/24"), std::string::npos);
  });
}

TEST(PodNetwork, UnknownNetworksAndBadArgumentsLeaveNothingBehind) {
  InNewHost([](TestHost& host) {
    TestPod unknown(host, {"nowhere", "default", "elsewhere"});
    auto refused = unknown.Start();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().Text(), "networks not found: nowhere, elsewhere");
    TestPod ports(host, {"none"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 80, ""}});
    EXPECT_NE(ports.Start().error().Text().find("no networks found"), std::string::npos);
    host.Config(
        "10-bad.conf",
        R"({"name":"bad","type":"ptp","mtu":10,"ipam":{"type":"host-local","subnet":"10.3.0.0/24"}})");
    for (const char* net :
         {"default:IP=10.9.9.9", "default:IP=172.16.28.1", "default:FOO=1", "bad", "default,bad"}) {
      TestPod pod(host, {net});
      EXPECT_FALSE(pod.Start()) << net;
      EXPECT_EQ(Sh(StrCat("find ", host.paths.leases, " -name '1*'")).out, "") << net;
      EXPECT_FALSE(Exists(StrCat(pod.request.pod_path, "/net"))) << net;
      EXPECT_EQ(Sh(StrCat("ls ", host.paths.run, "/pods")).out, "") << net;
    }
  });
}

TEST(PodNetwork, MacvlanIsANeighbourOfTheMastersWire) {
  InNewHost([](TestHost& host) {
    host.AddOutside();
    host.Config("10-wire.conf",
                R"({"name":"wire","type":"macvlan","master":"up0","ipam":{"type":"host-local",
        "subnet":"192.0.2.0/24","rangeStart":"192.0.2.100","gateway":"192.0.2.1","routes":[{"dst":"0.0.0.0/0","gw":"192.0.2.2"}]}})");
    TestPod pod(host, {"wire"});
    auto network = pod.Start();
    ASSERT_TRUE(network) << network.error().Text();
    EXPECT_EQ(pod.Ip(), "192.0.2.100");
    EXPECT_EQ(pod.ns.Sh("busybox ping -c1 -W2 192.0.2.2").status, 0);
    EXPECT_EQ(host.outside->Sh("busybox ping -c1 -W2 192.0.2.100").status, 0);
    EXPECT_NE(pod.ns.Sh("ip route").out.find("default via 192.0.2.2"), std::string::npos);
  });
}

TEST(PodNetwork, PodsOfANamedNetworkFindEachOtherByName) {
  InNewHost([](TestHost& host) {
    host.Config("10-shop.conf", kNamed);
    TestPod web(host, {"shop"}, {}, "front", {"web", "cache"});
    TestPod db(host, {"shop"}, {}, "back", {"db"});
    TestPod alone(host, {"default"});
    ASSERT_TRUE(web.Start() && db.Start() && alone.Start());
    EXPECT_EQ(alone.network.hosts_file, "");
    ASSERT_EQ(web.network.hosts_file, StrCat(web.request.pod_path, "/net/hosts"));
    auto resolve = [](const TestPod& pod, const char* name) {
      return pod.ns
          .Sh(StrCat("unshare -m sh -c \"mount --bind ", pod.network.hosts_file,
                     " /etc/hosts; mount --bind /dev/null /etc/resolv.conf; getent ahostsv4 ", name, " | cut -d\\\\  -f1 | head -1\""))
          .out;
    };
    EXPECT_EQ(resolve(web, "db"), StrCat(db.Ip(), "\n")) << web.File("net/hosts");
    EXPECT_EQ(resolve(web, "db.back"), StrCat(db.Ip(), "\n"));
    EXPECT_EQ(resolve(db, "front"), StrCat(web.Ip(), "\n"));
    EXPECT_EQ(resolve(db, "cache"), StrCat(web.Ip(), "\n"));
    EXPECT_EQ(resolve(db, "back"), StrCat(db.Ip(), "\n"));
    EXPECT_TRUE(db.TearDown());
    EXPECT_EQ(resolve(web, "db"), "");
    // One that crashed is forgotten when the next comes.
    TestPod crashing(host, {"shop"}, {}, "gone", {"db"});
    ASSERT_TRUE(crashing.Start());
    EXPECT_EQ(resolve(web, "db"), StrCat(crashing.Ip(), "\n"));
    crashing.Crash();
    TestPod next(host, {"shop"}, {}, "next", {"queue"});
    ASSERT_TRUE(next.Start());
    EXPECT_EQ(resolve(web, "db"), "");
    EXPECT_EQ(resolve(next, "db"), "");
    EXPECT_EQ(resolve(next, "web"), StrCat(web.Ip(), "\n"));
  });
}

// Everything on the host that a pod could leave.
std::string Left(TestHost& host) {
  return StrCat(Sh("ip -o link | grep -v LOOPBACK | cut -d: -f2").out,
                Sh("nft -a list ruleset | grep -c . ; nft list ruleset | grep elements").out,
                Sh(StrCat("find ", host.paths.leases, " ", host.paths.results, " ", host.paths.run,
                          " -type f -name '[0-9]*' -o -type l"))
                    .out);
}

TEST(PodNetwork, AHundredStartsAndStopsLeaveNothing) {
  InNewHost([](TestHost& host) {
    host.Config("10-shop.conf", kNamed);
    auto round = [&](int i) {
      TestPod pod(host, {i % 2 ? "default" : "shop"},
                  {appc::ForwardedPort{"web", "tcp", 80, 2, 8080, ""}});
      auto started = pod.Start();
      ASSERT_TRUE(started) << started.error().Text();
      pod.ns.Stop();
      Status down = pod.TearDown();
      ASSERT_TRUE(down) << down.error().Text();
      EXPECT_TRUE(pod.TearDown());
    };
    auto settled = [&] {
      for (int i = 0; i < 200 && Sh("ip -o link | grep -c rktv").out != "0\n"; ++i) ::usleep(20000);
      return Left(host);
    };
    round(0);
    round(1);
    std::string before = settled();
    for (int i = 0; i < 100; ++i) round(i);
    EXPECT_EQ(settled(), before);
  });
}

TEST(PodNetwork, WhatACrashLeavesIsTakenBackByGcAndByPrune) {
  InNewHost([](TestHost& host) {
    host.Config("10-shop.conf", kNamed);
    {
      TestPod first(host, {"shop,default"});
      ASSERT_TRUE(first.Start());
    }
    ::usleep(200000);
    std::string before = Left(host);
    for (bool lose_record : {false, true}) {
      TestPod pod(host, {"shop,default"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, ""}});
      ASSERT_TRUE(pod.Start());
      pod.Crash();
      if (lose_record) {
        ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(pod.request.pod_path, "/net/applied"),
                                "{\"uuid\":", 0640, true));
      }
      EXPECT_TRUE(pod.TearDown());
      EXPECT_TRUE(pod.TearDown());
      EXPECT_FALSE(Exists(StrCat(pod.request.pod_path, "/net")));
      EXPECT_FALSE(Exists(StrCat(pod.request.pod_path, "/netns")));
      ::usleep(200000);
      EXPECT_EQ(Left(host), before);
    }
    TestPod running(host, {"shop"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 8081, ""}});
    ASSERT_TRUE(running.Start());
    std::string with_one = Left(host);
    TestPod lost(host, {"shop,default"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, ""}});
    ASSERT_TRUE(lost.Start());
    lost.Crash();
    ASSERT_TRUE(RemoveTreeAt(AT_FDCWD, lost.request.pod_path));
    InventoryRequest inventory{running.request.local_config, StrCat(host.root(), "/data"),
                               host.paths};
    auto report = PruneNetworks(inventory);
    ASSERT_TRUE(report);
    for (const Error& problem : report->problems) ADD_FAILURE() << problem.Text();
    EXPECT_FALSE(report->removed.empty());
    EXPECT_EQ(Sh(StrCat("grep -rl ", lost.request.uuid, " ", host.paths.leases, " ", host.paths.run,
                        "; ls ", host.paths.run, "/pods"))
                  .out,
              StrCat(running.request.uuid, "\n"));
    EXPECT_EQ(Sh("nft list ruleset | grep 8080").out, "");
    EXPECT_NE(Sh("nft list ruleset | grep 8081").out, "");
    auto details = InspectNetwork(inventory, "shop");
    ASSERT_TRUE(details);
    ASSERT_EQ(details->pods.size(), 1u);
    EXPECT_TRUE(details->pods[0].running);
    ASSERT_EQ(details->ports.size(), 1u);
    EXPECT_EQ(ToText(details->ports[0].rule), "8081/tcp");
    auto networks = ListNetworks(inventory);
    ASSERT_TRUE(networks);
    ASSERT_EQ(networks->size(), 3u);
    EXPECT_EQ((*networks)[0].pods, 1);
    // With the last pod gone, nothing of ours stays on the host.
    running.ns.Stop();
    EXPECT_TRUE(running.TearDown());
    ::usleep(300000);
    report = PruneNetworks(inventory);
    ASSERT_TRUE(report);
    for (const Error& problem : report->problems) ADD_FAILURE() << problem.Text();
    EXPECT_EQ(Sh("nft list ruleset").out, "");
    EXPECT_EQ(Sh("ip -o link | grep -v LOOPBACK").out, "");
  });
}

TEST(PodNetwork, ManyAtOnceGetAddressesOfTheirOwn) {
  InNewHost([](TestHost& host) {
    constexpr int kPods = 30;
    std::vector<std::unique_ptr<TestPod>> pods;
    for (int i = 0; i < kPods; ++i)
      pods.push_back(std::make_unique<TestPod>(host, std::vector<std::string>{"default"}));
    std::vector<pid_t> children;
    for (auto& pod : pods) {
      pid_t pid = ::fork();
      if (pid == 0) {
        auto started = pod->Start();
        if (!started) std::fprintf(stderr, "%s\n", started.error().Text().c_str());
        ::_exit(started ? 0 : 1);
      }
      children.push_back(pid);
    }
    for (pid_t child : children) {
      int status;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(
        Sh(StrCat("cat ", host.root(),
                  "/data/pods/run/*/net-info.json | grep -o '\"ip\":\"[^\"]*' | sort -u | wc -l"))
            .out,
        StrCat(kPods, "\n"));
    EXPECT_EQ(pods[0]->ns.Sh("busybox ping -c1 -W1 172.16.28.1").status, 0);
    for (auto& pod : pods) {
      pod->ns.Stop();
      EXPECT_TRUE(pod->TearDown());
    }
    EXPECT_EQ(Sh(StrCat("find ", host.paths.leases, " -name '1*'")).out, "");
  });
}

TEST(PodNetwork, AHostWhoseForwardingDropsGetsItsAcceptsFromIptables) {
  InNewHost([](TestHost& host) {
    host.AddOutside();
    Sh("iptables -P FORWARD DROP");
    TestPod pod(host, {"default"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, ""}});
    auto started = pod.Start();
    ASSERT_TRUE(started) << started.error().Text();
    pod.Serve(80, "hello");
    EXPECT_EQ(pod.ns.Sh("busybox ping -c1 -W2 192.0.2.2").status, 0) << Sh("iptables-save").out;
    EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out, "hello\n");
    EXPECT_NE(Sh("iptables-save").out.find("CNI-"), std::string::npos);
    pod.ns.Stop();
    EXPECT_TRUE(pod.TearDown());
    EXPECT_EQ(Sh("iptables-save | grep -E 'RKT|CNI'").out, "");
    // Rules of others are as they were.
    EXPECT_NE(Sh("iptables-save").out.find(":FORWARD DROP"), std::string::npos);
  });
}

}  // namespace
}  // namespace rkt::network
