// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The examples of docs/networking.md, as they stand there: only the paths are those of the test. With the paths of a
// user's host, and as a real unit, they are run on the second host (systemd_network_test.cc).

#include "functional/harness/network_examples.h"
#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

class NetworkExamples : public NetworkHostTest {
 protected:
  void SetUp() override {
    NetworkHostTest::SetUp();
    if (dir().empty()) return;
    WriteImage("web.aci", ExampleWebImage());
    WriteImage("client.aci", ExampleClientImage());
    commands_ = ExampleBlocks("sh");
    ASSERT_EQ(commands_.size(), 3u);
    Output fetched = RunProgram({"/bin/sh", "-c", Here(commands_[0])});
    ASSERT_EQ(fetched.code, 0) << fetched.All();
  }
  // `rkt` and /srv/images of the text are this test's.
  std::string Here(const std::string& text) {
    std::string rkt;
    for (const std::string& word : RktArgs(WithConfig({}))) rkt += word + " ";
    std::string line = Replaced(Replaced(text, "/usr/bin/rkt ", "rkt "), "rkt run ", rkt + "run ");
    line = Replaced(line, "rkt --insecure-options=image fetch ", rkt + "fetch ");
    return Replaced(line, "/srv/images", dir());
  }
  void StopAll() {
    for (const std::string& uuid : PodsIn("run")) (void)Rkt({"stop", uuid});
  }
  std::vector<std::string> commands_;
};

TEST_F(NetworkExamples, AWebServerIsPublishedByAUnitOfTheHost) {
  std::vector<std::string> units = ExampleBlocks("ini"), lines = Lines(commands_[1]);
  ASSERT_EQ(units.size(), 1u);
  ASSERT_EQ(lines.size(), 3u);
  std::string start;
  for (const std::string& line : Lines(units[0])) {
    if (StartsWith(line, "ExecStart=")) start = Here(line.substr(std::string("ExecStart=").size()));
  }
  ASSERT_NE(start, "");
  Background unit({"/bin/sh", "-c", "exec " + start}, {}, dir() + "/unit");
  ASSERT_EQ(Get("http://127.0.0.1:8080/"), "welcome\n") << unit.err();
  EXPECT_EQ(RunProgram({"/bin/sh", "-c", "curl() { command curl -s \"$@\"; }; " + lines[2]}).out, "welcome\n");
  // What a service manager does in the end.
  unit.Kill(SIGTERM);
  EXPECT_EQ(unit.Wait().timed_out, false);
  EXPECT_EQ(Leases(), "");
}

TEST_F(NetworkExamples, TwoPodsOfANamedNetworkOneTheClientOfTheOther) {
  std::vector<std::string> networks = ExampleBlocks("json"), lines = Lines(commands_[2]);
  ASSERT_EQ(networks.size(), 1u);
  AddNetwork("10-shop.conf", networks[0]);
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
