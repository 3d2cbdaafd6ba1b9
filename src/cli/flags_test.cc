// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/duration.h"
#include "cli/commands.h"

namespace rkt::cli {
namespace {

using ::testing::ElementsAre;

void Enter(Invocation& invocation, const CommandSpec& command) {
  invocation.path = {&kRootCommand, &command};
}

// The error's message, or the words joined by '|'.
std::string Parse(Invocation& invocation, const std::vector<std::string_view>& arguments) {
  auto parsed = ParseFlags(invocation, arguments);
  if (!parsed) return parsed.error().message();
  std::string text = parsed->help ? "help" : "";
  for (std::string_view word : parsed->words) text += StrCat("|", word);
  return text;
}

std::string ParseFor(const CommandSpec& command, const std::vector<std::string_view>& arguments) {
  Invocation invocation;
  Enter(invocation, command);
  return Parse(invocation, arguments);
}

TEST(Flags, ValuesComeWithEqualsOrAsTheNextWord) {
  Invocation invocation;
  Enter(invocation, kCatManifestCommand);
  EXPECT_EQ(Parse(invocation, {"--uuid-file", "a", "x", "--uuid-file=b=c"}), "|x");
  EXPECT_EQ(invocation.Text("uuid-file"), "b=c");
  EXPECT_THAT(invocation.All("uuid-file"), ElementsAre("a", "b=c"));
}

TEST(Flags, BooleansTakeTheirValueWithEqualsOnly) {
  Invocation invocation;
  Enter(invocation, kListCommand);
  EXPECT_EQ(Parse(invocation, {"--full", "false", "--no-legend=T"}), "|false");
  EXPECT_TRUE(invocation.Bool("full"));
  EXPECT_TRUE(invocation.Bool("no-legend"));
  EXPECT_EQ(Parse(invocation, {"--full=0"}), "");
  EXPECT_FALSE(invocation.Bool("full"));
  EXPECT_EQ(Parse(invocation, {"--full=maybe"}),
            "invalid argument \"maybe\" for --full=maybe: strconv.ParseBool: parsing \"maybe\": "
            "invalid syntax, want true or false");
}

TEST(Flags, DefaultsComeFromTheTable) {
  Invocation invocation;
  Enter(invocation, kGcCommand);
  EXPECT_EQ(invocation.Duration("grace-period"), 1800 * kSecond);
  EXPECT_FALSE(invocation.Given("grace-period"));
  EXPECT_EQ(Parse(invocation, {"--grace-period=0s"}), "");
  EXPECT_EQ(invocation.Duration("grace-period"), 0);
  EXPECT_TRUE(invocation.Given("grace-period"));
}

TEST(Flags, SomeValuesMayBeLeftOut) {
  Invocation invocation;
  Enter(invocation, kStatusCommand);
  EXPECT_EQ(invocation.Text("wait"), "false");
  EXPECT_EQ(Parse(invocation, {"--wait", "uuid"}), "|uuid");
  EXPECT_EQ(invocation.Text("wait"), "true");
  EXPECT_EQ(Parse(invocation, {"--wait=10s"}), "");
  EXPECT_EQ(invocation.Text("wait"), "10s");
}

TEST(Flags, MistakesHaveTheirMessages) {
  EXPECT_EQ(ParseFor(kListCommand, {"--bogus=1"}), "unknown flag: --bogus");
  EXPECT_EQ(ParseFor(kListCommand, {"---"}), "bad flag syntax: ---");
  EXPECT_EQ(ParseFor(kListCommand, {"--=x"}), "bad flag syntax: --=x");
  EXPECT_EQ(ParseFor(kListCommand, {"--format"}), "flag needs an argument: --format");
  EXPECT_EQ(ParseFor(kListCommand, {"-x"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(ParseFor(kListCommand, {"--format=yaml"}),
            "invalid argument \"yaml\" for --format=yaml: Invalid format option: yaml");
  EXPECT_EQ(ParseFor(kGcCommand, {"--grace-period", "soon"}),
            "invalid argument \"soon\" for --grace-period: time: invalid duration \"soon\", want numbers with units, such as 30m or 24h");
}

TEST(Flags, DoubleDashEndsThem) {
  EXPECT_EQ(ParseFor(kListCommand, {"a", "--", "--full", "--"}), "|a|--full|--");
  EXPECT_EQ(ParseFor(kListCommand, {"-", "a"}), "|-|a");
}

TEST(Flags, TheFirstWordEndsThemForCommandsThatRunOthers) {
  Invocation invocation;
  Enter(invocation, kEnterCommand);
  EXPECT_EQ(Parse(invocation, {"--app=a", "uuid", "ls", "--app=b", "--"}), "|uuid|ls|--app=b|--");
  EXPECT_EQ(invocation.Text("app"), "a");
}

TEST(Flags, LettersStandForFlags) {
  Invocation invocation;
  Enter(invocation, kLogsCommand);
  EXPECT_EQ(Parse(invocation, {"-f", "uuid"}), "|uuid");
  EXPECT_TRUE(invocation.Bool("follow"));
  EXPECT_EQ(ParseFor(kListCommand, {"-h"}), "help");
}

TEST(Flags, GlobalFlagsHoldForEveryCommand) {
  Invocation invocation;
  Enter(invocation, kListCommand);
  EXPECT_EQ(Parse(invocation, {"--dir=/a/./b/../c//", "--insecure-options=IMAGE,paths"}), "");
  EXPECT_EQ(invocation.globals.dir, "/a/c");
  EXPECT_EQ(invocation.globals.insecure, kInsecureImage | kInsecurePaths);
  EXPECT_TRUE(invocation.globals.SkipImageCheck());
}

TEST(InsecureOptions, AreACommaListWithoutRepetition) {
  EXPECT_EQ(*ParseInsecureOptions(""), kInsecureNone);
  EXPECT_EQ(*ParseInsecureOptions("none"), kInsecureNone);
  EXPECT_EQ(*ParseInsecureOptions("all-run"),
            kInsecureCapabilities | kInsecurePaths | kInsecureSeccomp | kInsecureLimits);
  EXPECT_EQ(*ParseInsecureOptions("all"), 0x1fbu);
  EXPECT_EQ(ParseInsecureOptions("foo").error().message(), "unknown option \"foo\"");
  EXPECT_EQ(ParseInsecureOptions("image,Image").error().message(), "duplicated option \"image\"");
}

TEST(AbsolutePath, NeverLeavesTheRoot) {
  EXPECT_EQ(*AbsolutePath("/../../x"), "/x");
  EXPECT_EQ(*AbsolutePath("/"), "/");
  EXPECT_EQ(*AbsolutePath("/a/b/../.."), "/");
}

}  // namespace
}  // namespace rkt::cli
