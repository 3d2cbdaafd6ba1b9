// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/options.h"

#include <gtest/gtest.h>

namespace rkt::native {
namespace {

constexpr char kUuid[] = "6733c088-a507-4694-aabf-edbe4fc5266f";

TEST(RunOptions, ReadsWhatStage0Passes) {
  auto options = ParseRunOptions({"--debug", "--net=none", "--interactive", "--local-config=/etc/rkt",
                                  "--hostname=web", "--dns-conf-mode=resolv=stage0,hosts=host",
                                  "--disable-capabilities-restriction", "--disable-paths", "--disable-seccomp",
                                  "--ipc=parent", kUuid});
  ASSERT_TRUE(options) << options.error().Text();
  EXPECT_EQ(options->uuid, kUuid);
  EXPECT_EQ(options->hostname, "web");
  EXPECT_EQ(options->resolv_mode, "stage0");
  EXPECT_EQ(options->hosts_mode, "host");
  EXPECT_TRUE(options->debug && options->interactive && options->disable_capabilities && options->disable_paths &&
              options->disable_seccomp);
  EXPECT_FALSE(options->PrivateIpc());
  EXPECT_EQ(options->net, std::vector<std::string>{"none"});
}

TEST(RunOptions, RefusesWhatItCannotDoByName) {
  auto error = [](const std::vector<std::string>& arguments) {
    auto options = ParseRunOptions(arguments);
    return options ? std::string("accepted") : options.error().Text();
  };
  EXPECT_NE(error({"--net=none", "--ipc=shared", kUuid}).find("unknown IPC mode \"shared\""), std::string::npos);
  EXPECT_NE(error({"--net=none", "--frob", kUuid}).find("unknown flag --frob"), std::string::npos);
  EXPECT_NE(error({"--net=none"}).find("UUID"), std::string::npos);
  EXPECT_NE(error({"--net=none", "not-a-uuid"}).find("UUID"), std::string::npos);
  EXPECT_EQ(error({"--net=none", "--mutable", kUuid}), "accepted");
  EXPECT_NE(error({"--net=none", "--mutable", "--interactive", kUuid}).find("mutable"), std::string::npos);
}

TEST(CrossingOptions, NameOneAppThatIsNoPath) {
  auto options = ParseCrossingOptions({"--debug=true", "--uuid=x", "--app=web"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->app, "web");
  options = ParseCrossingOptions({"--action=custom-attach", "--tty-in=true", "--tty-out=false", "--stdin=false",
                                  "--stdout=true", "--stderr=false", "--app=web", "--debug=false"});
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->tty_in && !options->tty_out && !options->standard_in && options->standard_out);
  for (const char* app : {"--app=", "--app=..", "--app=a/b", "--debug=true"}) {
    EXPECT_FALSE(ParseCrossingOptions({app})) << app;
  }
}

TEST(EnterOptions, TakesTheCommandBehindTheDashes) {
  auto options = ParseEnterOptions({"--pid=12", "--appname=web", "--", "sh", "-c", "--", "x"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->pid, 12);
  EXPECT_EQ(options->app, "web");
  EXPECT_EQ(options->argv, (std::vector<std::string>{"sh", "-c", "--", "x"}));
  EXPECT_FALSE(options->privileged);
  options = ParseEnterOptions({"--pid=12", "--app=web", "--user=me", "--group=7", "--privileged", "--", "sh"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->app, "web");
  EXPECT_EQ(options->user, "me");
  EXPECT_EQ(options->group, "7");
  EXPECT_TRUE(options->privileged);
  EXPECT_FALSE(ParseEnterOptions({"--pid=12", "--app=web", "--usr=me", "--", "sh"}));
  EXPECT_FALSE(ParseEnterOptions({"--pid=1", "--appname=web", "--", "sh"}));
  EXPECT_FALSE(ParseEnterOptions({"--pid=12", "--appname=web"}));
}

}  // namespace
}  // namespace rkt::native
