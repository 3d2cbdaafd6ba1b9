// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Environment, working directory, identity of an app, and how its program is found.

#include <elf.h>
#include <string.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class AnyEnv : public PodTest {};
class Env : public PodTest {};
class AnyIdentity : public PodTest {};
class AnyExec : public PodTest {};
class Exec : public PodTest {};
class FlyExec : public PodTest {};

const char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

TEST_F(AnyEnv, DefaultsAreThoseOfTheSpecification) {
  Facts facts = See({});
  EXPECT_EQ(facts["/env/PATH"], kDefaultPath);
  EXPECT_EQ(facts["/env/SHELL"], "/bin/sh");
  EXPECT_EQ(facts["/env/USER"], "root");
  EXPECT_EQ(facts["/env/LOGNAME"], "root");
  EXPECT_EQ(facts["/env/HOME"], "/root");
}

TEST_F(Env, NothingOfTheHostGetsIn) {
  Facts facts =
      See({}, {}, {.env = {"HOST_SECRET=1", "LD_PRELOAD=/nonexistent.so", "RKT_SECRET=2"}});
  EXPECT_EQ(facts["/env/AC_APP_NAME"], "judge");
  for (const std::string& name : facts.Keys("/env")) {
    EXPECT_FALSE(StartsWith(name, "RKT_") || StartsWith(name, "LD_") || name == "HOST_SECRET")
        << name;
  }
}

TEST_F(AnyEnv, EnvironmentOfTheImageAndOverrides) {
  ImageSpec spec;
  spec.app = R"("environment":[{"name":"ONE","value":"image"},{"name":"TWO","value":"image"}])";
  std::string image = WriteImage("env.aci", spec);
  Output output = RunOk({image, "--environment=TWO=flag", "--", "see"});
  Facts facts = Facts::Parse(AppText(output.out));
  EXPECT_EQ(facts["/env/ONE"], "image");
  EXPECT_EQ(facts["/env/TWO"], "flag");
}

TEST_F(AnyEnv, SetEnvBeatsTheFileAndTheImage) {
  ImageSpec spec;
  spec.app = R"("environment":[{"name":"A","value":"image"},{"name":"B","value":"image"}])";
  std::string image = WriteImage("env.aci", spec);
  WriteFile(dir() + "/env", "# comment\n; another\n\nA=file\nB=file\nC=file\n");
  Output output = RunOk({"--set-env-file=" + dir() + "/env", "--set-env=A=set", image,
                         "--environment=B=flag", "--", "see"});
  Facts facts = Facts::Parse(AppText(output.out));
  EXPECT_EQ(facts["/env/A"], "set");
  EXPECT_EQ(facts["/env/B"], "file");
  EXPECT_EQ(facts["/env/C"], "file");
}

TEST_F(AnyEnv, InheritedVariablesFillOnlyWhatIsUnset) {
  ImageSpec spec;
  spec.app = R"("environment":[{"name":"A","value":"image"}])";
  std::string image = WriteImage("env.aci", spec);
  Output output = RunOk({"--inherit-env", image, "--", "see"}, {.env = {"A=host", "B=host"}});
  Facts facts = Facts::Parse(AppText(output.out));
  EXPECT_EQ(facts["/env/A"], "image");
  EXPECT_EQ(facts["/env/B"], "host");
}

TEST_F(AnyEnv, BadEnvironmentFilesAreRefused) {
  WriteFile(dir() + "/malformed", "A\n");
  WriteFile(dir() + "/twice", "A=1\nA=2\n");
  EXPECT_EQ(Run({"--set-env-file=" + dir() + "/malformed", JudgeAci()}).code, 254);
  EXPECT_EQ(Run({"--set-env-file=" + dir() + "/twice", JudgeAci()}).code, 254);
  EXPECT_EQ(Run({"--set-env-file=" + dir() + "/missing", JudgeAci()}).code, 254);
  EXPECT_EQ(Run({"--set-env=A=1", "--set-env=A=2", JudgeAci()}).code, 254);
}

TEST_F(AnyEnv, WorkingDirectory) {
  EXPECT_EQ(See({})["/cwd"], "/");
  EXPECT_EQ(See({}, {"--working-dir=/bin"})["/cwd"], "/bin");
  EXPECT_EQ(Run({JudgeAci(), "--working-dir=bin", "--", "see"}).code, 254);
}

TEST_F(AnyIdentity, NumbersNamesAndFiles) {
  struct Case {
    Args flags;
    const char *uid, *gid;
  } cases[] = {
      {{"--user=1000"}, "1000", "0"},
      {{"--user=alice"}, "1001", "0"},
      {{"--user=root", "--group=workers"}, "0", "1002"},
      {{"--user=/owned", "--group=/owned"}, "1234", "2345"},
      {{"--user=4000000", "--group=17"}, "4000000", "17"},
  };
  for (const Case& c : cases) {
    Facts facts = See({}, c.flags);
    EXPECT_EQ(facts["/ids/uid"], c.uid) << c.flags[0];
    EXPECT_EQ(facts["/ids/euid"], c.uid) << c.flags[0];
    EXPECT_EQ(facts["/ids/gid"], c.gid) << c.flags[0];
    EXPECT_EQ(facts["/ids/egid"], c.gid) << c.flags[0];
  }
}

TEST_F(AnyIdentity, SupplementaryGroups) {
  Facts facts = See({}, {"--user=1000", "--group=5", "--supplementary-gids=7,8"});
  EXPECT_EQ(facts["/status/Groups"], "5 7 8");
}

TEST_F(AnyIdentity, DockersGroupIsTheUsersWhereTheImageHasNone) {
  ImageSpec spec;
  spec.user = spec.group = "alice";
  std::string plain = WriteImage("plain.aci", spec);
  spec.annotations = R"([{"name":"appc.io/docker/repository","value":"library/web"}])";
  std::string docker = WriteImage("docker.aci", spec);
  Facts facts = Facts::Parse(AppText(RunOk({docker, "--", "see"}).out));
  EXPECT_EQ(facts["/ids/uid"], "1001");
  EXPECT_EQ(facts["/ids/gid"], "1001");
  for (const Args& args : {Args{plain}, Args{docker, "--user=zero", "--group=zero"}}) {
    Output output = Run(args + Args{"--", "see"});
    EXPECT_EQ(output.code, 254) << "nobody else means the user by a group\n" << output.All();
    EXPECT_TRUE(Contains(output.err, "group")) << output.err;
  }
}

TEST_F(AnyIdentity, NothingThatIsNoUserBecomesRoot) {
  for (const char* user :
       {"nobody-knows", "-1", "4294967296", "4294967295", "99999999999999999999", "/missing", ""}) {
    Output output = Run({JudgeAci(), std::string("--user=") + user, "--", "see"});
    EXPECT_NE(output.code, 0) << user << "\n" << output.All();
    EXPECT_TRUE(AppLines(output.out).empty()) << user << "\n" << output.All();
  }
}

TEST_F(AnyIdentity, UserDatabaseOfTheImageIsReadInsideTheImage) {
  Tar tar;
  tar.File("manifest", ManifestJson({}));
  tar.Dir("rootfs").Dir("rootfs/etc").HostFile("rootfs/judge", RKT_JUDGE);
  tar.Symlink("rootfs/etc/passwd", "/../../../../../../../../etc/passwd");
  tar.Add({.name = "rootfs/etc/group", .type = '6'});
  std::string image = WriteImage("outside.aci", tar.Finish());
  Output output = Run({image, "--user=daemon", "--", "see"}, {.timeout = 20});
  EXPECT_NE(output.code, 0) << output.All();
  output = Run({image, "--group=daemon", "--", "see"}, {.timeout = 20});
  EXPECT_NE(output.code, 0) << "a FIFO for /etc/group must not be waited for\n" << output.All();
}

TEST_F(AnyExec, ArgumentsArriveUnchanged) {
  Args words = {"a b", "\"quoted\"", "it's",      "$HOME", "%d", "back\\slash",
                "",    "tab\there",  "new\nline", "--",    "-x"};
  Output output = RunOk(Args{JudgeAci(), "--", "args"} + words);
  Facts facts = Facts::Parse(AppText(output.out));
  std::vector<std::string> seen = facts.List("");
  ASSERT_EQ(seen.size(), words.size()) << output.out;
  for (size_t i = 0; i < words.size(); i++) {
    EXPECT_EQ(seen[i], words[i]);
  }
}

TEST_F(Exec, BareNamesAreLookedUpInThePath) {
  EXPECT_EQ(AppLines(RunOk({JudgeAci(), "--exec=sh", "--", "-c", "echo found"}).out),
            Args{"found"});
  EXPECT_EQ(
      AppLines(
          RunOk({JudgeAci(), "--exec=judge", "--environment=PATH=/x:/", "--", "say", "found"}).out),
      Args{"found"});
  EXPECT_EQ(AppLines(RunOk({JudgeAci(), "--working-dir=/bin", "--exec=./echo", "--", "found"}).out),
            Args{"found"});
}

TEST_F(Exec, MissingBareNameFailsBeforeThePodStarts) {
  Output output = Run({JudgeAci(), "--exec=no-such-program"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "unable to find")) << output.err;
  EXPECT_TRUE(Contains(output.err, "no-such-program")) << output.err;
}

TEST_F(Exec, MissingProgramIs203AndNamed) {
  Output output = Run({JudgeAci(), "--exec=/no/such/program"});
  EXPECT_EQ(output.code, 203) << output.All();
  EXPECT_TRUE(Contains(output.out + output.err, "Error: Unable to open \"/no/such/program\""))
      << output.All();
}

TEST_F(Exec, MissingInterpreterIsNamed) {
  Output output = Run({JudgeAci(), "--exec=/lost-interpreter"});
  EXPECT_EQ(output.code, 203) << output.All();
  EXPECT_TRUE(Contains(output.out + output.err, "/bin/no-such-shell")) << output.All();
}

// A program of one segment that names a loader.
std::string ProgramWithLoader(const std::string& loader) {
  Elf64_Ehdr header = {};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment = {};
  segment.p_type = PT_INTERP;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = segment.p_memsz = loader.size() + 1;
  return std::string(reinterpret_cast<char*>(&header), sizeof header) +
         std::string(reinterpret_cast<char*>(&segment), sizeof segment) + loader + std::string(1, '\0');
}

TEST_F(Exec, MissingLoaderIsNamed) {
  Tar tar;
  tar.File("manifest", ManifestJson({})).Dir("rootfs");
  AddJudgeRoot(tar);
  tar.File("rootfs/dynamic", ProgramWithLoader("/lib64/no-such-loader.so.2"), 0755);
  tar.File("rootfs/script", "#!/dynamic -x\n", 0755);
  std::string image = WriteImage("loader.aci", tar.Finish());
  for (const char* program : {"/dynamic", "/script"}) {
    Output output = Run({image, std::string("--exec=") + program});
    EXPECT_EQ(output.code, 203) << output.All();
    EXPECT_TRUE(Contains(output.err, "Error: Unable to open \"/lib64/no-such-loader.so.2\": No such file or directory"))
        << output.All();
  }
}

TEST_F(Exec, WhatMayNotBeExecutedIsNamed) {
  Output output = Run({JudgeAci(), "--exec=/not-executable"});
  EXPECT_EQ(output.code, 203) << output.All();
  EXPECT_TRUE(Contains(output.err, "Error: Unable to execute \"/not-executable\": Permission denied")) << output.All();
}

TEST_F(Exec, ScriptsRun) {
  EXPECT_EQ(AppLines(RunOk({JudgeAci(), "--exec=/opt-script", "--", "one", "two"}).out),
            Args{"script one two"});
}

TEST_F(FlyExec, MissingProgramIs254) {
  Output output = Run({JudgeAci(), "--exec=/no/such/program"});
  EXPECT_EQ(output.code, 254) << output.All();
}

}  // namespace
}  // namespace rkt::test
