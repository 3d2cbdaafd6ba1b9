// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The examples of docs/networking.md as a user of systemd has them: the unit and the network in /etc, the images in
// /srv/images, `rkt` in /usr/bin, the pods in /var/lib/rkt. Who asks from outside does so from another network namespace
// behind a cable: this program's own.

#include <unistd.h>

#include "functional/harness/network_examples.h"
#include "functional/harness/unit.h"

namespace rkt::test {
namespace {

constexpr char kUnit[] = "/etc/systemd/system/web.service";
constexpr char kNetwork[] = "/etc/rkt/net.d/10-shop.conf";

class SystemdNetwork : public UnitTest {
 protected:
  void SetUp() override {
    UnitTest::SetUp();
    if (dir().empty() || IsSkipped()) return;
    ready_ = true;
    MakeDirs("/srv/images");
    WriteFile("/srv/images/web.aci", ExampleWebImage());
    WriteFile("/srv/images/client.aci", ExampleClientImage());
    OnHost("mkdir -p /var/lib/rkt && mount -t tmpfs -o mode=0750 pods /var/lib/rkt && ln -s " + RktBinary() + " /usr/bin/rkt");
    OnHost("ip link add out0 type veth peer name in0 netns " + std::to_string(getpid()) +
           " && ip addr add 192.0.2.1/24 dev out0 && ip link set out0 up");
    RunProgram({"sh", "-c", "ip addr add 192.0.2.2/24 dev in0 && ip link set in0 up"});
    commands_ = ExampleBlocks("sh");
    ASSERT_EQ(commands_.size(), 3u);
    Output fetched = OnHost(commands_[0]);
    ASSERT_EQ(fetched.code, 0) << fetched.All();
  }
  void TearDown() override {
    if (ready_) {
      Systemctl({"stop", "web"});
      OnHost("for pod in $(rkt list --no-legend --full | cut -f1); do rkt stop --force $pod; done");
      OnHost("rkt gc --grace-period=0s --expire-prepared=0s; rkt gc --grace-period=0s; ip link del out0");
      EXPECT_EQ(OnHost("rkt list --no-legend").out, "");
      EXPECT_EQ(OnHost("umount /var/lib/rkt").code, 0) << OnHost("grep /var/lib/rkt /proc/self/mountinfo").out;
      for (const char* path : {kUnit, kNetwork, "/srv/images", "/usr/bin/rkt", "/etc/rkt", "/var/lib/rkt"}) RemoveAll(path);
      Systemctl({"daemon-reload"});
      Systemctl({"reset-failed", "web"});
    }
    UnitTest::TearDown();
  }
  // A shell of the host, as an administrator has it.
  static Output OnHost(const std::string& script) {
    return RunProgram({"nsenter", "--target=1", "--mount", "--net", "/bin/sh", "-c", script});
  }
  // What the address answers to somebody outside, or on the host; waits until there is a server.
  static std::string Get(bool outside, const std::string& url) {
    std::string curl = "/usr/bin/curl -s --max-time 5 " + url;
    Output output;
    for (double end = Now() + 60; Now() < end; SleepFor(0.05)) {
      output = outside ? RunProgram({"/bin/sh", "-c", curl}) : OnHost(curl);
      if (output.code == 0) return output.out;
    }
    return "(no answer) " + output.err;
  }
  static bool Answers(bool outside, const std::string& url) {
    std::string curl = "/usr/bin/curl -s --max-time 2 " + url;
    return (outside ? RunProgram({"/bin/sh", "-c", curl}) : OnHost(curl)).code == 0;
  }
  static std::string Leases() {
    return OnHost("cd /var/lib/cni/networks 2>/dev/null && find . -name '[0-9]*[.:]*'").out;
  }
  // Interfaces of pods go when the kernel has time.
  static std::string Interfaces() {
    std::string links;
    for (double end = Now() + 30; Now() < end; SleepFor(0.05)) {
      links = OnHost("ip -o link | grep -o ' rktv[^ @]*'").out;
      if (links.empty()) break;
    }
    return links;
  }
  static std::string Property(const std::string& property) {
    return Trim(Systemctl({"show", "--value", "--property=" + property, "web"}).out);
  }
  bool ready_ = false;
  std::vector<std::string> commands_;
};

TEST_F(SystemdNetwork, ExampleOfAWebServerPublishedByAUnit) {
  REQUIRE_FACILITY("curl", Exists("/usr/bin/curl"), "not installed");
  std::vector<std::string> units = ExampleBlocks("ini"), lines = Lines(commands_[1]);
  ASSERT_EQ(units.size(), 1u);
  ASSERT_EQ(lines.size(), 3u);
  WriteFile(kUnit, units[0]);
  ASSERT_EQ(OnHost(lines[0]).code, 0);
  Output started = OnHost(lines[1]);
  ASSERT_EQ(started.code, 0) << started.All() << OnHost("systemctl status --no-pager web").out;
  EXPECT_EQ(Property("ActiveState"), "active");
  // From another machine, and as it stands there.
  EXPECT_EQ(Get(true, "http://192.0.2.1:8080/"), "welcome\n") << OnHost("systemctl status --no-pager web").out;
  EXPECT_EQ(Get(false, "http://192.0.2.1:8080/"), "welcome\n");
  EXPECT_EQ(OnHost("curl() { command curl -s \"$@\"; }; " + lines[2]).out, "welcome\n");
  // Nothing but the published port.
  RunProgram({"ip", "route", "add", "172.16.28.0/24", "via", "192.0.2.1"});
  std::string lease = Trim(Leases());
  ASSERT_TRUE(StartsWith(lease, "./default/")) << lease;
  std::string pod = lease.substr(std::string("./default/").size());
  EXPECT_FALSE(Answers(true, "http://" + pod + "/"));
  EXPECT_TRUE(Answers(false, "http://" + pod + "/"));

  // Restart=always: another pod has the port when rkt was killed.
  std::string killed = Property("MainPID");
  ASSERT_EQ(OnHost("kill -KILL " + killed).code, 0);
  for (double end = Now() + 60; Now() < end; SleepFor(0.05)) {
    std::string now = Property("MainPID");
    if (now != killed && now != "0" && Property("ActiveState") == "active") break;
  }
  EXPECT_NE(Property("MainPID"), killed);
  EXPECT_EQ(Get(true, "http://192.0.2.1:8080/"), "welcome\n") << OnHost("systemctl status --no-pager web").out;

  EXPECT_EQ(OnHost("systemctl stop web").code, 0);
  EXPECT_EQ(Property("ActiveState"), "inactive");
  EXPECT_EQ(Property("Result"), "success");
  EXPECT_FALSE(Answers(true, "http://192.0.2.1:8080/"));
  EXPECT_FALSE(Answers(false, "http://127.0.0.1:8080/"));
  EXPECT_FALSE(Exists("/sys/fs/cgroup/machine.slice/web.service"));
  EXPECT_EQ(Interfaces(), "");
  // What the killed pod could not give back itself is collected; the other's is gone already.
  EXPECT_EQ(OnHost("rkt gc --grace-period=0s && rkt gc --grace-period=0s").code, 0);
  EXPECT_EQ(Leases(), "");
  EXPECT_EQ(OnHost("rkt list --no-legend").out, "");
  std::string network = OnHost("rkt network inspect default").out;
  EXPECT_FALSE(Contains(network, "8080")) << network;
  EXPECT_EQ(OnHost("ls /run/rkt/network/pods").out, "");
}

TEST_F(SystemdNetwork, ExampleOfTwoPodsOnANetworkOfTheirOwn) {
  std::vector<std::string> networks = ExampleBlocks("json"), lines = Lines(commands_[2]);
  ASSERT_EQ(networks.size(), 1u);
  ASSERT_EQ(lines.size(), 3u);
  MakeDirs("/etc/rkt/net.d");
  WriteFile(kNetwork, networks[0]);
  // All of it in one shell; only that the client waits for the server is added.
  std::string wait = "for i in $(seq 600); do busybox wget -q -O /dev/null http://10.44.0.2/ && break; sleep 0.1; done\n";
  Output output = OnHost(lines[0] + "\nserver=$!\n" + wait + lines[1] + "\n" + lines[2] +
                         "\nkill $server; wait $server; echo server ended with $?");
  std::string text;
  for (const std::string& line : Lines(output.out)) {
    size_t at = line.rfind("welcome");
    if (at != std::string::npos) text += line.substr(at) + "\n";
  }
  EXPECT_EQ(text, "welcome\nwelcome\n") << output.All();
  EXPECT_TRUE(Contains(output.out, "server ended with 0")) << output.All();
  EXPECT_EQ(Leases(), "");
  EXPECT_EQ(Interfaces(), "");
  EXPECT_EQ(OnHost("ip link del shop0").code, 0);
}

}  // namespace
}  // namespace rkt::test
