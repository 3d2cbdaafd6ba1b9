// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Texts that others write (configurations, results of plugins, records, lists of --net), good ones and thousands of
// damaged ones made of them: whatever comes, there is an answer, and what is accepted makes sense.

#include <gtest/gtest.h>

#include <functional>

#include "network/applied.h"
#include "network/cni_result.h"
#include "network/config.h"
#include "network/request.h"

namespace rkt::network {
namespace {

const char* const kConfigs[] = {
    R"({"name":"a","type":"ptp","ipMasq":true,"mtu":1400,"ipam":{"type":"host-local","subnet":"10.1.0.0/24","rangeStart":
"10.1.0.10","rangeEnd":"10.1.0.20","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0"},{"dst":"10.9.0.0/16","gw":"10.1.0.7"}]}})",
    R"({"cniVersion":"1.0.0","name":"b","type":"bridge","bridge":"b0","isDefaultGateway":true,"hairpinMode":true,"dns":{
"nameservers":["10.1.0.3","fd00::3"],"search":["x.example"],"domain":"example","options":["ndots:2"]},"ipam":{"type":
"host-local","ranges":[[{"subnet":"10.7.0.0/24"},{"subnet":"10.8.0.0/24","gateway":"10.8.0.9"}],[{"subnet":"fd00:7::/64"}]]}})",
    R"({"name":"c","type":"macvlan","master":"eth0","mode":"vepa","engine":"rkt","inbound":true,"ipam":{"type":"host-local",
"subnet":"192.0.2.0/28"}})",
    R"({"cniVersion":"1.1.0","name":"d","disableCheck":true,"plugins":[{"type":"bridge","ipam":{"type":"dhcp"}},{"type":
"portmap","capabilities":{"portMappings":true}},{"type":"tuning","sysctl":{"net.core.somaxconn":"100"}}]})",
};
const char* const kResults[] = {
    R"({"cniVersion":"0.1.0","ip4":{"ip":"10.1.0.2/24","gateway":"10.1.0.1","routes":[{"dst":"0.0.0.0/0"}]},"ip6":{"ip":
"fd00::2/64"},"dns":{"nameservers":["10.1.0.3"]}})",
    R"({"cniVersion":"0.4.0","interfaces":[{"name":"cni0","mac":"02:00:00:00:00:01"},{"name":"eth0","sandbox":"/proc/7/ns/net"}],
"ips":[{"version":"4","interface":1,"address":"10.1.0.2/24","gateway":"10.1.0.1"}],"routes":[{"dst":"10.0.0.0/8","gw":"10.1.0.1"}],
"dns":{"search":["a.example"],"domain":"b.example","options":["x"]}})",
    R"({"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"s","mtu":1500}],"ips":[{"interface":0,"address":
"fd00::2/64","gateway":"fd00::1"}],"routes":[{"dst":"::/0","gw":"fd00::1","mtu":1400,"priority":5,"scope":0}]})",
};
const char* const kLists[] = {"default:IP=10.1.0.2;MAC=02-00-00-00-00-01,b,c:K=V", "none", "all", "host,a"};

std::string ARecord() {
  Applied applied;
  applied.uuid = "0c8398c1-877c-4164-88b9-ebe1639a2997";
  applied.has_rules = true;
  AppliedNetwork network;
  network.name = "default";
  network.file = "99-default.conf";
  network.interface = "eth0";
  network.rules.addresses = {*ParseAddress("10.1.0.2")};
  network.rules.subnets = {*ParsePrefix("10.1.0.0/24")};
  network.rules.link = "rktv0c8398c1-0";
  applied.networks.push_back(network);
  applied.ports.push_back({6, ParseAddress("192.0.2.9"), 8080, *ParseAddress("10.1.0.2"), 80});
  return WriteApplied(applied);
}

// What stands in for a piece of a text.
const char* const kPieces[] = {
    "null", "true", "-1", "1e400", "99999999999999999999", "\"\"", "[]", "{}", "\"\\u0000\"", "\"\\ud800\"", "\"../../x\"",
    "\"a\\nb\"", "\"10.1.0.2/33\"", "\"::/129\"", "\"0.0.0.0/0\"", "[[[[[[[[[[]]]]]]]]]]", "\xff", ",", "\"\x1b[2J\"",
};

// Every text that lacks its end or a byte, has one bit turned, or has a value in the place of another.
void ForEachDamage(const std::string& text, const std::function<void(const std::string&)>& visit) {
  visit(text);
  for (size_t i = 0; i < text.size(); ++i) {
    visit(text.substr(0, i));
    visit(text.substr(0, i) + text.substr(i + 1));
    for (int bit : {0, 3, 7}) {
      std::string turned = text;
      turned[i] = static_cast<char>(turned[i] ^ (1 << bit));
      visit(turned);
    }
  }
  // Values: between ':' or '[' or ',' and the next ',' or bracket.
  for (size_t begin = 0; begin < text.size(); ++begin) {
    if (text[begin] != ':' && text[begin] != '[' && text[begin] != ',') continue;
    size_t end = text.find_first_of(",]}", begin + 1);
    if (end == std::string::npos) continue;
    for (const char* piece : kPieces) visit(text.substr(0, begin + 1) + piece + text.substr(end));
    // The same twice.
    visit(text.substr(0, end) + text.substr(begin));
  }
}

TEST(Replay, ConfigurationsAreRefusedWithTheFilesNameOrMakeSense) {
  int accepted = 0, refused = 0;
  for (const char* text : kConfigs) {
    std::string path = std::string(text).find("plugins") == std::string::npos ? "/c/net.d/10-a.conf" : "/c/net.d/10-a.conflist";
    ASSERT_TRUE(ParseNetworkConfig(text, path)) << text;
    ForEachDamage(text, [&](const std::string& damaged) {
      auto config = ParseNetworkConfig(damaged, path);
      if (!config) {
        ++refused;
        EXPECT_NE(config.error().Text().find(path), std::string::npos) << damaged;
        return;
      }
      ++accepted;
      EXPECT_FALSE(config->name.empty()) << damaged;
      EXPECT_EQ(config->name.find_first_of(std::string("/\0\n ", 4)), std::string::npos) << damaged;
      EXPECT_FALSE(config->plugins.empty()) << damaged;
      for (const PluginConfig& plugin : config->plugins) EXPECT_EQ(plugin.type.find('/'), std::string::npos) << damaged;
      auto engine = *config;
      if (!ChooseEngine(engine, {}) || !engine.engine) return;
      for (const RangeSet& set : engine.engine->ranges) {
        EXPECT_FALSE(set.empty()) << damaged;
        for (const IpRange& range : set) {
          EXPECT_TRUE(range.subnet.Contains(range.first) && range.subnet.Contains(range.last)) << damaged;
          EXPECT_TRUE(range.subnet.Contains(range.gateway)) << damaged;
          EXPECT_LE(range.first, range.last) << damaged;
        }
      }
    });
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

TEST(Replay, ResultsOfPluginsAreRefusedOrMakeSense) {
  int accepted = 0, refused = 0;
  for (const char* text : kResults) {
    ASSERT_TRUE(ParseCniResult(text)) << text;
    ForEachDamage(text, [&](const std::string& damaged) {
      auto result = ParseCniResult(damaged);
      (void)ParseCniError(damaged);
      if (!result) {
        ++refused;
        EXPECT_FALSE(result.error().Text().empty());
        return;
      }
      ++accepted;
      for (const CniAddress& address : result->addresses) {
        EXPECT_GE(address.address.length, 0) << damaged;
        EXPECT_LE(address.address.length, address.address.address.bits()) << damaged;
        if (address.interface) EXPECT_LT(static_cast<size_t>(*address.interface), result->interfaces.size()) << damaged;
      }
      for (const std::string& server : result->dns.nameservers) EXPECT_TRUE(ParseAddress(server)) << damaged;
      for (const std::string& name : result->dns.search) EXPECT_EQ(name.find('\n'), std::string::npos) << damaged;
      EXPECT_EQ(result->dns.domain.find('\n'), std::string::npos) << damaged;
      (void)result->AddressesOf("eth0");
    });
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

TEST(Replay, RecordsThatAreDamagedAreRefusedOrMakeSense) {
  int accepted = 0;
  ForEachDamage(ARecord(), [&](const std::string& damaged) {
    auto applied = ParseApplied(damaged);
    if (!applied) return;
    ++accepted;
    // What is taken back by it can be written and read again.
    auto again = ParseApplied(WriteApplied(*applied));
    ASSERT_TRUE(again) << damaged;
    EXPECT_EQ(again->networks.size(), applied->networks.size());
    EXPECT_EQ(again->ports.size(), applied->ports.size());
  });
  EXPECT_GT(accepted, 10);
}

TEST(Replay, ListsOfNetworksAreRefusedOrHaveNames) {
  for (const char* text : kLists) {
    ASSERT_TRUE(ParseNetworkList({text})) << text;
    ForEachDamage(text, [&](const std::string& damaged) {
      auto list = ParseNetworkList({damaged});
      if (!list) return;
      for (const NetworkChoice& choice : list->choices) EXPECT_FALSE(choice.name.empty()) << damaged;
    });
  }
}

}  // namespace
}  // namespace rkt::network
