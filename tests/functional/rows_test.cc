// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What scripts around rkt 1.30 depend on and no other test asks: completion, hidden flags, the configuration as `rkt config`
// shows it, references that cannot be, damage that the lists tell of.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class Rows : public PodTest {
 protected:
  std::string Conf(const std::string& where, const std::string& name) const { return dir() + "/" + where + "/" + name; }
  void Configure(const std::string& where, const std::string& name, const std::string& json) {
    std::string path = Conf(where, name);
    MakeDirs(path.substr(0, path.rfind('/')));
    WriteFile(path, json);
  }
  // Three directories of this test.
  Output Config(const Args& command, const Args& globals = {}) {
    return RunProgram(Args{RktBinary(), "--system-config=" + dir() + "/system", "--local-config=" + dir() + "/local",
                           "--user-config=" + dir() + "/user"} +
                      globals + command);
  }
  void Clear() {
    for (const char* where : {"/system", "/local", "/user"}) {
      RemoveAll(dir() + where);
      MakeDirs(dir() + where);
    }
  }
  static std::string Auth(const std::string& user) {
    return R"({"rktKind":"auth","rktVersion":"v1","domains":["h.example"],"type":"basic","credentials":{"user":")" + user +
           R"(","password":"p"}})";
  }
  void ExpectFails(const Output& output, const std::string& text) {
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
  }
};

TEST_F(Rows, CompletionIsAScriptThatBashReads) {
  Output script = RunProgram({RktBinary(), "completion", "bash"});
  EXPECT_EQ(script.code, 0);
  EXPECT_TRUE(Contains(script.out, "__start_rkt"));
  EXPECT_TRUE(Contains(script.out, "image list --no-legend"));
  Output checked = RunProgram({"bash", "-n"}, {.input = script.out});
  EXPECT_EQ(checked.code, 0) << checked.err;
  ExpectFails(RunProgram({RktBinary(), "completion"}), "shell type is not specified");
  ExpectFails(RunProgram({RktBinary(), "completion", "zsh"}), "'zsh' shell is not supported");
  EXPECT_EQ(RunProgram({RktBinary(), "completion", "bash", "bash"}).code, 254);
}

TEST_F(Rows, ProfilingFlagsAreHiddenAndWriteTheirFiles) {
  Output output = RunProgram({RktBinary(), "--cpuprofile=" + dir() + "/cpu", "--memprofile=" + dir() + "/mem", "version"});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Exists(dir() + "/cpu") && Exists(dir() + "/mem"));
  EXPECT_FALSE(Contains(RunProgram({RktBinary(), "help"}).out, "profile"));
}

TEST_F(Rows, LaterDirectoriesOfTheConfigurationWin) {
  Clear();
  Configure("system", "auth.d/a.json", Auth("of-system"));
  EXPECT_TRUE(Contains(Config({"config"}).out, "of-system"));
  Configure("local", "auth.d/b.json", Auth("of-local"));
  Configure("user", "auth.d/c.json", Auth("of-user"));
  std::string shown = Config({"config"}).out;
  EXPECT_TRUE(Contains(shown, "of-user")) << shown;
  EXPECT_FALSE(Contains(shown, "of-local") || Contains(shown, "of-system")) << shown;
  Facts facts = Facts::Parse(Config({"config", "--pretty-print=false"}).out);
  std::multiset<std::string> kinds;
  for (const std::string& i : facts.Keys("/stage0")) kinds.insert(facts["/stage0/" + i + "/rktKind"]);
  EXPECT_EQ(kinds, (std::multiset<std::string>{"auth", "paths", "stage1"}));
}

TEST_F(Rows, OnlyRegularJsonFilesAreConfiguration) {
  Clear();
  Configure("local", "auth.d/a.txt", "junk");
  Configure("local", "auth.d/below/a.json", "junk");
  WriteFile(dir() + "/junk", "junk");
  ASSERT_EQ(symlink((dir() + "/junk").c_str(), Conf("local", "auth.d/link.json").c_str()), 0);
  EXPECT_EQ(Config({"config"}).code, 0);
  RemoveAll(dir() + "/local/auth.d");
  WriteFile(dir() + "/local/auth.d", "");
  ExpectFails(Config({"config"}), "to be a directory");
}

TEST_F(Rows, MistakesInConfigurationAreNamed) {
  auto fails = [&](const std::string& name, const std::string& json, const std::string& text) {
    Clear();
    Configure("local", name, json);
    ExpectFails(Config({"config"}), text);
    ExpectFails(Config({"config"}, {"--debug"}), name.substr(name.find('/') + 1));
  };
  fails("auth.d/a.json", R"({"rktVersion":"v1"})", "no rktKind");
  fails("auth.d/a.json", R"({"rktKind":"auth"})", "no rktVersion");
  fails("auth.d/a.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/x"})", "dockerAuth");
  fails("paths.d/a.json", R"({"rktKind":"paths","rktVersion":"v1","data":"relative"})", "absolute");
  fails("stage1.d/a.json", R"({"rktKind":"stage1","rktVersion":"v1","location":"ftp://x/y.aci"})", "ftp");
  Clear();
  Configure("local", "auth.d/a.json", Auth("1"));
  Configure("local", "auth.d/b.json", Auth("2"));
  ExpectFails(Config({"config"}), "auth for domain \"h.example\" is already specified");
  for (const char* location : {"docker://h.example/stage1", "/stage1.aci", "https://h.example/stage1.aci"}) {
    Clear();
    Configure("local", "stage1.d/a.json", std::string(R"({"rktKind":"stage1","rktVersion":"v1","location":")") + location + "\"}");
    EXPECT_EQ(Config({"config"}).code, 0) << location;
  }
}

TEST_F(Rows, TheDataDirectoryComesFromTheConfigurationUnlessGiven) {
  Clear();
  Configure("local", "paths.d/a.json", R"({"rktKind":"paths","rktVersion":"v1","data":")" + dir() + R"(/configured"})");
  EXPECT_EQ(Config({"list"}, {"--dir=" + dir() + "/given"}).code, 0);
  EXPECT_TRUE(Exists(dir() + "/given/pods"));
  EXPECT_FALSE(Exists(dir() + "/configured"));
  EXPECT_EQ(Config({"list"}).code, 0);
  EXPECT_TRUE(Exists(dir() + "/configured/pods"));
}

TEST_F(Rows, LabelsThatNoImageOfThisMachineHasAreRefused) {
  ExpectFails(Rkt({"fetch", "example.com/a,os=foo"}), "linux");
  ExpectFails(Rkt({"fetch", "example.com/a,arch=s390x"}), "amd64");
  ExpectFails(Rkt({"fetch", "example.com/a:1,version=2"}), "version");
  ExpectFails(Rkt({"fetch", "--store-only", "--no-store", "example.com/a"}), "");
  // A word that is no policy is no error, and means "new".
  Fetch(JudgeAci());
  RktOk({"fetch", "--pull-policy=bogus", "example.com/judge"});
}

TEST_F(Rows, ListsTellOfDamageAndShowTheRest) {
  std::string id = Fetch(JudgeAci());
  Fetch(WriteImage("other.aci", ImageSpec{.name = "example.com/other"}));
  std::string manifest = data() + "/cas/imageManifest/sha512/" + id.substr(7, 2) + "/" + id;
  WriteFile(manifest, "junk", 0660);
  // What was touched within two seconds of its import is not looked at.
  ASSERT_EQ(RunProgram({"touch", "-h", manifest}).code, 0);
  SleepFor(2.2);
  WriteFile(manifest, "junk", 0660);
  Output output = RktOk({"image", "list"});
  EXPECT_TRUE(Contains(output.err, "1 error(s) encountered when listing images:")) << output.err;
  EXPECT_TRUE(Contains(output.err, id)) << output.err;
  EXPECT_TRUE(Contains(output.out, "example.com/other")) << output.out;
  RktOk({"image", "fsck", "--repair"});

  std::string uuid = Prepare({id}), other = Prepare({id});
  WriteFile(PodDir(uuid) + "/pod", "junk that is longer than the manifest was, so that nobody takes it for the old one" + std::string(4000, 'x'));
  output = RktOk({"list", "--full"});
  EXPECT_TRUE(Contains(output.err, "error(s) encountered when listing pods:")) << output.err;
  EXPECT_TRUE(Contains(output.out, other)) << output.out;
}

TEST_F(Rows, PodsThatAreStillPreparedHaveNoJson) {
  const std::string uuid = "6b2f1a6e-0000-4000-8000-00000000000a";
  RktOk({"list"});
  MakeDirs(data() + "/pods/prepare/" + uuid);
  ExpectFails(Rkt({"status", "--format=json", uuid}), "invalid creation time");
  EXPECT_EQ(Trim(RktOk({"list", "--format=json"}).out), "null");
}

// The documentation of rkt 1.30 promised it; the program waited for ever.
TEST_F(Rows, GcPassesOverAPodThatSomebodyHolds) {
  RunOk({JudgeAci(), "--", "exit", "0"});
  RktOk({"gc", "--mark-only"});
  std::string uuid = PodsIn("exited-garbage").at(0);
  int fd = open((data() + "/pods/exited-garbage/" + uuid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  Output output = Rkt({"gc", "--grace-period=0s"}, {.timeout = 20});
  EXPECT_FALSE(output.timed_out);
  EXPECT_TRUE(Contains(output.err, uuid)) << output.err;
  EXPECT_EQ(PodsIn("exited-garbage").size(), 1u);
  close(fd);
}

}  // namespace
}  // namespace rkt::test
