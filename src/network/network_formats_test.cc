// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Texts and values: addresses, results of plugins, the record of a pod's networks, hosts files,
// iptables, ports.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "network/applied.h"
#include "network/cni_result.h"
#include "network/iptables.h"
#include "network/names.h"
#include "network/net_info.h"
#include "network/ports.h"

namespace rkt::network {
namespace {

TEST(Addresses, ArePrintedMaskedAndCounted) {
  EXPECT_EQ(ToText(*ParseAddress("fd00:0::2")), "fd00::2");
  EXPECT_EQ(ToText(*ParseAddress("::ffff:10.1.2.3")), "10.1.2.3");
  for (const char* bad : {"", "10.1.2", "10.1.2.3.4", "10.1.2.300", "x", "fd00::1::2", "10.1.2.3 "})
    EXPECT_FALSE(ParseAddress(bad)) << bad;
  EXPECT_EQ(ToText(ParsePrefix("10.1.2.3/20")->Masked()), "10.1.0.0/20");
  EXPECT_EQ(ToText(ParsePrefix("10.1.2.3/20")->Last()), "10.1.15.255");
  EXPECT_EQ(MaskText(*ParsePrefix("10.1.2.3/20")), "255.255.240.0");
  for (const char* bad : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/"})
    EXPECT_FALSE(ParsePrefix(bad)) << bad;
  EXPECT_EQ(ToText(Next(*ParseAddress("10.0.0.255"))), "10.0.1.0");
  EXPECT_TRUE(ParsePrefix("fd00::/64")->Overlaps(*ParsePrefix("fd00::/16")));
  EXPECT_FALSE(ParsePrefix("10.0.0.0/8")->Contains(*ParseAddress("::")));
  EXPECT_EQ(ToText(LinkLocalFrom(*ParseMac("02-00-0a-00-00-01"))), "fe80::aff:fe00:1");
}

TEST(CniResults, OfEveryVersionBecomeTheSame) {
  const char* old =
      R"({"ip4":{"ip":"10.1.0.2/24","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0"}]},"dns":{"nameservers":["10.1.0.1"]}})";
  const char* middle =
      R"({"cniVersion":"0.4.0","interfaces":[{"name":"veth0","mac":"00:00:00:00:00:01"},{"name":"eth0","sandbox":"/x"}],
      "ips":[{"version":"4","interface":1,"address":"10.1.0.2/24","gateway":"10.1.0.1"}],"routes":[{"dst":"0.0.0.0/0"}],"dns":{"nameservers":["10.1.0.1"]}})";
  const char* newest =
      R"({"cniVersion":"1.1.0","interfaces":[{"name":"veth0"},{"name":"eth0","sandbox":"/x","mtu":1500}],
      "ips":[{"interface":1,"address":"10.1.0.2/24","gateway":"10.1.0.1"}],"routes":[{"dst":"0.0.0.0/0","mtu":1400}],"dns":{"nameservers":["10.1.0.1"]}})";
  for (const char* text : {old, middle, newest}) {
    auto result = ParseCniResult(text);
    ASSERT_TRUE(result) << result.error().Text();
    auto addresses = result->AddressesOf("eth0");
    ASSERT_EQ(addresses.size(), 1u) << text;
    EXPECT_EQ(ToText(addresses[0].address), "10.1.0.2/24");
    EXPECT_EQ(ToText(*addresses[0].gateway), "10.1.0.1");
    EXPECT_EQ(result->routes.size(), 1u);
    EXPECT_EQ(result->dns.nameservers, std::vector<std::string>{"10.1.0.1"});
  }
}

TEST(CniResults, ThatMakeNoSenseAreRefused) {
  for (const char* text :
       {"", "null", "[]", "{", R"({"cniVersion":"9.0.0"})", R"({"ip4":{"ip":"10.1.0.2"}})",
        R"({"ip4":7})", R"({"cniVersion":"1.0.0","ips":[{"address":"x"}]})",
        R"({"cniVersion":"1.0.0","ips":{}})",
        R"({"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8","interface":3}]})",
        R"({"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8","interface":-7}]})",
        R"({"cniVersion":"1.0.0","routes":[{}]})",
        R"({"cniVersion":"1.0.0","dns":{"nameservers":["evil\nnameserver 6.6.6.6"]}})",
        R"({"cniVersion":"1.0.0","interfaces":[7]})", R"({"cniVersion":1})"}) {
    EXPECT_FALSE(ParseCniResult(text)) << text;
  }
  std::string many = R"({"cniVersion":"1.0.0","interfaces":[)";
  for (int i = 0; i < 5000; ++i) many += i > 0 ? ",{}" : "{}";
  EXPECT_FALSE(ParseCniResult(many + "]}"));
  std::string deep(100000, '[');
  EXPECT_FALSE(ParseCniResult(deep));
}

TEST(CniResults, ErrorsAreShownWithoutEscapes) {
  EXPECT_EQ(*ParseCniError(R"({"code":11,"msg":"try \u001b[31magain","details":"later"})"),
            "try \\x1b[31magain; later (code 11)");
  EXPECT_FALSE(ParseCniError("no json"));
}

Applied SomeNetworks() {
  Applied applied;
  applied.uuid = "0c8398c1-877c-4164-88b9-ebe1639a2997";
  applied.has_rules = true;
  AppliedNetwork network;
  network.name = "default";
  network.file = "99-default.conf";
  network.interface = "eth0";
  network.lease_dir = "/leases";
  network.rules.network = "default";
  network.rules.subnets = {*ParsePrefix("10.1.0.0/24")};
  network.rules.addresses = {*ParseAddress("10.1.0.2")};
  network.rules.masquerade = network.rules.check_sender = true;
  network.rules.link = "rktv0c8398c1-0";
  network.rules.pod_mac = *ParseMac("02:00:00:00:00:01");
  applied.networks.push_back(network);
  PortRule port;
  port.protocol = IPPROTO_TCP;
  port.host_port = 8080;
  port.pod = *ParseAddress("10.1.0.2");
  port.pod_port = 80;
  applied.ports.push_back(port);
  port.host = ParseAddress("192.0.2.9");
  port.protocol = IPPROTO_UDP;
  applied.ports.push_back(port);
  return applied;
}

TEST(AppliedRecord, ComesBackAsItWas) {
  Applied applied = SomeNetworks();
  std::string text = WriteApplied(applied);
  auto read = ParseApplied(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(WriteApplied(*read), text);
  EXPECT_EQ(read->ports, applied.ports);
  for (size_t cut = 0; cut < text.size(); cut += 7)
    EXPECT_FALSE(ParseApplied(std::string_view(text).substr(0, cut)));
  EXPECT_FALSE(ParseApplied(ReplaceAll(text, "99-default.conf", "../../x")));
}

TEST(Iptables, RulesCarryTheOriginalsNamesAndAreRemovedByThem) {
  Applied applied = SomeNetworks();
  std::string text = IptablesText(applied.Rules(), false);
  EXPECT_NE(text.find("-A RKT-PFWD-DNAT-0c8398c1 -p tcp -m tcp --dport 8080 -j DNAT "
                      "--to-destination 10.1.0.2:80\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("-A RKT-PFWD-DNAT-0c8398c1 -d 192.0.2.9/32 -p udp"), std::string::npos);
  EXPECT_NE(text.find("-I PREROUTING 1 -m addrtype --dst-type LOCAL -j RKT-PFWD-DNAT-0c8398c1\n"),
            std::string::npos);
  size_t chain = text.find(":CNI-");
  ASSERT_NE(chain, std::string::npos);
  std::string masquerade = text.substr(chain + 1, 28);
  std::string saved = StrCat(
      "*nat\n:PREROUTING ACCEPT [0:0]\n:OTHER - [0:0]\n:RKT-PFWD-DNAT-0c8398c1 - [0:0]\n:",
      masquerade,
      " - [0:0]\n-A PREROUTING -j OTHER\n-A PREROUTING -m addrtype --dst-type LOCAL -j "
      "RKT-PFWD-DNAT-0c8398c1\n"
      "-A POSTROUTING -s 10.1.0.2/32 -j ",
      masquerade, "\n-A RKT-PFWD-DNAT-0c8398c1 -j RETURN\nCOMMIT\n*raw\n:X - [0:0]\nCOMMIT\n");
  EXPECT_EQ(IptablesRemovalText(saved, applied.uuid, {"default"}),
            StrCat("*nat\n-F RKT-PFWD-DNAT-0c8398c1\n-F ", masquerade,
                   "\n-D PREROUTING -m addrtype --dst-type LOCAL -j RKT-PFWD-DNAT-0c8398c1\n-D "
                   "POSTROUTING -s 10.1.0.2/32 -j ",
                   masquerade, "\n-X RKT-PFWD-DNAT-0c8398c1\n-X ", masquerade, "\nCOMMIT\n"));
  EXPECT_EQ(IptablesRemovalText(saved, "11111111-877c-4164-88b9-ebe1639a2997", {"default"}), "");
  auto ports = ParseIptablesPorts(text, false);
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].owner, "0c8398c1");
  EXPECT_EQ(ports[1].rule.host_port, 8080);
  EXPECT_EQ(ToText(*ports[1].rule.host), "192.0.2.9");
}

TEST(Ports, AreSpreadCheckedAndDoNotCollideSilently) {
  appc::ForwardedPort web;
  web.name = "web";
  web.protocol = "tcp";
  web.pod_port = 80;
  web.host_port = 8080;
  web.count = 3;
  auto rules = SpreadPorts({web});
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 3u);
  EXPECT_EQ((*rules)[2].host_port, 8082);
  EXPECT_EQ((*rules)[2].pod_port, 82);
  appc::ForwardedPort same = web;
  same.host_ip = "192.0.2.1";
  same.host_port = 8082;
  EXPECT_FALSE(SpreadPorts({web, same}));
  same.protocol = "udp";
  EXPECT_TRUE(SpreadPorts({web, same}));
  for (auto break_it : {+[](appc::ForwardedPort& p) { p.host_ip = "x"; },
                        +[](appc::ForwardedPort& p) { p.protocol = "sctp"; },
                        +[](appc::ForwardedPort& p) { p.host_port = 65535; },
                        +[](appc::ForwardedPort& p) { p.pod_port = 0; },
                        +[](appc::ForwardedPort& p) { p.count = 0xffffffff; }}) {
    appc::ForwardedPort bad = web;
    break_it(bad);
    EXPECT_FALSE(SpreadPorts({bad}));
  }
  same.host_ip = "2001:db8::1";
  EXPECT_FALSE(RulesFor(*SpreadPorts({same}), {*ParseAddress("10.1.0.2")}));
  EXPECT_EQ(RulesFor(*rules, {*ParseAddress("10.1.0.2"), *ParseAddress("fd00::2")})->size(), 6u);
}

TEST(NetInfo, HasTheOriginalsKeys) {
  EXPECT_EQ(WriteNetInfo({}), "null");
  NetInfo info{"default",     "net/99-default.conf", "built-in/ptp", "eth0",
               "172.16.28.2", "IP=172.16.28.2",      "255.255.255.0"};
  EXPECT_EQ(
      WriteNetInfo({info}),
      R"([{"netName":"default","netConf":"net/99-default.conf","pluginPath":"built-in/ptp","ifName":"eth0","ip":"172.16.28.2","args":"IP=172.16.28.2","mask":"255.255.255.0"}])");
  EXPECT_EQ(ParseNetInfo(WriteNetInfo({info}))->at(0), info);
}

TEST(HostsFiles, LinesComeAndGoInPlace) {
  char name[] = "/tmp/rkt-hosts-test-XXXXXX";
  Fd file(::mkostemp(name, O_CLOEXEC));
  ASSERT_TRUE(WriteAll(file.get(), HostsBeginning({"10.0.0.9\tgiven"})));
  std::string a = MemberLine(*ParseAddress("10.1.0.2"), "alpha", {"web", "db"});
  std::string b = MemberLine(*ParseAddress("10.1.0.3"), "beta", {"web"});
  EXPECT_EQ(a, "10.1.0.2\talpha web web.alpha db db.alpha");
  auto text = [&] { return *ReadFile(name); };
  ASSERT_TRUE(AddHostsLine(file.get(), a) && AddHostsLine(file.get(), b));
  EXPECT_NE(text().find(StrCat("\n", a)), std::string::npos);
  EXPECT_NE(text().find(StrCat("\n", b)), std::string::npos);
  size_t size = text().size();
  ASSERT_TRUE(HideHostsLine(file.get(), a));
  EXPECT_EQ(text().find(StrCat("\n", a)), std::string::npos);
  EXPECT_NE(text().find(StrCat("\n", b)), std::string::npos);
  // A thousand that come and go take no more room.
  for (int i = 0; i < 1000; ++i) {
    std::string line = MemberLine(*ParseAddress("10.1.0.4"), StrCat("pod", i), {"web"});
    ASSERT_TRUE(AddHostsLine(file.get(), line) && HideHostsLine(file.get(), line));
  }
  EXPECT_EQ(text().size(), size);
  EXPECT_NE(text().find("10.0.0.9\tgiven\n"), std::string::npos);
  ::unlink(name);
}

}  // namespace
}  // namespace rkt::network
