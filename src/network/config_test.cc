// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::network {
namespace {

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/rkt-config-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { (void)RemoveTreeAt(AT_FDCWD, path); }
  void Add(const std::string& file, const std::string& text, mode_t mode = 0644) {
    ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(path, "/", file), text, mode, true));
  }
  std::string path;
};

std::string Ptp(const std::string& name, const std::string& more = "",
                const std::string& ipam = R"("subnet":"10.1.0.0/24")") {
  return StrCat(R"({"name":")", name, R"(","type":"ptp",)", more, R"("ipam":{"type":"host-local",)",
                ipam, "}}");
}

// The complaint about a file, empty where it is fine.
std::string Complaint(const std::string& text,
                      const std::string& path = "/etc/rkt/net.d/10-a.conf") {
  auto config = ParseNetworkConfig(text, path);
  if (!config) return config.error().Text();
  Status chosen = ChooseEngine(*config, {});
  return chosen ? "" : chosen.error().Text();
}

TEST(NetworkConfigs, BuiltInOnesAreValidAndSortedAsTheOriginalsFiles) {
  auto networks = LoadNetworkConfigs({});
  ASSERT_TRUE(networks);
  ASSERT_EQ(networks->size(), 2u);
  EXPECT_EQ((*networks)[0].name, "default-restricted");
  EXPECT_EQ((*networks)[1].name, "default");
  for (NetworkConfig& network : *networks) {
    ASSERT_TRUE(ChooseEngine(network, {}));
    ASSERT_TRUE(network.engine);
  }
  EXPECT_TRUE((*networks)[1].engine->ip_masq);
  EXPECT_FALSE((*networks)[0].engine->ip_masq);
  EXPECT_TRUE((*networks)[0].engine->routes.empty());
  EXPECT_EQ(ToText((*networks)[1].engine->ranges[0][0].subnet), "172.16.28.0/24");
  EXPECT_EQ(ToText((*networks)[1].engine->ranges[0][0].gateway), "172.16.28.1");
}

TEST(NetworkConfigs, LocalFilesGoBeforeStage1sBeforeBuiltInOnes) {
  Directory local, stage1;
  local.Add("50-x.conf", Ptp("default", R"("mtu":1400,)"));
  local.Add("60-again.conf", Ptp("default", R"("mtu":1300,)"));
  stage1.Add("10-y.conf", Ptp("default"));
  stage1.Add("10-z.conf", Ptp("other"));
  stage1.Add("ignored.txt", "no JSON");
  ConfigSources sources{.local_dir = local.path, .stage1_dir = stage1.path};
  auto networks = LoadNetworkConfigs(sources);
  ASSERT_TRUE(networks) << networks.error().Text();
  ASSERT_EQ(networks->size(), 3u);
  EXPECT_EQ((*networks)[0].name, "other");
  EXPECT_EQ((*networks)[1].file, "50-x.conf");
  EXPECT_EQ((*networks)[2].name, "default-restricted");
}

TEST(NetworkConfigs, ComplaintsNameFileFieldAndRule) {
  struct Case {
    std::string text;
    const char* field;
    const char* rule;
  };
  const Case cases[] = {
      {R"({"type":"ptp"})", "name", "missing"},
      {R"({"name":"../x","type":"ptp"})", "name", "letter or digit"},
      {R"({"name":"host","type":"ptp"})", "name", "meaning"},
      {R"({"name":"a"})", "type", "missing"},
      {R"({"name":"a","type":"../../bin/sh"})", "type", "not the name of a plugin"},
      {R"({"name":"a","type":7})", "type", "must be a string"},
      {R"({"name":"a","cniVersion":"one","type":"ptp"})", "cniVersion", "MAJOR.MINOR.PATCH"},
      {Ptp("a", R"("ipMasq":"yes",)"), "ipMasq", "must be a boolean"},
      {Ptp("a", R"("mtu":70000,)"), "mtu", "from 0 to 65535"},
      {Ptp("a", "", R"("subnet":"10.1.0.0")"), "ipam.subnet", "ADDRESS/LENGTH"},
      {Ptp("a", "", R"("subnet":"10.1.0.1/24")"), "ipam.subnet", "host bits"},
      {Ptp("a", "", R"("subnet":"10.1.0.0/31")"), "ipam.subnet", "too small"},
      {Ptp("a", "", R"("subnet":"10.1.0.0/24","gateway":"10.2.0.1")"), "ipam.gateway", "outside"},
      {Ptp("a", "", R"("subnet":"10.1.0.0/24","rangeStart":"10.1.0.9","rangeEnd":"10.1.0.2")"),
       "ipam.rangeStart", "behind"},
      {Ptp("a", "", R"("ranges":[[]])"), "ipam.ranges[0]", "at least one"},
      {Ptp("a", "", R"("ranges":[[{"subnet":"10.1.0.0/24"}],[{"subnet":"10.1.0.0/16"}]])"),
       "ipam.ranges", "overlap"},
      {Ptp("a", "", R"("subnet":"10.1.0.0/24","routes":[{"gw":"10.1.0.1"}])"), "ipam.routes[0].dst",
       "missing"},
      {Ptp("a", "", R"("subnet":"10.1.0.0/24","routes":[{"dst":"::/0","gw":"10.1.0.1"}])"),
       "ipam.routes[0].gw", "family"},
      {Ptp("a", R"("dns":{"nameservers":["x"]},)"), "dns.nameservers", "not an IP address"},
      {Ptp("a", R"("dns":{"search":["x\nnameserver 192.0.2.1"]},)"), "dns.search", "not a word"},
      {Ptp("a", R"("dns":{"domain":"x y"},)"), "dns.domain", "not a word"},
      {Ptp("a", R"("ipMasquerade":true,)"), "ipMasquerade", "does not know it"},
      {Ptp("a", R"("engine":"docker",)"), "engine", "neither"},
      {R"({"name":"a","type":"ptp"})", "ipam", "missing"},
      {R"({"name":"a","type":"bridge","bridge":"a/b","ipam":{"type":"host-local","subnet":"10.1.0.0/24"}})",
       "bridge", "interface's name"},
      {R"({"name":"a","type":"macvlan","mode":"open","ipam":{"type":"host-local","subnet":"10.1.0.0/24"}})",
       "mode", "none of bridge"},
      {R"({"name":"a","type":"flannel","engine":"rkt"})", "engine", "built in"},
  };
  for (const Case& c : cases) {
    std::string complaint = Complaint(c.text);
    EXPECT_NE(complaint.find("/etc/rkt/net.d/10-a.conf"), std::string::npos) << c.text << "\n"
                                                                             << complaint;
    EXPECT_NE(complaint.find(StrCat("field \"", c.field, "\"")), std::string::npos)
        << c.text << "\n"
        << complaint;
    EXPECT_NE(complaint.find(c.rule), std::string::npos) << c.text << "\n" << complaint;
  }
  EXPECT_NE(Complaint("{").find("/etc/rkt/net.d/10-a.conf"), std::string::npos);
}

TEST(NetworkConfigs, ListsNeedTheirSuffixAndPlugins) {
  Directory local;
  local.Add("10-a.conf", R"({"name":"a","plugins":[{"type":"ptp"}]})");
  auto networks = LoadNetworkConfigs({.local_dir = local.path});
  ASSERT_FALSE(networks);
  EXPECT_NE(networks.error().Text().find("10-a.conf"), std::string::npos);
  EXPECT_NE(Complaint(R"({"name":"a","plugins":[]})").find("\"plugins\": must hold at least one"),
            std::string::npos);
  EXPECT_NE(Complaint(R"({"name":"a","plugins":[{"type":"ptp"},7]})")
                .find("\"plugins[1]\": must be an object"),
            std::string::npos);
}

TEST(NetworkConfigs, ThePluginIsTakenWhereItLiesInRktsDirectoriesOrTheFileAsksForIt) {
  Directory plugins, system;
  ConfigSources sources{.plugin_dirs = {plugins.path}, .system_plugin_dirs = {system.path}};
  auto choose = [&](const std::string& text) {
    auto config = ParseNetworkConfig(text, "/x/10-a.conf");
    Status chosen = ChooseEngine(*config, sources);
    return !chosen ? chosen.error().Text() : config->engine ? "engine" : config->plugins[0].program;
  };
  EXPECT_EQ(choose(Ptp("a")), "engine");
  EXPECT_NE(choose(Ptp("a", R"("engine":"plugin",)")).find(system.path), std::string::npos);
  system.Add("ptp", "#!/bin/sh\n", 0755);
  EXPECT_EQ(choose(Ptp("a")), "engine");
  EXPECT_EQ(choose(Ptp("a", R"("engine":"plugin",)")), StrCat(system.path, "/ptp"));
  // A field that only the plugin knows, another IPAM, a chain.
  EXPECT_EQ(choose(Ptp("a", R"("vrf":"x",)")), StrCat(system.path, "/ptp"));
  EXPECT_EQ(choose(R"({"name":"a","type":"ptp","ipam":{"type":"dhcp"}})"),
            StrCat(system.path, "/ptp"));
  plugins.Add("ptp", "#!/bin/sh\n", 0755);
  EXPECT_EQ(choose(Ptp("a")), StrCat(plugins.path, "/ptp"));
  EXPECT_EQ(choose(Ptp("a", R"("engine":"rkt",)")), "engine");
}

}  // namespace
}  // namespace rkt::network
