// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/app_args.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/pod_preparation.h"

namespace rkt::cli {
namespace {

using ::testing::ElementsAre;

class PodFlags : public ::testing::Test {
 protected:
  void Parse(const std::vector<std::string_view>& arguments,
             const CommandSpec& command = kRunCommand) {
    invocation_.path = {&kRootCommand, &command};
    auto parsed = ParseFlags(invocation_, arguments);
    ASSERT_TRUE(parsed) << parsed.error().Text();
    invocation_.words = parsed->words;
    bool help = false;
    Status status = ParseAppArguments(invocation_, true, help);
    ASSERT_TRUE(status) << status.error().Text();
  }
  std::string Conflict(const std::vector<std::string_view>& arguments) {
    Parse(arguments);
    auto policy = PullPolicy(invocation_);
    if (!policy) return policy.error().message();
    Status status = CheckPodArguments(invocation_, *policy);
    return status ? "" : status.error().message();
  }
  Invocation invocation_;
};

TEST_F(PodFlags, PullPolicyFollowsTheDeprecatedFlags) {
  Parse({"--store-only", "I"});
  EXPECT_EQ(*PullPolicy(invocation_), "never");
}

TEST_F(PodFlags, PullPolicyHasTheCommandsDefault) {
  Parse({"I"});
  EXPECT_EQ(*PullPolicy(invocation_), "new");
}

TEST_F(PodFlags, FetchUpdates) {
  Parse({"I"}, kFetchCommand);
  EXPECT_EQ(*PullPolicy(invocation_), "update");
}

TEST_F(PodFlags, PullPolicyOfBothKindsIsRefused) {
  EXPECT_EQ(Conflict({"--store-only", "--no-store", "I"}),
            "both --store-only and --no-store specified");
}

TEST_F(PodFlags, AnImageOrAManifestIsNeeded) {
  EXPECT_EQ(Conflict({}), "must provide at least one image or specify the pod manifest");
}

TEST_F(PodFlags, PortsNeedANetworkOfTheirOwn) {
  EXPECT_EQ(Conflict({"--port=www:80", "--net=none", "I"}),
            "--port flag does not work with 'none' networking");
}

TEST_F(PodFlags, PortsDoNotGoWithTheHostsNetwork) {
  EXPECT_EQ(Conflict({"--port=www:80", "--net=host", "I"}),
            "--port flag does not work with 'host' networking");
}

TEST_F(PodFlags, TerminalGoesToOneApp) {
  EXPECT_EQ(Conflict({"--interactive", "I", "I"}), "interactive option only supports one image");
}

TEST_F(PodFlags, ManifestGoesWithoutImages) {
  EXPECT_EQ(Conflict({"--pod-manifest=x", "I"}),
            "conflicting flags set with --pod-manifest (see --help)");
}

TEST_F(PodFlags, ManifestGoesWithoutPullPolicy) {
  EXPECT_EQ(Conflict({"--pod-manifest=x", "--pull-policy=never"}),
            "conflicting flags set with --pod-manifest (see --help)");
}

TEST_F(PodFlags, ManifestGoesWithNetworkAndName) {
  EXPECT_EQ(Conflict({"--pod-manifest=x", "--net=none", "--hostname=h"}), "");
}

TEST_F(PodFlags, DnsCollectsServersAndFields) {
  Parse({"--dns=8.8.8.8,::1", "--dns=1.1.1.1", "--dns-search=a", "--dns-search=b",
         "--dns-opt=ndots:1", "--dns-domain=d", "I"});
  auto dns = Dns(invocation_);
  ASSERT_TRUE(dns);
  EXPECT_EQ(dns->mode, stage0::DnsConfig::Mode::kStage0);
  EXPECT_THAT(dns->nameservers, ElementsAre("8.8.8.8", "::1", "1.1.1.1"));
  EXPECT_THAT(dns->search, ElementsAre("a", "b"));
  EXPECT_THAT(dns->options, ElementsAre("ndots:1"));
  EXPECT_EQ(dns->domain, "d");
}

TEST_F(PodFlags, DnsOfTheHostStandsAlone) {
  Parse({"--dns=host", "--dns=8.8.8.8", "I"});
  EXPECT_EQ(Dns(invocation_).error().message(),
            "no other --dns options allowed when --dns=host is passed");
}

TEST_F(PodFlags, DnsOfTheHostTakesNoFields) {
  Parse({"--dns=host", "--dns-search=a", "I"});
  EXPECT_EQ(Dns(invocation_).error().message(),
            "Cannot call --dns-opt, --dns-search, or --dns-domain with --dns=host");
}

TEST_F(PodFlags, DnsServersAreAddresses) {
  Parse({"--dns=999.1.1.1", "I"});
  EXPECT_EQ(Dns(invocation_).error().message(), "Invalid IP passed to --dns: 999.1.1.1");
}

TEST_F(PodFlags, HostsEntriesMergeByAddress) {
  Parse({"--hosts-entry=1.2.3.4=h1,5.6.7.8=h2", "--hosts-entry=1.2.3.4=h3", "I"});
  auto hosts = Hosts(invocation_);
  ASSERT_TRUE(hosts);
  ASSERT_EQ(hosts->entries.size(), 2u);
  EXPECT_EQ(hosts->entries[0].first, "1.2.3.4");
  EXPECT_THAT(hosts->entries[0].second, ElementsAre("h1", "h3"));
}

TEST_F(PodFlags, HostsOfTheHostStandAlone) {
  Parse({"--hosts-entry=host", "--hosts-entry=1.2.3.4=h", "I"});
  EXPECT_EQ(Hosts(invocation_).error().message(),
            "cannot pass --hosts-entry=host with multiple hosts-entries");
}

TEST_F(PodFlags, StartOptionsCarryTheGlobalFlags) {
  Parse({"--insecure-options=paths", "--local-config=/x", "--net=none", "--ipc=parent", "I"});
  auto options = StartOptions(invocation_);
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->insecure_paths);
  EXPECT_FALSE(options->insecure_seccomp);
  EXPECT_EQ(options->local_config, "/x");
  EXPECT_THAT(options->net, ElementsAre("none"));
  EXPECT_EQ(options->ipc, "parent");
}

}  // namespace
}  // namespace rkt::cli
