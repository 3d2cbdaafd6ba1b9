// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/app_args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/flags.h"

namespace rkt::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Parses a command line of run as Dispatch does; the error's text, or nothing.
std::string ParseRun(Invocation& invocation, const std::vector<std::string_view>& arguments,
                     const CommandSpec& command = kRunCommand) {
  invocation.path = {&kRootCommand, &command};
  auto parsed = ParseFlags(invocation, arguments);
  if (!parsed) return parsed.error().Text();
  invocation.words = parsed->words;
  bool help = false;
  Status status = ParseAppArguments(invocation, &command != &kFetchCommand, help);
  return status ? "" : status.error().Text();
}

std::string RunError(const std::vector<std::string_view>& arguments) {
  Invocation invocation;
  return ParseRun(invocation, arguments);
}

// "a[x y] b[]": images with their arguments.
std::string Images(const std::vector<std::string_view>& arguments) {
  Invocation invocation;
  std::string error = ParseRun(invocation, arguments);
  if (!error.empty()) return error;
  std::string text;
  for (const AppArguments& app : invocation.pod().apps) {
    if (!text.empty()) text += ' ';
    text += StrCat(app.image, "[", Join(app.request.args, " "), "]");
  }
  return text;
}

TEST(AppArguments, StandBetweenTwoAndThreeDashes) {
  EXPECT_EQ(Images({"A", "--", "-x", "-y", "---", "B", "--", "z"}), "A[-x -y] B[z]");
  EXPECT_EQ(Images({"A", "--", "--name=x", "--", "", "---"}), "A[--name=x -- ]");
  EXPECT_EQ(Images({"A", "--"}), "A[]");
}

TEST(AppArguments, ThreeDashesAloneSeparateImages) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"A", "---", "B", "--name=b"}), "");
  ASSERT_EQ(invocation.pod().apps.size(), 2u);
  EXPECT_EQ(invocation.pod().apps[1].request.name, "b");
  EXPECT_FALSE(invocation.pod().apps[0].request.name);
}

TEST(AppArguments, ThreeDashesBehindFlagsAreAMistake) {
  EXPECT_EQ(RunError({"A", "--name=x", "---", "B"}), "bad flag syntax: ---");
}

TEST(AppArguments, FlagsBeforeTheTwoDashesBelongToTheImage) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"A", "--user=1", "--exec", "/bin/sh", "--", "-c", "ls"}), "");
  ASSERT_EQ(invocation.pod().apps.size(), 1u);
  const pod::AppRequest& app = invocation.pod().apps[0].request;
  EXPECT_EQ(app.user, "1");
  EXPECT_EQ(app.exec, "/bin/sh");
  EXPECT_THAT(app.args, ElementsAre("-c", "ls"));
}

TEST(AppArguments, OneSetIsAllowedForEachImage) {
  EXPECT_EQ(RunError({"A", "--", "a", "---", "--", "b"}),
            "only one set of app arguments allowed per image");
  EXPECT_EQ(Images({"A", "--", "a", "---", "A", "--", "b"}), "A[a] A[b]");
}

TEST(AppArguments, NeedAnImage) {
  // The first "--" is eaten by the flags; what follows is an image.
  EXPECT_EQ(Images({"--", "a", "B"}), "a[] B[]");
  EXPECT_EQ(RunError({"--", "--", "a"}), "an image is required before any app arguments");
}

TEST(AppArguments, FetchTakesNone) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"A", "--", "a"}, kFetchCommand), "app arguments unsupported");
}

TEST(AppArguments, EmptyWordsAreNoImages) { EXPECT_EQ(Images({"", "A", ""}), "A[]"); }

TEST(AppFlags, MustFollowAnImage) {
  EXPECT_EQ(RunError({"--memory=1G", "A"}),
            "invalid argument \"1G\" for --memory=1G: --memory must follow an image");
  EXPECT_THAT(RunError({"--caps-remove=CAP_CHOWN", "A"}), HasSubstr("must follow an image"));
}

TEST(AppFlags, ExecAndSignatureAreGivenOnce) {
  EXPECT_EQ(RunError({"A", "--exec=/a", "--exec=/b"}),
            "invalid argument \"/b\" for --exec=/b: "
            "--exec specified multiple times for the same image");
  EXPECT_EQ(RunError({"A", "--exec=/a", "B", "--exec=/b"}), "");
  EXPECT_THAT(RunError({"A", "--signature=a", "--signature=b"}),
              HasSubstr("--signature specified multiple times for the same image"));
}

TEST(AppFlags, LaterScalarsReplaceAndGroupsAccumulate) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation,
                     {"A", "--name=a", "--name=b", "--supplementary-gids=1,2",
                      "--supplementary-gids=3", "--caps-retain=CAP_KILL", "--caps-retain=CAP_CHOWN",
                      "--environment=X=1", "--environment=X=2", "--environment=Y="}),
            "");
  const pod::AppRequest& app = invocation.pod().apps[0].request;
  EXPECT_EQ(app.name, "b");
  EXPECT_THAT(*app.supplementary_gids, ElementsAre(1u, 2u, 3u));
  EXPECT_THAT(*app.caps_retain, ElementsAre("CAP_CHOWN"));
  EXPECT_THAT(app.environment, ElementsAre(pod::KeyValue("X", "2"), pod::KeyValue("Y", "")));
}

TEST(AppFlags, ReadOnlyRootNeedsAValue) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"A", "--readonly-rootfs=true"}), "");
  EXPECT_TRUE(invocation.pod().apps[0].request.read_only_root_fs);
  EXPECT_EQ(RunError({"A", "--readonly-rootfs"}), "flag needs an argument: --readonly-rootfs");
}

TEST(AppFlags, LimitsAreChecked) {
  EXPECT_THAT(RunError({"A", "--memory=16m"}), HasSubstr("too low"));
  EXPECT_THAT(RunError({"A", "--cpu-shares=1"}), StartsWith("invalid argument \"1\""));
  EXPECT_THAT(RunError({"A", "--oom-score-adj=2000"}), StartsWith("invalid argument \"2000\""));
  EXPECT_EQ(RunError({"A", "--oom-score-adj=-1000", "--cpu-shares=262144", "--cpu=500m"}), "");
}

TEST(Mounts, AreGlobalBeforeTheFirstImage) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"--volume=v,kind=empty", "--mount=volume=v,target=/g", "A",
                                  "--mount=volume=v,target=/a"}),
            "");
  ASSERT_EQ(invocation.pod().mounts.size(), 1u);
  EXPECT_EQ(invocation.pod().mounts[0].path, "/g");
  ASSERT_EQ(invocation.pod().apps[0].request.mounts.size(), 1u);
  EXPECT_EQ(invocation.pod().apps[0].request.mounts[0].path, "/a");
}

TEST(Mounts, NeedTheirVolume) {
  EXPECT_EQ(RunError({"--mount=volume=v,target=/p", "A"}),
            "dangling mount point \"/p\": volume \"v\" not found");
  EXPECT_EQ(RunError({"A", "--mount=volume=v,target=/p"}),
            "dangling mount point \"/p\": volume \"v\" not found");
}

TEST(PodFlagValues, OneStage1AtMost) {
  EXPECT_THAT(RunError({"--stage1-name=a", "--stage1-path=b", "A"}),
              HasSubstr("flags --stage1-path and --stage1-name are mutually exclusive"));
  EXPECT_THAT(RunError({"--stage1-name=a", "--stage1-name=b", "A"}),
              HasSubstr("--stage1-name already used"));
}

TEST(PodFlagValues, NetworksAreNamedOnce) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"--net=a,b:IP=1.2.3.4;X=y", "A"}), "");
  EXPECT_THAT(invocation.pod().net, ElementsAre("a", "b:IP=1.2.3.4;X=y"));
  EXPECT_TRUE(invocation.pod().HasNet("b"));
  EXPECT_FALSE(invocation.pod().HasNet("b:IP=1.2.3.4"));
  Invocation bare;
  EXPECT_EQ(ParseRun(bare, {"--net", "A"}), "");
  EXPECT_THAT(bare.pod().net, ElementsAre("default"));
  EXPECT_THAT(RunError({"--net=a,a", "A"}), HasSubstr("found duplicate netname \"a\""));
  EXPECT_THAT(RunError({"--net=", "A"}), HasSubstr("netname must not be empty"));
}

TEST(PodFlagValues, VariablesAreSetOnce) {
  EXPECT_THAT(RunError({"--set-env=A=1", "--set-env=A=2", "I"}),
              HasSubstr("key \"A\" already set"));
  EXPECT_THAT(RunError({"--set-env=A", "I"}), HasSubstr("must be specified as key=value"));
}

TEST(PodFlagValues, FilesOfVariablesAreReadWhenTheyAreNamed) {
  char path[] = "/tmp/app_args_test.XXXXXX";
  int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, path, "# comment\n\nA=1\nB=x=y\n", 0600, true));
  std::string flag = StrCat("--set-env-file=", path);
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {flag, "I"}), "");
  EXPECT_THAT(invocation.pod().env_file,
              ElementsAre(pod::KeyValue("A", "1"), pod::KeyValue("B", "x=y")));
  EXPECT_THAT(RunError({flag, flag, "I"}), HasSubstr("already set"));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, path, "nonsense\n", 0600, true));
  EXPECT_THAT(RunError({flag, "I"}), HasSubstr(path));
  unlink(path);
}

TEST(PodFlagValues, StreamModesBecomeAnnotations) {
  Invocation invocation;
  EXPECT_EQ(ParseRun(invocation, {"A", "--stdin=tty", "--stdout=log", "--stdout=stream"}), "");
  EXPECT_THAT(invocation.pod().apps[0].request.annotations,
              ElementsAre(pod::KeyValue("coreos.com/rkt/stage2/stdin", "tty"),
                          pod::KeyValue("coreos.com/rkt/stage2/stdout", "stream")));
  EXPECT_THAT(RunError({"A", "--stdin=bogus"}), HasSubstr("invalid stdin mode \"bogus\""));
  EXPECT_THAT(RunError({"A", "--stdin=log"}), HasSubstr("invalid stdin mode \"log\""));
  EXPECT_THAT(RunError({"--stdin=null", "A"}), HasSubstr("--stdin must follow an image"));
}

}  // namespace
}  // namespace rkt::cli
