// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The examples of docs/networking.md, as they stand there: only the paths are those of the test.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkExamples : public NetworkHostTest {
 protected:
  // The blocks of the section "Two examples" that are marked with a language, in order.
  static std::vector<std::string> Blocks(const std::string& language) {
    std::vector<std::string> blocks;
    bool in_section = false, in_block = false;
    for (const std::string& line : Lines(ReadFile(std::string(RKT_SOURCE_DIR) + "/docs/networking.md"))) {
      if (StartsWith(line, "## ")) in_section = line == "## Two examples";
      if (!in_section) continue;
      if (in_block && line == "```") {
        in_block = false;
      } else if (in_block) {
        blocks.back() += line + "\n";
      } else if (line == "```" + language) {
        in_block = true;
        blocks.emplace_back();
      }
    }
    return blocks;
  }
  static std::string Replaced(std::string text, const std::string& from, const std::string& to) {
    size_t at = 0;
    while ((at = text.find(from, at)) != std::string::npos) {
      text.replace(at, from.size(), to);
      at += to.size();
    }
    return text;
  }
  // `rkt` and /srv/images of the text are this test's.
  std::string Here(const std::string& text) {
    std::string rkt;
    for (const std::string& word : RktArgs(WithConfig({}))) rkt += word + " ";
    std::string line = Replaced(Replaced(text, "/usr/bin/rkt ", "rkt "), "rkt run ", rkt + "run ");
    return Replaced(line, "/srv/images", dir());
  }
  // web.aci serves a page at its port `http`; client.aci has wget.
  void MakeImages() {
    ImageSpec spec;
    spec.name = "example.com/web";
    spec.exec = {"/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/srv"};
    spec.app = R"("ports": [{"name": "http", "protocol": "tcp", "port": 80, "count": 1, "socketActivated": false}])";
    Tar web;
    web.File("manifest", ManifestJson(spec)).Dir("rootfs");
    AddJudgeRoot(web);
    web.File("rootfs/srv/index.html", "welcome\n");
    WriteImage("web.aci", web.Finish());
    Tar client;
    client.File("manifest", ManifestJson({})).Dir("rootfs");
    AddJudgeRoot(client);
    client.Symlink("rootfs/bin/wget", "busybox");
    WriteImage("client.aci", client.Finish());
  }
  void StopAll() {
    for (const std::string& uuid : PodsIn("run")) (void)Rkt({"stop", uuid});
  }
};

TEST_F(NetworkExamples, AWebServerIsPublishedByAUnitOfTheHost) {
  MakeImages();
  std::vector<std::string> units = Blocks("ini"), commands = Blocks("sh");
  ASSERT_EQ(units.size(), 1u);
  ASSERT_EQ(commands.size(), 2u);
  std::string start;
  for (const std::string& line : Lines(units[0])) {
    if (StartsWith(line, "ExecStart=")) start = Here(line.substr(std::string("ExecStart=").size()));
  }
  ASSERT_NE(start, "");
  Background unit({"/bin/sh", "-c", "exec " + start}, {}, dir() + "/unit");
  ASSERT_EQ(Get("http://127.0.0.1:8080/"), "welcome\n") << unit.err();
  EXPECT_EQ(RunProgram({"/bin/sh", "-c", "curl() { command curl -s \"$@\"; }; " + commands[0]}).out, "welcome\n");
  // What a service manager does in the end.
  unit.Kill(SIGTERM);
  EXPECT_EQ(unit.Wait().timed_out, false);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkExamples, TwoPodsOfANamedNetworkOneTheClientOfTheOther) {
  MakeImages();
  std::vector<std::string> networks = Blocks("json"), commands = Blocks("sh");
  ASSERT_EQ(networks.size(), 1u);
  ASSERT_EQ(commands.size(), 2u);
  AddNetwork("10-shop.conf", networks[0]);
  std::vector<std::string> lines = Lines(commands[1]);
  ASSERT_EQ(lines.size(), 3u);
  ASSERT_TRUE(EndsWith(lines[0], " &"));
  Background server({"/bin/sh", "-c", "exec " + Here(lines[0].substr(0, lines[0].size() - 2))}, {}, dir() + "/server");
  ASSERT_EQ(Get("http://10.44.0.2/"), "welcome\n") << server.err();
  for (size_t i : {1, 2}) {
    Output client = RunProgram({"/bin/sh", "-c", Here(lines[i])});
    EXPECT_EQ(client.code, 0) << client.All();
    EXPECT_EQ(AppText(client.out), "welcome\n") << client.All();
  }
  StopAll();
  server.Wait();
  EXPECT_EQ(Leases(), "");
  Shell("ip link del shop0");
}

}  // namespace
}  // namespace rkt::test
