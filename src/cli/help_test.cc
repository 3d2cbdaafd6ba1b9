// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/man.h"

namespace rkt::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The lines that stand at the left margin and end with a colon.
std::vector<std::string> Sections(const std::string& help) {
  std::vector<std::string> sections;
  for (const std::string& line : Split(help, '\n')) {
    if (line.ends_with(':') && line[0] != '\t' && line[0] != ' ') sections.push_back(line);
  }
  return sections;
}

TEST(Help, SectionsComeInOrder) {
  EXPECT_THAT(Sections(HelpText({&kRootCommand})),
              ElementsAre("NAME:", "USAGE:", "VERSION:", "COMMANDS:", "DESCRIPTION:", "OPTIONS:"));
  EXPECT_THAT(
      Sections(HelpText({&kRootCommand, &kImageCommand})),
      ElementsAre("NAME:", "USAGE:", "COMMANDS:", "DESCRIPTION:", "OPTIONS:", "GLOBAL OPTIONS:"));
  EXPECT_THAT(Sections(HelpText({&kRootCommand, &kListCommand})),
              ElementsAre("NAME:", "USAGE:", "DESCRIPTION:", "OPTIONS:", "GLOBAL OPTIONS:"));
}

TEST(Help, NamesTheCommandWithoutTheProgram) {
  std::string help = HelpText({&kRootCommand, &kImageCommand, &kImageRmCommand});
  EXPECT_THAT(help, HasSubstr("NAME:\n\timage rm - "));
  EXPECT_THAT(help, HasSubstr("USAGE:\n\trkt image rm IMAGE...\n"));
}

TEST(Help, FlagsShowTheirDefaults) {
  std::string help = HelpText({&kRootCommand, &kRunCommand});
  EXPECT_THAT(help, HasSubstr("\n      --no-overlay[=false]\t"));
  EXPECT_THAT(help, HasSubstr("\n      --pull-policy=\"new\"\t"));
  EXPECT_THAT(help, HasSubstr("\n      --net[=default]\t"));
  EXPECT_THAT(help, HasSubstr("\n      --dir=/var/lib/rkt\t"));
  EXPECT_THAT(help, HasSubstr("\n  -h, --help[=false]\t"));
  EXPECT_THAT(HelpText({&kRootCommand, &kStatusCommand}), HasSubstr("--wait[=\"false\"]\t"));
  EXPECT_THAT(HelpText({&kRootCommand, &kGcCommand}), HasSubstr("--grace-period=30m0s\t"));
}

TEST(Help, DeprecatedAndHiddenFlagsAreNotShown) {
  std::string help = HelpText({&kRootCommand, &kRunCommand});
  for (const char* flag :
       {"--store-only", "--no-store", "--cap-retain", "--cpuprofile"}) {
    EXPECT_THAT(help, Not(HasSubstr(flag)));
  }
}

TEST(Help, ListsNestedCommandsByTheirWholeName) {
  std::string help = HelpText({&kRootCommand});
  EXPECT_THAT(help, HasSubstr("\n\timage cat-manifest\t"));
  EXPECT_THAT(help, Not(HasSubstr("\n\timage\t")));
  EXPECT_THAT(help, Not(HasSubstr("image fetch")));
  EXPECT_THAT(HelpText({&kRootCommand, &kImageCommand}), HasSubstr("\n\tcat-manifest\t"));
}

TEST(Help, SaysWhatIsNotBuilt) {
  CommandSpec command = {.name = "x", .summary = "Do it"};
  EXPECT_EQ(Summary(command), "Do it");
  command.missing = true;
  EXPECT_EQ(Summary(command), "Do it (not available in this version)");
}

TEST(Help, EveryCommandAndFlagIsDescribed) {
  for (const ListedCommand& listed : VisibleCommands(kRootCommand)) {
    EXPECT_FALSE(listed.command->summary.empty()) << listed.name;
    if (listed.command->missing) continue;
    EXPECT_FALSE(listed.command->description.empty()) << listed.name;
    for (const FlagSpec* flag : VisibleFlags(*listed.command)) {
      EXPECT_FALSE(flag->help.empty()) << listed.name << " --" << flag->name;
    }
  }
}

TEST(ManPages, ThereIsOneForEachCommand) {
  std::vector<std::string> names;
  for (const auto& path : ManPages()) names.push_back(ManPageName(path));
  EXPECT_THAT(names, ::testing::IsSupersetOf({"rkt.1", "rkt_image.1", "rkt_image_list.1",
                                              "rkt_run-prepared.1", "rkt_logs.1"}));
  EXPECT_THAT(names, Not(::testing::Contains("rkt_image_fetch.1")));
}

TEST(ManPages, EscapeWhatRoffWouldRead) {
  std::string page = ManPage({&kRootCommand, &kImageCommand, &kImageListCommand});
  EXPECT_THAT(page, ::testing::StartsWith(".TH \"RKT_IMAGE_LIST\" \"1\""));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-no\\-legend[=false]\\fR"));
  EXPECT_THAT(page, HasSubstr(".SH GLOBAL OPTIONS"));
}

}  // namespace
}  // namespace rkt::cli
