// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"

namespace rkt::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

Outcome Rkt(const std::vector<std::string_view>& arguments) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.status = Dispatch(arguments);
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

std::string CommandOf(const std::vector<std::string_view>& arguments) {
  std::string text;
  for (const CommandSpec* command : FindCommand(arguments).path) {
    if (!text.empty()) text += ' ';
    text += command->name;
  }
  return text;
}

TEST(Dispatch, NoCommandExitsWithTwoAndPrintsHelp) {
  Outcome outcome = Rkt({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.err, "rkt: missing command\n");
  EXPECT_THAT(outcome.out, StartsWith("NAME:\n\trkt - "));
}

TEST(Dispatch, UnknownCommandIsToldWithoutHelp) {
  Outcome outcome = Rkt({"nonsense"});
  EXPECT_EQ(outcome.status, 254);
  EXPECT_EQ(outcome.err,
            "Error: unknown command \"nonsense\" for \"rkt\"\nRun 'rkt --help' for usage.\n");
  EXPECT_EQ(outcome.out, "");
}

TEST(Dispatch, MistypedCommandGetsSuggestions) {
  Outcome outcome = Rkt({"statsu"});
  EXPECT_EQ(outcome.status, 254);
  EXPECT_EQ(outcome.err,
            "Error: unknown command \"statsu\" for \"rkt\"\n\nDid you mean this?\n\tstatus\n\n"
            "Run 'rkt --help' for usage.\n");
}

TEST(Dispatch, AmbiguousBeginningSuggestsAllOfThem) {
  EXPECT_THAT(Suggestions("sta"), ElementsAre("status", "stop"));
  EXPECT_THAT(Suggestions("META"), ElementsAre("metadata-service"));
  EXPECT_THAT(Suggestions("completely-different"), IsEmpty());
  EXPECT_THAT(Suggestions("images"), ElementsAre("image list"));
  EXPECT_THAT(Suggestions("exec"), ElementsAre("enter"));
}

TEST(Dispatch, UniqueBeginningsAreCommands) {
  EXPECT_EQ(CommandOf({"ver"}), "rkt version");
  EXPECT_EQ(CommandOf({"i", "li"}), "rkt image list");
  EXPECT_EQ(CommandOf({"cat"}), "rkt cat-manifest");
  EXPECT_EQ(CommandOf({"run"}), "rkt run");
  EXPECT_EQ(CommandOf({"run-"}), "rkt run-prepared");
  EXPECT_EQ(CommandOf({"st"}), "rkt");
}

TEST(Dispatch, GlobalFlagsMayStandInFrontOfTheCommand) {
  EXPECT_EQ(CommandOf({"--debug", "--dir", "list", "version"}), "rkt version");
  EXPECT_EQ(CommandOf({"--dir=/x", "image", "--debug", "list"}), "rkt image list");
  EXPECT_EQ(CommandOf({"--", "version"}), "rkt");
}

TEST(Dispatch, UnknownFlagPrintsTheUsageOnStdout) {
  Outcome outcome = Rkt({"fetch", "--bogus"});
  EXPECT_EQ(outcome.status, 254);
  EXPECT_EQ(outcome.err, "Error: unknown flag: --bogus\n\n");
  EXPECT_THAT(outcome.out, HasSubstr("USAGE:\n\trkt fetch IMAGE_URL...\n"));
}

TEST(Dispatch, GroupsPrintTheirHelp) {
  for (std::vector<std::string_view> arguments :
       {std::vector<std::string_view>{"image"}, {"image", "bogus"}}) {
    Outcome outcome = Rkt(arguments);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("COMMANDS:\n\tbuild\t"));
  }
}

TEST(Dispatch, UnknownHelpTopicPrintsTheRootsHelp) {
  Outcome outcome = Rkt({"help", "bogus"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "Unknown help topic [`bogus`].");
  EXPECT_THAT(outcome.out, StartsWith("NAME:\n\trkt - "));
}

TEST(Dispatch, HelpFlagAndHelpCommandAgree) {
  EXPECT_EQ(Rkt({"list", "--help"}).out, Rkt({"help", "list"}).out);
  EXPECT_EQ(Rkt({"im", "li", "-h"}).out, Rkt({"help", "image", "list"}).out);
}

TEST(Dispatch, VersionPrintsFiveLinesWhateverFollows) {
  Outcome outcome = Rkt({"version", "extra"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(Split(outcome.out, '\n'),
              ElementsAre("rkt Version: 2.0.0", "appc Version: 0.8.11", StartsWith("Go Version: "),
                          StartsWith("Go OS/Arch: linux/"), "Features: -TPM -SDJOURNAL", ""));
}

TEST(Dispatch, CommandsThatAreNotBuiltAreRefused) {
  for (const CommandSpec* command : kRootCommand.children) {
    if (!command->missing) continue;
    Outcome outcome = Rkt({command->name, "--anything", "key"});
    EXPECT_EQ(outcome.status, 254);
    EXPECT_EQ(outcome.err, StrCat(command->name, ": the command \"rkt ", command->name,
                                  "\" is not available in this version\n"));
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(Rkt({command->name, "--help"}).status, 0);
  }
}

TEST(Dispatch, TheAppCommandsNeedNoSwitch) {
  unsetenv("RKT_EXPERIMENT_APP");
  EXPECT_EQ(CommandOf({"app", "list"}), "rkt app list");
  EXPECT_EQ(CommandOf({"app", "--debug", "sandbox"}), "rkt app sandbox");
  EXPECT_EQ(CommandOf({"attach"}), "rkt attach");
  setenv("RKT_EXPERIMENT_APP", "foo", 1);
  EXPECT_EQ(CommandOf({"app", "list"}), "rkt app list");
  unsetenv("RKT_EXPERIMENT_APP");
}

TEST(Dispatch, MessagesBeginWithTheLastWordOfTheCommand) {
  EXPECT_EQ(Rkt({"image", "rm"}).err, "rm: must provide at least one image ID\n");
}

TEST(Dispatch, EmptyDirectoryIsRefused) {
  Outcome outcome = Rkt({"--dir=", "version"});
  EXPECT_EQ(outcome.status, 254);
  EXPECT_EQ(outcome.err,
            "Error: invalid argument \"\" for --dir=: \"\" is not a valid directory\n\n");
}

TEST(Completion, ArgumentsAreChecked) {
  EXPECT_EQ(Rkt({"completion"}).err, "completion: shell type is not specified\n");
  EXPECT_EQ(Rkt({"completion", "zsh"}).err, "completion: 'zsh' shell is not supported\n");
  EXPECT_EQ(Rkt({"completion", "bash", "x"}).err,
            "completion: too many arguments, only shell type is expected\n");
  EXPECT_EQ(Rkt({"completion", "zsh"}).status, 254);
}

TEST(Completion, ScriptHasOneFunctionForEachCommand) {
  std::string script = Rkt({"completion", "bash"}).out;
  EXPECT_THAT(script, HasSubstr("\n_rkt_image_list()\n"));
  EXPECT_THAT(script, HasSubstr("\n_rkt_run-prepared()\n"));
  EXPECT_THAT(script, HasSubstr("\n__start_rkt()\n"));
  EXPECT_THAT(script, ::testing::Not(HasSubstr("_rkt_image_fetch")));
}

}  // namespace
}  // namespace rkt::cli
