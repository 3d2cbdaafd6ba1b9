// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/stage1_contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace rkt::stage0 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kUuid[] = "6cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5";

Stage1Contract Contract(int version, const std::vector<std::string>& more = {}) {
  appc::ImageManifest manifest;
  manifest.annotations.push_back({"coreos.com/rkt/stage1/run", "/init"});
  manifest.annotations.push_back({"coreos.com/rkt/stage1/gc", "gc"});
  if (version > 0) {
    manifest.annotations.push_back({"coreos.com/rkt/stage1/interface-version", StrCat(version)});
  }
  for (const std::string& name : more) {
    manifest.annotations.push_back({StrCat("coreos.com/rkt/stage1/", name), "/x"});
  }
  return *Stage1Contract::From(manifest);
}

RunOptions Everything() {
  RunOptions options;
  options.debug = true;
  options.interactive = true;
  options.net = {"a", "b:IP=1.2.3.4"};
  options.hostname = "host";
  options.ipc = "parent";
  options.local_config = "/etc/rkt";
  options.dns.mode = DnsConfig::Mode::kStage0;
  options.hosts.mode = HostsConfig::Mode::kHost;
  options.insecure_capabilities = true;
  options.insecure_paths = true;
  options.insecure_seccomp = true;
  return options;
}

TEST(Stage1Contract, GivesAllArgumentsInTheOrderOfVersion6) {
  std::vector<std::string> warnings;
  RunOptions options = Everything();
  options.mutable_pod = true;
  auto argv = RunArguments(Contract(6, {"app/rm", "app/start", "app/stop"}), "/p/init", options,
                           kUuid, "65536:65536", &warnings);
  ASSERT_TRUE(argv) << argv.error().Text();
  EXPECT_THAT(*argv, ElementsAre("/p/init", "--debug", "--net=a,b:IP=1.2.3.4", "--interactive",
                                 "--private-users=65536:65536", "--local-config=/etc/rkt",
                                 "--hostname=host", "--dns-conf-mode=resolv=stage0,hosts=host",
                                 "--disable-capabilities-restriction", "--disable-paths",
                                 "--disable-seccomp", "--mutable", "--ipc=parent", kUuid));
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(Stage1Contract, GivesAnImageWithoutAVersionWhatVersion1Knew) {
  std::vector<std::string> warnings;
  auto argv = RunArguments(Contract(0), "/p/init", Everything(), kUuid, "", &warnings);
  ASSERT_TRUE(argv);
  EXPECT_THAT(*argv, ElementsAre("/p/init", "--debug", "--net=a,b:IP=1.2.3.4", "--interactive",
                                 "--local-config=/etc/rkt", kUuid));
  EXPECT_THAT(warnings, ElementsAre("warning: --hostname option is not supported by stage1",
                                    "warning: --dns-conf-mode option is not supported by stage1",
                                    "warning: --ipc option is not supported by stage1"));
}

TEST(Stage1Contract, LeavesOutWhatIsTheDefault) {
  std::vector<std::string> warnings;
  auto argv = RunArguments(Contract(6), "/p/init", RunOptions(), kUuid, "", &warnings);
  EXPECT_THAT(*argv, ElementsAre("/p/init", "--net=default", kUuid));
}

TEST(Stage1Contract, RefusesMutablePodsWithoutTheirEntryPoints) {
  std::vector<std::string> warnings;
  RunOptions options;
  options.mutable_pod = true;
  auto argv =
      RunArguments(Contract(6, {"app/rm", "app/start"}), "/p/init", options, kUuid, "", &warnings);
  ASSERT_FALSE(argv);
  EXPECT_EQ(argv.error().message(), "stage1 does not support mutable pods");
}

TEST(Stage1Contract, PassesTheConfigurationToGcFromVersion5On) {
  EXPECT_THAT(GcArguments(Contract(5), "/p/gc", true, "/c", kUuid),
              ElementsAre("/p/gc", "--debug", "--local-config", "/c", kUuid));
  EXPECT_THAT(GcArguments(Contract(4), "/p/gc", false, "/c", kUuid), ElementsAre("/p/gc", kUuid));
}

TEST(Stage1Contract, EntryPointsBeginAtTheRoot) {
  EXPECT_EQ(Contract(6).EntryPoint("run"), "/init");
  EXPECT_EQ(Contract(6).EntryPoint("gc"), "/gc");
  EXPECT_EQ(Contract(6).EntryPoint("stop"), "");
}

TEST(Stage1Contract, ReplacesItsOwnVariablesInTheEnvironment) {
  char lock[] = "RKT_LOCK_FD=99", path[] = "PATH=/bin", context[] = "RKT_SELINUX_CONTEXT=evil";
  char log[] = "RKT_LOG=1:2:3";
  char* caller[] = {lock, path, context, log, nullptr};
  EXPECT_THAT(RunEnvironment(caller, 7, 12),
              ElementsAre("PATH=/bin", "RKT_LOCK_FD=7", "RKT_SELINUX_CONTEXT=",
                          "RKT_SELINUX_MOUNT_CONTEXT=", "RKT_PRIVATE_MOUNTS=12"));
  EXPECT_THAT(RunEnvironment(caller, 7, 12, {.log = "4096::0"}), testing::Contains("RKT_LOG=4096::0"));
}

TEST(Stage1Contract, RuntimeConfigHasTheDocumentedKeys) {
  auto config = json::Parse(RuntimeConfig(Everything(), ""));
  ASSERT_TRUE(config);
  for (const char* key :
       {"MetadataServiceURL", "PrivateUsers", "MDSToken", "Hostname", "Debug", "Mutable",
        "ResolvConfMode", "EtcHostsMode", "NetList", "Interactive", "InsecureOptions", "IPCMode"}) {
    EXPECT_NE(config->Find(key), nullptr) << key;
  }
  EXPECT_EQ(config->members().size(), 12u);
  EXPECT_EQ(config->Find("InsecureOptions")->members().size(), 3u);
  EXPECT_EQ(config->Find("EtcHostsMode")->text(), "host");
}

TEST(NameFiles, HaveWhatWasAskedFor) {
  DnsConfig dns;
  dns.nameservers = {"8.8.8.8", "1.1.1.1"};
  dns.search = {"a.example", "b.example"};
  dns.options = {"debug"};
  dns.domain = "example";
  EXPECT_EQ(ResolvConfText(dns),
            "# Generated by rkt run\n\nsearch a.example b.example\nnameserver 8.8.8.8\nnameserver "
            "1.1.1.1\n"
            "options debug\ndomain example\n");
}

TEST(Stage1Contract, EnterFlagsAreThoseThatAreListed) {
  appc::ImageManifest manifest;
  EXPECT_FALSE(Stage1Contract::From(manifest)->KnowsEnterFlag("user"));
  manifest.annotations.push_back({"coreos.com/rkt/stage1/enter-flags", "user, group"});
  Stage1Contract contract = *Stage1Contract::From(manifest);
  EXPECT_TRUE(contract.KnowsEnterFlag("user"));
  EXPECT_TRUE(contract.KnowsEnterFlag("group"));
  EXPECT_FALSE(contract.KnowsEnterFlag("privileged"));
  EXPECT_FALSE(contract.KnowsEnterFlag(""));
}

}  // namespace
}  // namespace rkt::stage0
