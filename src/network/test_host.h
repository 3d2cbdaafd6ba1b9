// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// For tests: a host of its own in fresh network and mount namespaces, with state in a temporary
// directory, an outer neighbour on a cable, and pods that are nothing but a namespace. The
// machine's own interfaces and rules are not seen.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "network/pod_network.h"

namespace rkt::network::test {

// What a shell command prints (both streams), and its status.
struct Shell {
  int status = 0;
  std::string out;
};
inline Shell Sh(const std::string& command) {
  Shell result;
  FILE* pipe = ::popen(StrCat("{ ", command, "\n} 2>&1").c_str(), "r");
  char buffer[4096];
  size_t n;
  while ((n = ::fread(buffer, 1, sizeof buffer, pipe)) > 0) result.out.append(buffer, n);
  result.status = ::pclose(pipe);
  return result;
}

// A process that only holds a network namespace.
class Namespace {
 public:
  Namespace() {
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
      // Locks of the pods among them.
      ::syscall(SYS_close_range, 3, ~0u, 0);
      for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 0);
    ::close(ready[0]);
    netns_ = Fd(::open(StrCat("/proc/", pid_, "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    Sh("ip link set lo up");
  }
  Namespace(const Namespace&) = delete;
  ~Namespace() { Stop(); }
  void Stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
    netns_.Close();
  }
  Shell Sh(const std::string& command) const {
    return test::Sh(StrCat("nsenter -t ", pid_, " -n sh -c '", command, "'"));
  }
  int fd() const { return netns_.get(); }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  Fd netns_;
};

class TestHost {
 public:
  TestHost() {
    char name[] = "/tmp/rkt-network-test-XXXXXX";
    root_ = ::mkdtemp(name);
    for (const char* dir : {"etc/net.d", "data/pods/run", "run", "leases", "results", "plugins"}) {
      EXPECT_TRUE(MakeDirs(StrCat(root_, "/", dir), 0755));
    }
    paths.leases = StrCat(root_, "/leases");
    paths.results = StrCat(root_, "/results");
    paths.run = StrCat(root_, "/run");
    paths.rkt_plugins = StrCat(root_, "/plugins");
    Sh("ip link set lo up");
  }
  ~TestHost() { (void)RemoveTreeAt(AT_FDCWD, root_); }

  void Config(const std::string& file, const std::string& text) {
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, StrCat(root_, "/etc/net.d/", file), text, 0644, true));
  }
  // A neighbour outside at 192.0.2.2 (2001:db8:ffff::2), the host being 192.0.2.1 (and 192.0.2.9).
  void AddOutside() {
    outside = std::make_unique<Namespace>();
    Sh(StrCat("ip link add up0 type veth peer name eth0 netns ", outside->pid(),
              " && echo 0 >/proc/sys/net/ipv6/conf/up0/accept_dad && ip addr add 192.0.2.1/24 dev "
              "up0 && ip addr add 192.0.2.9/24 dev up0"
              " && ip addr add 2001:db8:ffff::1/64 dev up0 nodad && ip link set up0 up"));
    outside->Sh(
        "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad && ip addr add 192.0.2.2/24 dev eth0 && "
        "ip addr add 2001:db8:ffff::2/64 dev eth0 nodad && ip link set eth0 up");
  }

  const std::string& root() const { return root_; }
  Paths paths;
  std::unique_ptr<Namespace> outside;

 private:
  std::string root_;
};

// A pod: its directory, locked as a running one's is, and its namespace.
class TestPod {
 public:
  TestPod(TestHost& host, std::vector<std::string> net, std::vector<appc::ForwardedPort> ports = {},
          std::string hostname = "", std::vector<std::string> apps = {"app"})
      : host_(host) {
    request.uuid = NewUuid();
    request.pod_path = StrCat(host.root(), "/data/pods/run/", request.uuid);
    request.local_config = StrCat(host.root(), "/etc");
    request.net = std::move(net);
    request.ports = std::move(ports);
    request.hostname = hostname.empty() ? StrCat("rkt-", request.uuid) : hostname;
    request.apps = std::move(apps);
    request.paths = host.paths;
    EXPECT_TRUE(MakeDirs(request.pod_path, 0750));
    lock_ = Fd(::open(request.pod_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_EQ(::flock(lock_.get(), LOCK_EX | LOCK_NB), 0);
  }
  ~TestPod() {
    ns.Stop();
    if (started_) (void)TearDown();
  }
  Result<PodNetwork> Start() {
    auto plan = PlanNetworks(request);
    if (!plan) return std::move(plan).error();
    started_ = true;
    auto done = SetUpNetworks(*plan, ns.fd());
    if (done) network = *done;
    return done;
  }
  // As after a crash: nothing is taken back, the lock is gone.
  void Crash() {
    ns.Stop();
    lock_.Close();
    started_ = false;
  }
  Status TearDown() {
    started_ = false;
    TearDownRequest down;
    down.uuid = request.uuid;
    down.pod_path = request.pod_path;
    down.local_config = request.local_config;
    down.netns = ns.fd();
    down.paths = request.paths;
    return TearDownNetworks(down);
  }
  std::string Ip(size_t index = 0) const {
    return ToText(network.interfaces.at(index).addresses.at(0).address);
  }
  std::string File(const std::string& name) const {
    return ReadFile(StrCat(request.pod_path, "/", name)).value_or("(missing)");
  }
  // Serves "answer" to every connection on a TCP port.
  void Serve(int port, const std::string& answer, bool v6 = false) {
    ns.Sh(StrCat("socat TCP", v6 ? "6" : "4", "-LISTEN:", port, ",fork,reuseaddr SYSTEM:\"echo ",
                 answer, "\" >/dev/null 2>&1 &"));
    for (int i = 0; i < 200 && ns.Sh(StrCat("ss -Hltn sport = :", port)).out.empty(); ++i)
      ::usleep(10000);
  }

  NetworkRequest request;
  PodNetwork network;
  Namespace ns;

 private:
  TestHost& host_;
  Fd lock_;
  bool started_ = false;
};

// Runs the body as root of new network and mount namespaces, in a child. Skips where that is not
// permitted.
inline void InNewHost(const std::function<void(TestHost&)>& body) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) != 0) ::_exit(77);
    // Servers that the test has started end with its pid 1.
    if (pid_t first = ::fork(); first != 0) {
      int ended = 0;
      ::waitpid(first, &ended, 0);
      ::_exit(WIFEXITED(ended) ? WEXITSTATUS(ended) : 1);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    ::mount("proc", "/proc", "proc", 0, nullptr);
    // Nothing is left behind, whatever happens.
    ::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr);
    // ip(8) and the plugins look at interfaces of this namespace there.
    ::mount("sysfs", "/sys", "sysfs", 0, nullptr);
    {
      TestHost host;
      body(host);
    }
    ::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "network namespaces are not permitted";
  EXPECT_EQ(status, 0) << "the test's host reported failures above";
}

inline std::string Fetch(const std::string& address) {
  // curl says nothing and fails where nobody answers.
  return StrCat("socat -T2 - TCP:", address, ",connect-timeout=1 </dev/null");
}
// Where nobody is to answer: what would be let through comes within a millisecond.
inline std::string FetchInVain(const std::string& address) {
  return StrCat("socat -T0.5 - TCP:", address, ",connect-timeout=0.3 </dev/null");
}
inline std::string PingInVain(const std::string& address) {
  return StrCat("timeout 0.3 busybox ping -c1 -W1 ", address);
}

}  // namespace rkt::network::test
