// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What is installed beside the programs (dist/): the units and examples work as they stand, the
// data directory has the modes that the groups need. On the second host, whose /etc, /run and
// groups are the test's.

#include <grp.h>
#include <sys/stat.h>

#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

void ReplaceAll(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

std::string Join(const Args& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

class SystemdPackaging : public UnitTest {
 protected:
  void TearDown() override {
    for (const std::string& name : installed_) {
      Systemctl({"stop", name});
      Systemctl({"reset-failed", name});
      RemoveAll("/run/systemd/system/" + name);
    }
    Systemctl({"daemon-reload"});
    UnitTest::TearDown();
  }
  // Installs units of dist under their names, with this rkt in place of the installed one and an
  // image.
  void Install(const std::string& directory, const Args& names, const std::string& image = "") {
    for (const std::string& name : names) {
      std::string text = ReadFile(directory + "/" + name);
      ASSERT_FALSE(text.empty()) << directory << "/" << name;
      for (const char* place : {"/usr/local/bin/rkt ", "/usr/bin/rkt "})
        ReplaceAll(text, place, Join(RktArgs({})) + " ");
      ReplaceAll(text, " IMAGE\n", " " + image + "\n");
      WriteFile("/run/systemd/system/" + name, text);
      installed_.push_back(name);
    }
    ASSERT_EQ(Systemctl({"daemon-reload"}).code, 0);
  }
  // An image that serves one connection to its socket, or goes on.
  std::string Image(const std::string& port, bool activated) {
    ImageSpec spec;
    spec.exec = activated ? Args{"/judge", "serve"} : Args{"/judge", "trap-term", "0"};
    spec.app = R"("ports": [{"name": "http", "protocol": "tcp", "port": )" + port +
               R"(, "count": 1, "socketActivated": )" + (activated ? "true" : "false") + "}]";
    return WriteImage("image.aci", spec);
  }
  static std::string Status(const std::string& unit) {
    return Systemctl({"status", "--no-pager", "--full", unit}).out;
  }
  static std::string Property(const std::string& unit, const std::string& name) {
    return Trim(Systemctl({"show", "--value", "--property=" + name, unit}).out);
  }
  Args installed_;
};

TEST_F(SystemdPackaging, ExampleOfAPodAsAService) {
  // Published ports are systemd_network_test.cc's; what is left is the example.
  std::string directory = dir() + "/examples";
  MakeDirs(directory);
  std::string text = ReadFile(RKT_DIST "/examples/pod.service");
  ReplaceAll(text, "--net=default --port=http:8080", "--net=none");
  WriteFile(directory + "/pod.service", text);
  Install(directory, {"pod.service"}, Image("80", false));
  EXPECT_EQ(Systemctl({"start", "pod.service"}).code, 0) << Status("pod.service");
  EXPECT_EQ(Property("pod.service", "ActiveState"), "active") << Status("pod.service");
  EXPECT_EQ(ReadFile("/run/pod.uuid"), OnlyPod());
  EXPECT_TRUE(StartsWith(Property("pod.service", "ControlGroup"), "/machine.slice/"));
  EXPECT_EQ(Systemctl({"stop", "pod.service"}).code, 0);
  EXPECT_EQ(Property("pod.service", "Result"), "success");
  EXPECT_TRUE(PodsIn("run").empty()) << "ExecStopPost removes the pod";
  RemoveAll("/run/pod.uuid");
}

TEST_F(SystemdPackaging, ExampleOfASocketActivatedPod) {
  Install(RKT_DIST "/examples", {"activated.socket", "activated.service"}, Image("8081", true));
  ASSERT_EQ(Systemctl({"start", "activated.socket"}).code, 0) << Status("activated.socket");
  Output answer = RunProgram({"nsenter", "--net=/proc/1/ns/net", "busybox", "wget", "-q", "-O", "-",
                              "http://127.0.0.1:8081/"});
  EXPECT_EQ(answer.out, "served by the judge\n") << answer.All() << Status("activated.service");
  for (double end = Now() + 60;
       Now() < end && Property("activated.service", "ActiveState") != "inactive"; SleepFor(0.02)) {
  }
  EXPECT_EQ(Property("activated.service", "ActiveState"), "inactive");
  EXPECT_TRUE(PodsIn("run").empty());
  RemoveAll("/run/activated.uuid");
}

TEST_F(SystemdPackaging, CollectionIsAOneShotWithATimer) {
  Run({JudgeAci(), "--", "exit", "0"});
  Install(RKT_UNITS, {"rkt-gc.service", "rkt-gc.timer"});
  EXPECT_EQ(Systemctl({"start", "rkt-gc.service"}).code, 0) << Status("rkt-gc.service");
  EXPECT_EQ(PodsIn("exited-garbage").size(), 1u);
  EXPECT_EQ(Systemctl({"start", "rkt-gc.timer"}).code, 0) << Status("rkt-gc.timer");
  EXPECT_EQ(Property("rkt-gc.timer", "ActiveState"), "active");
}

TEST_F(SystemdPackaging, MetadataServiceIsStartedByItsSocket) {
  Install(RKT_UNITS, {"rkt-metadata.socket", "rkt-metadata.service"});
  EXPECT_EQ(Systemctl({"start", "rkt-metadata.socket"}).code, 0) << Status("rkt-metadata.socket");
  EXPECT_TRUE(Exists("/run/rkt/metadata-svc.sock"));
  EXPECT_EQ(Property("rkt-metadata.service", "ActiveState"), "inactive");
  EXPECT_EQ(Systemctl({"start", "rkt-metadata.service"}).code, 0) << Status("rkt-metadata.service");
  EXPECT_EQ(Property("rkt-metadata.service", "ActiveState"), "active");
}

unsigned GroupOf(const std::string& path) {
  struct stat st = {};
  return lstat(path.c_str(), &st) == 0 ? st.st_gid : 0;
}

class SystemdDataDirectory : public SystemdPackaging {
 protected:
  void ExpectModes(const std::string& data, const std::string& config) {
    struct group* found = getgrnam("rkt");
    ASSERT_NE(found, nullptr);
    unsigned rkt = found->gr_gid;
    found = getgrnam("rkt-admin");
    ASSERT_NE(found, nullptr);
    unsigned admin = found->gr_gid;
    const std::pair<const char*, unsigned> kModes[] = {
        {"", 02750},           {"/pods", 02750},
        {"/pods/run", 02750},  {"/cas", 02770},
        {"/cas/blob", 02770},  {"/cas/imagelocks", 02770},
        {"/cas/tmp", 02770},   {"/cas/tree", 02700},
        {"/cas/treestorelocks", 02700}};
    for (const auto& [path, mode] : kModes) {
      EXPECT_EQ(ModeOf(data + path), mode) << path;
      EXPECT_EQ(GroupOf(data + path), rkt) << path;
    }
    EXPECT_EQ(ModeOf(config), 02775u);
    EXPECT_EQ(GroupOf(config), admin);
  }
};

TEST_F(SystemdDataDirectory, ScriptMakesItAndMembersOfTheGroupFetch) {
  std::string config = dir() + "/config-local";
  ASSERT_EQ(RunProgram({"systemd-sysusers", RKT_DIST "/sysusers.d/rkt.conf"}).code, 0);
  Output made = RunProgram({"sh", RKT_DIST "/setup-data-dir.sh", data(), config});
  ASSERT_EQ(made.code, 0) << made.All();
  ExpectModes(data(), config);
  // A user who is in the group and nothing else.
  std::string rkt = std::to_string(getgrnam("rkt")->gr_gid);
  Args as_member = {"setpriv", "--reuid=12345", "--regid=12345", "--groups=" + rkt, "--"};
  Output fetched =
      RunProgram(as_member + RktArgs({"fetch", WriteImage("readable.aci", ImageSpec())}));
  EXPECT_EQ(fetched.code, 0) << fetched.All();
  Output listed = RunProgram(as_member + RktArgs({"image", "list", "--no-legend"}));
  EXPECT_TRUE(Contains(listed.out, "example.com/judge")) << listed.All();
  EXPECT_EQ(Run({"example.com/judge:1.0.0", "--", "exit", "0"}).code, 0)
      << "root runs what a member has fetched";
  EXPECT_EQ(RunProgram(as_member + RktArgs({"list"})).code, 0);
  // Everybody else sees nothing.
  EXPECT_NE(
      RunProgram({"setpriv", "--reuid=12346", "--regid=12346", "--clear-groups", "ls", data()})
          .code,
      0);
  // Once more over what is in use.
  made = RunProgram({"sh", RKT_DIST "/setup-data-dir.sh", data(), config});
  EXPECT_EQ(made.code, 0) << made.All();
  ExpectModes(data(), config);
}

TEST_F(SystemdDataDirectory, TmpfilesMakeTheSame) {
  ASSERT_EQ(RunProgram({"systemd-sysusers", RKT_DIST "/sysusers.d/rkt.conf"}).code, 0);
  Output made = RunProgram({"systemd-tmpfiles", "--create", RKT_DIST "/tmpfiles.d/rkt.conf"});
  ASSERT_EQ(made.code, 0) << made.All();
  ExpectModes("/var/lib/rkt", "/etc/rkt");
  RemoveAll("/var/lib/rkt");
  RemoveAll("/etc/rkt");
}

}  // namespace
}  // namespace rkt::test
