// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/network_host.h"

#include <sys/mount.h>

namespace rkt::test {

namespace {
constexpr const char* kState[] = {"/var/lib/cni", "/run/rkt"};
}  // namespace

void NetworkHostTest::SetUp() {
  for (const char* directory : kState) {
    MakeDirs(directory);
    ASSERT_EQ(::mount("tmpfs", directory, "tmpfs", 0, nullptr), 0);
  }
  PodTest::SetUp();
}

void NetworkHostTest::TearDown() {
  PodTest::TearDown();
  for (const char* directory : kState) ::umount2(directory, MNT_DETACH);
}

void NetworkHostTest::AddNetwork(const std::string& file, const std::string& text) {
  MakeDirs(config() + "/net.d");
  WriteFile(config() + "/net.d/" + file, text);
}

std::string NetworkHostTest::Shell(const std::string& command) {
  return RunProgram({"/bin/bash", "-c", command}).out;
}

std::string NetworkHostTest::Leases() {
  return Shell("cd /var/lib/cni/networks 2>/dev/null && find . -name '[0-9]*[.:]*' | sort");
}

std::string NetworkHostTest::Get(const std::string& url) {
  for (int i = 0; i < 100; i++) {
    Output output = RunProgram({"/usr/bin/curl", "-g", "-s", "--max-time", "2", url});
    if (output.code == 0) return output.out;
    SleepFor(0.05);
  }
  return "(no answer)";
}

Args NetworkHostTest::Web(const std::string& text) {
  return Script("mkdir /tmp/www; echo " + text + " >/tmp/www/index.html; exec /bin/busybox httpd -f -p 80 -h /tmp/www");
}

std::string NetworkHostTest::WebImage() {
  if (Exists(dir() + "/web.aci")) return dir() + "/web.aci";
  ImageSpec spec;
  spec.name = "example.com/web";
  spec.app = R"("ports": [{"name": "web", "protocol": "tcp", "port": 80, "count": 1, "socketActivated": false},
      {"name": "dns", "protocol": "udp", "port": 53, "count": 1, "socketActivated": false}])";
  return WriteImage("web.aci", spec);
}

RunningPod NetworkHostTest::StartInNetwork(const Args& flags, const std::string& text) {
  return StartScript(flags,
                     "mkdir /tmp/www; echo " + text + " >/tmp/www/index.html; busybox httpd -p 80 -h /tmp/www; "
                     "echo served; exec /bin/busybox sleep 1000",
                     "served");
}

RunningPod NetworkHostTest::StartScript(const Args& flags, const std::string& script, const std::string& word) {
  RunningPod pod;
  std::string uuid_file = dir() + "/uuid-" + std::to_string(++started_);
  MakeDirs(config());
  pod.rkt = std::make_unique<Background>(
      StartRkt(WithConfig(Args{"run", "--uuid-file-save=" + uuid_file} + flags + Script(script))));
  EXPECT_TRUE(pod.rkt->WaitForText(word)) << pod.rkt->out() << pod.rkt->err();
  pod.uuid = Trim(ReadFile(uuid_file));
  return pod;
}

void NetworkHostTest::Stop(RunningPod& pod) {
  RktOk({"stop", pod.uuid});
  pod.rkt->Wait();
}

}  // namespace rkt::test
