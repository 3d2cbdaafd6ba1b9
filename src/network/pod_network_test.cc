// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/pod_network.h"

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
    EXPECT_NE(pod.ns.Sh("ip route").out.find("default via 172.16.28.1"), std::string::npos) << pod.ns.Sh("ip route").out;
    auto ping = pod.ns.Sh("busybox ping -c1 -W2 192.0.2.2");
    EXPECT_EQ(ping.status, 0) << ping.out << Sh("nft list ruleset").out << pod.ns.Sh("ip a; ip r").out;
    EXPECT_NE(pod.File("net-info.json").find("\"ip\":\"172.16.28.2\""), std::string::npos);
    EXPECT_TRUE(pod.TearDown());
    EXPECT_EQ(Sh(StrCat("ls ", host.paths.leases, "/default")).out, "last_reserved_ip.0\nlock\n");
  });
}

}  // namespace
}  // namespace rkt::network
