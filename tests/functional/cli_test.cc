// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The command line: what every command has in common, help, version, global flags, who may run
// what.

#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Cli : public PodTest {
 protected:
  // rkt and its helpers where every user can execute them.
  std::string PublicCopy() {
    std::string root = RktBinary().substr(0, RktBinary().rfind("/bin/"));
    for (const char* file : {"/bin/rkt", "/libexec/rkt/fetch"}) {
      std::string target = dir() + "/public" + file;
      MakeDirs(target.substr(0, target.rfind('/')));
      WriteFile(target, ReadFile(root + file), 0755);
    }
    return dir() + "/public/bin/rkt";
  }
};

TEST_F(Cli, NoCommandPrintsHelpAndExitsTwo) {
  Output output = RunProgram({RktBinary()});
  EXPECT_EQ(output.code, 2);
  EXPECT_TRUE(StartsWith(output.err, "rkt: missing command")) << output.err;
  EXPECT_TRUE(Contains(output.out, "NAME:")) << output.out;
}

TEST_F(Cli, UnknownCommandIsNamed) {
  Output output = Rkt({"bogus"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(StartsWith(output.err, "Error: unknown command \"bogus\" for \"rkt\"")) << output.err;
  EXPECT_TRUE(Contains(output.err, "Run 'rkt --help' for usage.")) << output.err;
}

TEST_F(Cli, UnknownFlagPrintsUsageOnStdout) {
  Output output = Rkt({"fetch", "--bogus"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(StartsWith(output.err, "Error: unknown flag: --bogus\n\n")) << output.err;
  EXPECT_TRUE(Contains(output.out, "USAGE:")) << output.out;
}

TEST_F(Cli, UniquePrefixesOfCommandsAreEnough) {
  EXPECT_EQ(RktOk({"ver"}).out, RktOk({"version"}).out);
  Fetch(JudgeAci());
  EXPECT_EQ(RktOk({"i", "li", "--full"}).out, RktOk({"image", "list", "--full"}).out);
  EXPECT_EQ(Rkt({"ca", "x"}).err, Rkt({"cat-manifest", "x"}).err);
}

TEST_F(Cli, ImageAloneOrWithAnUnknownWordShowsItsHelp) {
  for (const Args& args : {Args{"image"}, Args{"image", "bogus"}}) {
    Output output = Rkt(args);
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_TRUE(Contains(output.out, "COMMANDS:")) << output.out;
    EXPECT_TRUE(Contains(output.out, "cat-manifest")) << output.out;
  }
}

TEST_F(Cli, MessagesBeginWithTheLeafCommand) {
  Output output = Rkt({"image", "rm"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(StartsWith(output.err, "rm: ")) << output.err;
  output = Rkt({"run"});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "run: must provide at least one image or specify the pod manifest\n");
  output = Rkt({"fetch"});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "fetch: must provide at least one image\n");
}

TEST_F(Cli, DebugShowsTheTreeOfCauses) {
  insecure_ = "";  // an image without signature
  std::string open = "open " + JudgeAci() + ".asc: no such file or directory\n";
  Output plain = Rkt({"fetch", JudgeAci()});
  EXPECT_EQ(plain.code, 254);
  EXPECT_EQ(plain.err, "fetch: " + open);
  Output debug = Rkt({"--debug", "fetch", JudgeAci()});
  EXPECT_EQ(debug.code, 254);
  EXPECT_TRUE(Contains(debug.err, "└─" + open)) << debug.err;
  EXPECT_TRUE(Contains(debug.err, "error opening signature file\n")) << debug.err;
}

TEST_F(Cli, DeprecatedFlagsWarn) {
  Output output = Rkt({"fetch", "--store-only", "example.com/unknown"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(
      Contains(output.err, "Flag --store-only has been deprecated, please use --pull-policy=never"))
      << output.err;
  output = Rkt({"run", "--store-only", "--no-store", "example.com/unknown"});
  EXPECT_EQ(output.code, 254);
}

TEST_F(Cli, EmptyDirectoriesAreRefused) {
  for (const char* flag : {"--dir=", "--system-config=", "--local-config="}) {
    EXPECT_EQ(RunProgram({RktBinary(), flag, "version"}).code, 254) << flag;
  }
}

TEST_F(Cli, RelativeDataDirectoryIsTakenFromTheWorkingDirectory) {
  Output output =
      RunProgram({RktBinary(), "--dir=rel", "--insecure-options=image", "fetch", JudgeAci()},
                 {.directory = dir()});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Exists(dir() + "/rel/cas/blob/sha512"));
}

TEST_F(Cli, DataDirectoryMayBeALink) {
  MakeDirs(dir() + "/target");
  ASSERT_EQ(symlink("target", (dir() + "/link").c_str()), 0);
  Output output = RunProgram(
      {RktBinary(), "--dir=" + dir() + "/link", "--insecure-options=image", "prepare", JudgeAci()});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(ListDir(dir() + "/target/pods/prepared").size(), 1u);
  RunProgram(
      {RktBinary(), "--dir=" + dir() + "/link", "gc", "--expire-prepared=0s", "--grace-period=0s"});
}

TEST_F(Cli, InsecureOptionsAreCheckedWithoutRegardToCase) {
  EXPECT_EQ(RunProgram({RktBinary(), "--insecure-options=IMAGE,Tls", "version"}).code, 0);
  Output output = RunProgram({RktBinary(), "--insecure-options=foo", "version"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(StartsWith(
      output.err,
      "Error: invalid argument \"foo\" for --insecure-options=foo: unknown option \"foo\""))
      << output.err;
  EXPECT_EQ(RunProgram({RktBinary(), "--insecure-options=image,image", "version"}).code, 254);
}

TEST_F(Cli, VersionHasFiveLinesThatToolsParse) {
  std::vector<std::string> lines = Lines(RktOk({"version"}).out);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "rkt Version: 2.0.0");
  EXPECT_EQ(lines[1], "appc Version: 0.8.11");
  EXPECT_TRUE(StartsWith(lines[2], "Go Version: ")) << lines[2];
  EXPECT_EQ(lines[3], "Go OS/Arch: linux/amd64");
  EXPECT_TRUE(StartsWith(lines[4], "Features: ")) << lines[4];
}

TEST_F(Cli, RootHelpHasItsSectionsInOrder) {
  Output output = RktOk({"help"});
  size_t at = 0;
  for (const char* section :
       {"NAME:", "USAGE:", "VERSION:", "COMMANDS:", "DESCRIPTION:", "OPTIONS:"}) {
    size_t found = output.out.find(section, at);
    EXPECT_NE(found, std::string::npos) << section << " in\n" << output.out;
    at = found == std::string::npos ? at : found;
  }
  for (const char* command :
       {"run", "prepare", "run-prepared", "list", "status", "cat-manifest", "rm", "gc", "stop",
        "enter", "logs", "fetch", "image list", "image gc", "version"}) {
    EXPECT_TRUE(Contains(output.out, std::string("\t") + command) ||
                Contains(output.out, std::string(" ") + command))
        << command;
  }
}

TEST_F(Cli, HelpOfACommandShowsFlagsWithTheirDefaults) {
  Output output = RktOk({"help", "fetch"});
  size_t options = output.out.find("\nOPTIONS:");
  size_t globals = output.out.find("\nGLOBAL OPTIONS:");
  ASSERT_NE(options, std::string::npos) << output.out;
  ASSERT_NE(globals, std::string::npos) << output.out;
  EXPECT_LT(options, globals);
  EXPECT_TRUE(Contains(output.out, "      --full[=false]\t")) << output.out;
  EXPECT_TRUE(Contains(output.out, "      --pull-policy=\"update\"\t")) << output.out;
  EXPECT_EQ(RktOk({"fetch", "--help"}).out, output.out);
}

TEST_F(Cli, UnknownHelpTopicIsNamed) {
  Output output = Rkt({"help", "bogus"});
  EXPECT_EQ(output.code, 0);
  EXPECT_TRUE(StartsWith(output.err, "Unknown help topic [`bogus`].")) << output.err;
}

TEST_F(Cli, CommandsThatNeedRootSaySo) {
  std::string rkt = PublicCopy();
  const std::string uuid = "6b2f1a6e-0000-4000-8000-000000000000";
  for (const Args& args : {Args{"run", "x"}, Args{"prepare", "x"}, Args{"run-prepared", uuid},
                           Args{"enter", uuid}, Args{"rm", uuid}, Args{"gc"}}) {
    Output output = RunProgram(Args{rkt, "--dir=" + data()} + args, {.uid = 65534});
    EXPECT_EQ(output.code, 254) << args[0];
    EXPECT_EQ(output.err, args[0] + ": cannot run as unprivileged user\n");
  }
}

TEST_F(Cli, UnprivilegedUsersFetchIntoTheirOwnDirectory) {
  std::string own = dir() + "/own";
  MakeDirs(own);
  ASSERT_EQ(chown(own.c_str(), 65534, 65534), 0);
  std::string image = WriteImage("public.aci", ImageSpec{});
  Output output = RunProgram(
      {PublicCopy(), "--dir=" + own, "--insecure-options=image", "fetch", image}, {.uid = 65534});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_FALSE(ListDir(own + "/cas/blob/sha512").empty());
}

}  // namespace
}  // namespace rkt::test
