// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// A real image: Debian with nginx, served on the host's network, exported, imported elsewhere and
// run again. Slow: the root file system is made by tests/make-debian-root before.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

std::string DebianRoot() {
  const char* path = getenv("RKT_DEBIAN_ROOT");
  return path && *path ? path : "/var/tmp/rkt-test-cache/debian-nginx.tar";
}

// GET / of a port on loopback; empty where nothing answers.
std::string Get(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string page;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    static const char kRequest[] = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    (void)!write(fd, kRequest, sizeof kRequest - 1);
    char buffer[4096];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) page.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return page;
}

class SlowDebian : public PodTest {
 protected:
  static constexpr int kPort = 18080;

  void ServesAndStops(const std::string& reference) {
    RunningPod pod = Start({"--net=host", reference});
    std::string page;
    for (double end = Now() + 20; Now() < end && page.empty() && pod.rkt->Running(); SleepFor(0.05))
      page = Get(kPort);
    EXPECT_TRUE(Contains(page, "200 OK") && Contains(page, "served from a pod"))
        << page << pod.rkt->err();
    RktOk({"stop", pod.uuid});
    Output output = pod.rkt->Wait(30);
    EXPECT_FALSE(output.timed_out);
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_EQ(Get(kPort), "") << "nothing answers any more";
    EXPECT_EQ(StateOf(pod.uuid), "exited");
    CollectAll();
  }

  // The archive with everything below rootfs/, the manifest and a configuration of ours in front.
  void PackAci(const std::string& aci) {
    std::string root = dir() + "/image";
    MakeDirs(root + "/rootfs");
    Output unpacked = RunProgram(
        {"tar", "-C", root + "/rootfs", "--numeric-owner", "-xpf", DebianRoot()}, {.timeout = 300});
    ASSERT_EQ(unpacked.code, 0) << unpacked.All();
    // Not through the links that lie there: they are absolute, and we are outside.
    RemoveAll(root + "/rootfs/etc/nginx/sites-enabled/default");
    WriteFile(root + "/rootfs/etc/nginx/conf.d/judge.conf",
              "server { listen 127.0.0.1:" + std::to_string(kPort) + "; root /srv; }\n");
    WriteFile(root + "/rootfs/srv/index.html", "served from a pod\n");
    ImageSpec spec;
    spec.name = "example.com/debian-nginx";
    spec.exec = {"/usr/sbin/nginx", "-g", "daemon off;"};
    WriteFile(root + "/manifest", ManifestJson(spec));
    Output packed =
        RunProgram({"tar", "-C", root, "--numeric-owner", "-czf", aci, "manifest", "rootfs"},
                   {.timeout = 300});
    ASSERT_EQ(packed.code, 0) << packed.All();
    RemoveAll(root);
  }
};

TEST_F(SlowDebian, ServesAPageAndSurvivesExportAndImport) {
  REQUIRE_FACILITY("debian-root", Exists(DebianRoot()),
                   "no " + DebianRoot() + " (tests/make-debian-root)");
  std::string aci = dir() + "/debian.aci";
  PackAci(aci);
  std::string id = Fetch(aci);
  ServesAndStops(id);
  Output version = RunOk({id, "--exec=/bin/sh", "--", "-c",
                          "cat /etc/debian_version; id -un; ls /proc/1/exe >/dev/null; true"});
  EXPECT_TRUE(StartsWith(AppLines(version.out).at(0), "12.")) << version.out;
  EXPECT_TRUE(Contains(RktOk({"image", "verify", id}).out, "successfully verified"));

  std::string exported = dir() + "/exported.aci";
  RktOk({"image", "export", id, exported});
  CollectAll();
  RemoveAll(data());
  EXPECT_EQ(Fetch(exported), id);
  ServesAndStops("example.com/debian-nginx:1.0.0");
}

}  // namespace
}  // namespace rkt::test
