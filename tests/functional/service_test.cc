// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// What a pod does as a service, without a service manager: this test is the one that listens and
// that passes sockets.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

constexpr char kNotifies[] =
    R"([{"name": "appc.io/executor/supports-systemd-notify", "value": "true"}])";

// The service manager's end of NOTIFY_SOCKET.
class Listener {
 public:
  explicit Listener(const std::string& path) : path_(path) {
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
    int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;

  std::string variable() const { return "NOTIFY_SOCKET=" + path_; }
  // Every line that has come until now; the sender of the last message is in `sender`.
  const std::vector<std::string>& Lines() {
    for (;;) {
      char buffer[4096], control[CMSG_SPACE(sizeof(ucred))];
      iovec piece = {buffer, sizeof buffer};
      msghdr message = {};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      ssize_t n = recvmsg(fd_, &message, 0);
      if (n < 0) return lines_;
      for (const std::string& line : rkt::test::Lines(std::string(buffer, static_cast<size_t>(n))))
        lines_.push_back(line);
      ucred credentials = {};
      if (cmsghdr* header = CMSG_FIRSTHDR(&message))
        memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      sender = credentials.pid;
    }
  }
  bool Heard(const std::string& line) {
    for (const std::string& heard : Lines()) {
      if (heard == line) return true;
    }
    return false;
  }
  bool WaitFor(const std::string& line, double seconds = 30) {
    for (double end = Now() + seconds; Now() < end; SleepFor(0.005)) {
      if (Heard(line)) return true;
    }
    std::string all;
    for (const std::string& heard : lines_) all += heard + "\n";
    ADD_FAILURE() << "never heard " << line << ", but\n" << all;
    return false;
  }
  int sender = 0;

 private:
  std::string path_;
  int fd_ = -1;
  std::vector<std::string> lines_;
};

class Notify : public PodTest {
 protected:
  std::string NotifyingImage() {
    ImageSpec spec;
    spec.annotations = kNotifies;
    return WriteImage("notifies.aci", spec);
  }
  std::string StatusWord(const std::string& uuid) {
    char target[32] = "";
    std::string path = PodDir(uuid) + "/overlay";
    for (const std::string& tree : ListDir(path)) {
      ssize_t n = readlink((path + "/" + tree + "/upper/rkt/supervisor-status").c_str(), target,
                           sizeof target - 1);
      if (n > 0) return std::string(target, static_cast<size_t>(n));
    }
    return "";
  }
};

TEST_F(Notify, PodIsReadyWhenItsAppsHaveStarted) {
  Listener listener(dir() + "/notify");
  RunningPod pod = Start({JudgeAci(), "--", "trap-term", "0"}, "waiting for TERM",
                         {.env = {listener.variable()}});
  ASSERT_TRUE(listener.WaitFor("READY=1"));
  EXPECT_EQ(listener.sender, pod.rkt->pid()) << "only the main process is listened to";
  EXPECT_TRUE(listener.Heard("STATUS=pod " + pod.uuid + " runs 1 app"));
  EXPECT_FALSE(listener.Heard("STOPPING=1"));
  EXPECT_EQ(StatusWord(pod.uuid), "ready");
  RktOk({"stop", pod.uuid});
  EXPECT_EQ(pod.rkt->Wait().code, 0);
  EXPECT_TRUE(listener.Heard("STOPPING=1"));
}

TEST_F(Notify, PodThatEndsAtOnceWasReady) {
  Listener listener(dir() + "/notify");
  EXPECT_EQ(Run({JudgeAci(), "--", "exit", "7"}, {.env = {listener.variable()}}).code, 7);
  EXPECT_TRUE(listener.Heard("READY=1"));
}

TEST_F(Notify, PodWhoseAppCannotStartIsNeverReady) {
  Listener listener(dir() + "/notify");
  EXPECT_NE(Run({JudgeAci(), "--exec=/missing"}, {.env = {listener.variable()}}).code, 0);
  EXPECT_FALSE(listener.Heard("READY=1"));
}

TEST_F(Notify, AppThatNotifiesSaysWhenThePodIsReady) {
  Listener listener(dir() + "/notify");
  RunningPod pod = Start({NotifyingImage(), "--", "notify", "STATUS=warming up",
                          "MAINPID=1\nBUSERROR=x", "sleep:1", "READY=1\nSTATUS=here", "sleep:600"},
                         "sent MAINPID", {.env = {listener.variable()}});
  ASSERT_TRUE(listener.WaitFor("STATUS=judge: warming up"));
  EXPECT_FALSE(listener.Heard("READY=1"));
  EXPECT_EQ(StatusWord(pod.uuid), "started");
  ASSERT_TRUE(listener.WaitFor("READY=1"));
  ASSERT_TRUE(listener.WaitFor("STATUS=judge: here"));
  EXPECT_EQ(StatusWord(pod.uuid), "ready");
  for (const std::string& line : listener.Lines()) {
    EXPECT_FALSE(StartsWith(line, "MAINPID=") || StartsWith(line, "BUSERROR=")) << line;
  }
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Notify, EveryAppThatNotifiesIsWaitedFor) {
  Listener listener(dir() + "/notify");
  std::string image = NotifyingImage();
  RunningPod pod = Start({image, "--name=one", "--", "notify", "READY=1", "sleep:600", "---", image,
                          "--name=two", "--user=1000", "--group=1000", "--", "notify", "sleep:1",
                          "STATUS=first", "READY=1", "sleep:600"},
                         "sent READY", {.env = {listener.variable()}});
  ASSERT_TRUE(listener.WaitFor("STATUS=two: first"));
  ASSERT_TRUE(listener.WaitFor("READY=1"));
  const std::vector<std::string>& lines = listener.Lines();
  EXPECT_LT(std::find(lines.begin(), lines.end(), "STATUS=two: first"),
            std::find(lines.begin(), lines.end(), "READY=1"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Notify, ReadinessIsWaitedForWithoutAServiceManagerToo) {
  RunningPod pod =
      Start({NotifyingImage(), "--", "notify", "STATUS=x", "sleep:1", "READY=1", "sleep:600"},
            "sent STATUS");
  EXPECT_EQ(StatusWord(pod.uuid), "started");
  EXPECT_TRUE(pod.rkt->WaitForText("sent READY"));
  for (double end = Now() + 20; Now() < end && StatusWord(pod.uuid) != "ready"; SleepFor(0.01)) {
  }
  EXPECT_EQ(StatusWord(pod.uuid), "ready");
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Notify, AppsDoNotGetTheHostsSocket) {
  Listener listener(dir() + "/notify");
  Output output = Run({"--inherit-env", JudgeAci(), "--", "notify", "READY=1"},
                      {.env = {listener.variable(), "WATCHDOG_USEC=30000000", "OTHER=1"}});
  EXPECT_EQ(output.code, 1);
  EXPECT_EQ(AppText(output.out), "notify: -: ENOENT\n");
  Facts facts =
      See({"--inherit-env"}, {},
          {.env = {listener.variable(), "WATCHDOG_USEC=30000000", "LISTEN_FDS=1", "OTHER=1"}});
  EXPECT_FALSE(Contains(facts.text(), listener.variable()));
  EXPECT_FALSE(Contains(facts.text(), "WATCHDOG_USEC"));
  EXPECT_FALSE(Contains(facts.text(), "LISTEN_FDS"));
  EXPECT_TRUE(Contains(facts.text(), "OTHER"));
}

TEST_F(Notify, WatchdogHearsOfThePod) {
  Listener listener(dir() + "/notify");
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping",
                         {.env = {listener.variable(), "WATCHDOG_USEC=200000"}});
  ASSERT_TRUE(listener.WaitFor("WATCHDOG=1"));
  auto count = [&] {
    return std::count(listener.Lines().begin(), listener.Lines().end(), "WATCHDOG=1");
  };
  auto before = count();
  for (double end = Now() + 20; Now() < end && count() < before + 5; SleepFor(0.01)) {
  }
  EXPECT_GE(count(), before + 5);
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Notify, WatchdogHearsOfAppsThatNotifyFromThem) {
  Listener listener(dir() + "/notify");
  RunningPod pod = Start({NotifyingImage(), "--", "notify", "READY=1", "sleep:1", "STATUS=pinging",
                          "WATCHDOG=1", "STATUS=pinged", "sleep:600"},
                         "sent READY", {.env = {listener.variable(), "WATCHDOG_USEC=100000"}});
  ASSERT_TRUE(listener.WaitFor("STATUS=judge: pinged"));
  const std::vector<std::string>& lines = listener.Lines();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "WATCHDOG=1"), 1);
  EXPECT_LT(std::find(lines.begin(), lines.end(), "STATUS=judge: pinging"),
            std::find(lines.begin(), lines.end(), "WATCHDOG=1"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

TEST_F(Notify, WatchdogOfAnotherProcessIsNotServed) {
  Listener listener(dir() + "/notify");
  RunningPod pod = Start({JudgeAci(), "--", "sleep"}, "sleeping",
                         {.env = {listener.variable(), "WATCHDOG_USEC=100000", "WATCHDOG_PID=1"}});
  ASSERT_TRUE(listener.WaitFor("READY=1"));
  SleepFor(0.5);
  EXPECT_FALSE(listener.Heard("WATCHDOG=1"));
  RktOk({"stop", "--force", pod.uuid});
  pod.rkt->Wait();
}

class Activation : public PodTest {
 protected:
  void TearDown() override {
    for (int fd : fds_) close(fd);
    PodTest::TearDown();
  }
  // Listens on a free port of 127.0.0.1; programs that this one starts inherit the descriptor.
  int Listen(int type = SOCK_STREAM) {
    int fd = socket(AF_INET, type, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd, 8), 0);
    }
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    fds_.push_back(fd);
    ports_.push_back(std::to_string(ntohs(address.sin_port)));
    return fd;
  }
  // `rkt run` with the sockets as a service manager passes them.
  Args Passing(const Args& args) const {
    std::string shell;
    for (size_t i = 0; i < fds_.size(); i++)
      shell += "exec " + std::to_string(40 + i) + "<&" + std::to_string(fds_[i]) + "\n";
    for (size_t i = 0; i < fds_.size(); i++)
      shell += "exec " + std::to_string(3 + i) + "<&" + std::to_string(40 + i) + " " +
               std::to_string(40 + i) + "<&-\n";
    shell += "export LISTEN_PID=$$ LISTEN_FDS=" + std::to_string(fds_.size()) + "\nexec \"$@\"";
    return Args{"bash", "-c", shell, "bash"} + RktArgs(RunArgs(args));
  }
  // An image whose port `name` is socket-activated.
  std::string ImageWithPort(const std::string& name, const std::string& port,
                            const std::string& protocol = "tcp") {
    ImageSpec spec;
    spec.app = R"("ports": [{"name": ")" + name + R"(", "protocol": ")" + protocol +
               R"(", "port": )" + port + R"(, "count": 1, "socketActivated": true}])";
    return WriteImage(name + ".aci", spec);
  }
  std::vector<int> fds_;
  std::vector<std::string> ports_;
};

TEST_F(Activation, SocketGoesToTheAppWhosePortItIs) {
  Listen();
  Listen();
  std::string first = ImageWithPort("first", ports_[0]),
              second = ImageWithPort("second", ports_[1]);
  Output output =
      RunProgram(Passing({second, "--name=two", "--", "sockets", "---", first, "--name=one", "--",
                          "sockets", "---", JudgeAci(), "--name=none", "--", "sockets"}));
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(AppText(output.out, "one"),
            "sockets: count=1 names=first mine=yes\nsockets: 3 port=" + ports_[0] + "\n");
  EXPECT_EQ(AppText(output.out, "two"),
            "sockets: count=1 names=second mine=yes\nsockets: 3 port=" + ports_[1] + "\n");
  EXPECT_EQ(AppText(output.out, "none"), "sockets: count=- names=- mine=no\n");
}

TEST_F(Activation, SocketsOfOneAppKeepTheirNames) {
  Listen();
  Listen(SOCK_DGRAM);
  ImageSpec spec;
  spec.app = R"("ports": [{"name": "a", "protocol": "tcp", "port": )" + ports_[0] +
             R"(, "socketActivated": true}, {"name": "b", "protocol": "udp", "port": )" +
             ports_[1] + R"(, "socketActivated": true}])";
  Options options = {.env = {"LISTEN_FDNAMES=web:dns"}};
  Output output = RunProgram(Passing({WriteImage("both.aci", spec), "--", "sockets"}), options);
  EXPECT_EQ(AppText(output.out), "sockets: count=2 names=web:dns mine=yes\nsockets: 3 port=" +
                                     ports_[0] + "\nsockets: 4 port=" + ports_[1] + "\n")
      << output.All();
}

TEST_F(Activation, PodWithoutNetworkServesTheHost) {
  Listen();
  std::string image = ImageWithPort("web", ports_[0]);
  Background pod(Passing({"--net=none", image, "--", "serve"}), {}, dir() + "/served");
  // The connection waits for the app.
  Output answer =
      RunProgram({"busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:" + ports_[0] + "/"});
  EXPECT_EQ(answer.out, "served by the judge\n") << answer.All() << pod.err();
  EXPECT_EQ(pod.Wait().code, 0) << pod.out() << pod.err();
}

TEST_F(Activation, PublishedPortIsTheSocketsAndNotForwarded) {
  Listen();
  std::string image = ImageWithPort("web", "80");
  Background pod(Passing({"--net=default", "--port=web:" + ports_[0], image, "--", "serve"}), {},
                 dir() + "/served");
  Output answer =
      RunProgram({"busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:" + ports_[0] + "/"});
  EXPECT_EQ(answer.out, "served by the judge\n") << answer.All() << pod.err();
  EXPECT_EQ(pod.Wait().code, 0) << pod.out() << pod.err();
}

TEST_F(Activation, SocketThatNoPortMeansIsKeptFromApps) {
  Listen();
  Listen();
  std::string image = ImageWithPort("web", ports_[0]);
  Output output = RunProgram(Passing({image, "--", "sockets"}));
  EXPECT_EQ(AppText(output.out),
            "sockets: count=1 names=web mine=yes\nsockets: 3 port=" + ports_[0] + "\n");
  EXPECT_TRUE(
      Contains(output.err, "warning: a socket was passed that listens on tcp 127.0.0.1:" + ports_[1]))
      << output.err;
}

// Refused before anything is started: no app has run, and no network was made.
TEST_F(Activation, WhatCannotBeActivatedIsRefused) {
  Listen();
  std::string here = "127.0.0.1:" + ports_[0];
  auto refused = [&](const Args& args, const std::string& why) {
    Output output = RunProgram(Passing(args));
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, why)) << why << "\n" << output.All();
    EXPECT_EQ(AppText(output.out), "");
  };
  std::string socket = "is socket-activated, but no socket was passed that listens on ";
  std::string web = ImageWithPort("web", ports_[0]), other = ImageWithPort("other", "81");
  // Another port, protocol, address.
  refused({other, "--", "sockets"},
          "port \"other\" of app \"judge\" " + socket + "tcp port 81; passed was tcp " + here);
  refused({"--net=default", "--port=web:81", web, "--", "sockets"},
          "port \"web\" of app \"judge\" " + socket + "tcp port 81; passed was tcp " + here);
  refused({ImageWithPort("dns", ports_[0], "udp"), "--", "sockets"},
          socket + "udp port " + ports_[0] + "; passed was tcp " + here);
  refused({ImageWithPort("call", ports_[0], "sctp"), "--", "sockets"},
          "its protocol is \"sctp\": only tcp and udp ports can be");
  refused({"--net=default", "--port=web:192.0.2.7:" + ports_[0], web, "--", "sockets"},
          socket + "tcp port " + ports_[0] + " of 192.0.2.7 alone; passed was tcp " + here);
  // One socket for two, and a port that would be led past the socket.
  refused({web, "--name=one", "--", "sockets", "---", web, "--name=two", "--", "sockets"},
          "port \"web\" of app \"two\" is socket-activated, but the socket of tcp port " + ports_[0] +
              " is port \"web\" of app \"one\"'s already");
  ImageSpec spec;
  spec.app = R"("ports": [{"name": "plain", "protocol": "tcp", "port": 80, "socketActivated": false}])";
  refused({"--net=default", "--port=plain:" + ports_[0], web, "--name=one", "--", "sockets", "---",
           WriteImage("plain.aci", spec), "--name=two", "--", "sockets"},
          "port \"plain\" cannot be published as tcp port " + ports_[0] + ": a socket was passed that listens on tcp " + here);
  refused({"--net=host", "--port=web:" + ports_[0], web, "--", "sockets"},
          "--port flag does not work with 'host' networking");
  // Nothing was passed.
  Output output = Run({web, "--", "sockets"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, socket + "tcp port " + ports_[0] + "; passed was none")) << output.err;
}

TEST_F(Activation, SocketServesTheHostsNetworkAndTheAddressThatIsPublished) {
  Listen();
  std::string web = ImageWithPort("web", ports_[0]);
  std::string all = "sockets: count=1 names=web mine=yes\nsockets: 3 port=" + ports_[0] + "\n";
  EXPECT_EQ(AppText(RunProgram(Passing({"--net=host", web, "--", "sockets"})).out), all);
  Output output = RunProgram(Passing({"--net=default", "--port=web:127.0.0.1:" + ports_[0], web, "--", "sockets"}));
  EXPECT_EQ(AppText(output.out), all) << output.All();
}

TEST_F(Activation, AppsThatAreAddedHaveNone) {
  Fetch(ImageWithPort("web", "80"));
  std::string file = dir() + "/sandbox.uuid";
  Background sandbox = StartRkt({"app", "sandbox", "--net=none", "--uuid-file-save=" + file});
  std::string uuid;
  for (double end = Now() + 30; Now() < end && uuid.size() != 36; SleepFor(0.003)) uuid = ReadFile(file);
  RktOk({"status", uuid, "--wait-ready=30s"});
  Output output = Rkt({"app", "add", uuid, "example.com/judge", "--name=web"});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "port \"web\" of app \"web\" is socket-activated: sockets are passed to the apps that a pod starts with"))
      << output.err;
  EXPECT_EQ(RktOk({"app", "list", "--no-legend", uuid}).out, "");
  RktOk({"stop", uuid});
  sandbox.Wait();
}

// What Accept=yes passes.
TEST_F(Activation, ConnectionIsNoSocketToServe) {
  int listening = Listen();
  int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
  int connection = accept(listening, nullptr, nullptr);
  close(listening);
  fds_ = {connection, client};
  Output output = RunProgram(Passing({ImageWithPort("web", ports_[0]), "--", "sockets"}));
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_TRUE(Contains(output.err, "passed was something that is no listening TCP or UDP socket")) << output.err;
}

}  // namespace
}  // namespace rkt::test
