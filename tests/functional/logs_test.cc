// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt logs and where the output of apps goes: files of bounded size, the host's journal.

#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "functional/harness/pod_test.h"

namespace rkt::test {
namespace {

class LogTest : public PodTest {
 protected:
  void Configure(const std::string& members) {
    MakeDirs(dir() + "/config-local/logs.d");
    WriteFile(dir() + "/config-local/logs.d/logs.json", R"({"rktKind":"logs","rktVersion":"v1",)" + members + "}");
  }
  std::string OnlyPod() {
    std::vector<std::string> pods = PodsIn("run");
    return pods.size() == 1 ? pods[0] : "";
  }
  Args LogLines(const Args& flags) { return Lines(RktOk(Args{"logs"} + flags + Args{OnlyPod()}).out); }
  static Args Numbered(const std::string& prefix, int from, int to) {
    Args lines;
    for (int i = from; i <= to; i++) lines.push_back(prefix + std::to_string(i));
    return lines;
  }
};

class LogBounds : public LogTest {};

// Attack: an app that prints without end.
TEST_F(LogBounds, FloodDoesNotFillTheDisk) {
  Configure(R"("maxSize":"32Ki","maxFiles":3)");
  RunOk({JudgeAci(), "--name=a", "--", "lines", "20000"}, {.timeout = 120});
  std::string logs = PodDir(OnlyPod()) + "/logs";
  EXPECT_EQ(ListDir(logs), (Args{"a", "a.1", "a.2"}));
  for (const std::string& name : ListDir(logs)) EXPECT_LE(ReadFile(logs + "/" + name).size(), 32u << 10) << name;
  // What is kept is the end of it, without a hole.
  Args lines = LogLines({});
  ASSERT_GT(lines.size(), 500u);
  EXPECT_EQ(lines, Numbered("line ", 20001 - static_cast<int>(lines.size()), 20000));
}

TEST_F(LogBounds, HaveADefault) {
  RunOk({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
         "dd if=/dev/zero bs=16384 count=4096 2>/dev/null | tr '\\0' x | fold -w 1000"},
        {.timeout = 120});
  std::string logs = PodDir(OnlyPod()) + "/logs";
  Args files = ListDir(logs);
  EXPECT_EQ(files, (Args{"a", "a.1", "a.2", "a.3", "a.4"}));
  size_t total = 0;
  for (const std::string& name : files) total += ReadFile(logs + "/" + name).size();
  EXPECT_LE(total, 50u << 20);
  EXPECT_GT(total, 40u << 20);
}

TEST_F(LogBounds, ConfigurationIsChecked) {
  for (const char* bad : {R"("maxSize":"1Ki")", R"("maxSize":10)", R"("maxFiles":0)", R"("maxFiles":"3")",
                          R"("journal":"yes")"}) {
    Configure(bad);
    Output output = Run({JudgeAci(), "--", "exit", "0"});
    EXPECT_EQ(output.code, 254) << bad;
    EXPECT_TRUE(Contains(output.err, "logs.json") || Contains(output.err, "max") || Contains(output.err, "journal"))
        << output.err;
  }
  Configure(R"("maxSize":"64Ki","journal":false)");
  EXPECT_TRUE(Contains(RktOk({"config"}).out, "\"maxSize\": \"65536\"")) << RktOk({"config"}).out;
}

TEST_F(LogBounds, FollowingGoesOnThroughRenamedFiles) {
  Configure(R"("maxSize":"16Ki","maxFiles":100)");
  RunningPod pod = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
                          "for i in 1 2 3 4 5 6 7 8; do /judge lines 1500; sleep 0.15; done; echo done"},
                         "line 1500");
  Output output = RktOk({"logs", "-f", pod.uuid}, {.timeout = 60});
  Args expected;
  for (int i = 0; i < 8; i++) expected = expected + Numbered("line ", 1, 1500);
  expected.push_back("done");
  EXPECT_EQ(Lines(output.out), expected);
  EXPECT_EQ(output.err, "");
  EXPECT_GT(ListDir(PodDir(pod.uuid) + "/logs").size(), 10u);
  pod.rkt->Wait();
}

class LogChoice : public LogTest {};

TEST_F(LogChoice, LinesOfSeveralAppsAreMergedByTimeAndNamed) {
  RunOk({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c", "for i in 1 2 3; do echo a$i; sleep 0.2; done", "---",
         JudgeAci(), "--name=b", "--exec=/bin/sh", "--", "-c", "sleep 0.1; for i in 1 2 3; do echo b$i; sleep 0.2; done",
         "---", JudgeAci(), "--name=c", "--", "exit", "0"});
  EXPECT_EQ(LogLines({}), (Args{"a: a1", "b: b1", "a: a2", "b: b2", "a: a3", "b: b3"}));
  EXPECT_EQ(LogLines({"--app=a"}), (Args{"a1", "a2", "a3"}));
  EXPECT_EQ(LogLines({"--app=b", "--app=c"}), (Args{"b: b1", "b: b2", "b: b3"}));
  EXPECT_EQ(LogLines({"--app=c"}), Args{});
  EXPECT_EQ(LogLines({"--tail=3"}), (Args{"b: b2", "a: a3", "b: b3"}));
  EXPECT_EQ(LogLines({"--tail=0"}), Args{});
  EXPECT_EQ(LogLines({"--tail=all"}).size(), 6u);
  // The times are those of the files; with them any part can be had.
  Args stamped = LogLines({"--timestamps"});
  ASSERT_EQ(stamped.size(), 6u);
  std::vector<std::string> words = Split(stamped[2], ' ');
  EXPECT_EQ(words.size(), 3u);
  EXPECT_EQ(words[0].size(), 30u) << words[0];
  EXPECT_TRUE(Contains(ReadFile(PodDir(OnlyPod()) + "/logs/a"), words[0] + " stdout F a2"));
  std::string from = Split(stamped[1], ' ')[0];
  EXPECT_EQ(LogLines({"--since=" + from}), (Args{"b: b1", "a: a2", "b: b2", "a: a3", "b: b3"}));
  EXPECT_EQ(LogLines({"--since=" + from, "--until=" + words[0]}), (Args{"b: b1", "a: a2"}));
  EXPECT_EQ(LogLines({"--since=1h"}).size(), 6u);
  EXPECT_EQ(LogLines({"--since=0s"}), Args{});
  EXPECT_EQ(LogLines({"--until=1h"}), Args{});
  for (const char* flag : {"--since=tomorrow", "--until=", "--tail=-1", "--tail=x", "--app=", "--app=../a", "--app=d"}) {
    Output output = Rkt({"logs", flag, OnlyPod()});
    EXPECT_EQ(output.code, 254) << flag;
    EXPECT_EQ(output.out, "") << flag;
    EXPECT_NE(output.err, "") << flag;
  }
}

TEST_F(LogChoice, TailAndFollow) {
  RunningPod pod = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
                          "/judge lines 100; sleep 1; echo later; /judge sleep 1"}, "line 100");
  Output output = RktOk({"logs", "-f", "--tail=2", pod.uuid}, {.timeout = 30});
  EXPECT_EQ(Lines(output.out), (Args{"line 99", "line 100", "later", "judge: sleeping"}));
  pod.rkt->Wait();
}

TEST_F(LogChoice, LongLinesAreOneLine) {
  RunOk({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
         "echo first; dd if=/dev/zero bs=50000 count=1 2>/dev/null | tr '\\0' x; echo; echo last"});
  EXPECT_TRUE(Contains(ReadFile(PodDir(OnlyPod()) + "/logs/a"), " stdout P x"));
  EXPECT_EQ(LogLines({}), (Args{"first", std::string(50000, 'x'), "last"}));
  EXPECT_EQ(LogLines({"--tail=2"}), (Args{std::string(50000, 'x'), "last"}));
}

class LogSafety : public LogTest {};

// Attack: escape sequences, also in halves that only together are one.
TEST_F(LogSafety, EscapesAreShownOnATerminalAndRawInAPipe) {
  std::string attack = "a\x1b[31mb\x07 \xc2\x9b" "31m gr\xc3\xbc\xc3\x9f";
  RunOk({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c",
         "printf 'a\\033[31mb\\007 \\302\\23331m gr\\303\\274\\303\\237\\n'; "
         "dd if=/dev/zero bs=16383 count=1 2>/dev/null | tr '\\0' x; printf '\\302\\23331m\\n'"});
  std::string raw = RktOk({"logs", OnlyPod()}).out;
  EXPECT_EQ(Lines(raw)[0], attack);
  EXPECT_TRUE(EndsWith(raw, "x\xc2\x9b" "31m\n"));
  Terminal terminal(RktArgs({"logs", OnlyPod()}), {});
  EXPECT_TRUE(terminal.Expect("a\\x1b[31mb\\x07 \\xc2\\x9b31m gr\xc3\xbc\xc3\x9f")) << terminal.screen();
  EXPECT_TRUE(terminal.Expect("x\\xc2\\x9b31m")) << terminal.screen().substr(0, 300);
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_FALSE(Contains(terminal.screen(), "\x1b"));
  EXPECT_FALSE(Contains(terminal.screen(), "\xc2\x9b"));
}

TEST_F(LogSafety, KilledPodHasItsLog) {
  RunningPod pod = Start({JudgeAci(), "--name=a", "--exec=/bin/sh", "--", "-c", "echo before; exec /judge sleep"}, "before");
  RktOk({"logs", pod.uuid});
  std::string file = PodDir(pod.uuid) + "/logs/a";
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  ASSERT_TRUE(WaitForState(pod.uuid, "exited"));
  EXPECT_EQ(LogLines({}), (Args{"before", "judge: sleeping"}));
  // What a writer leaves that is killed in the middle of a line, and of a renaming.
  std::string log = ReadFile(file);
  WriteFile(file, log + "2026-11-2");
  EXPECT_EQ(LogLines({}), (Args{"before", "judge: sleeping"}));
  WriteFile(file, log + "2026-11-21T23:29:26.000000000Z stdout F half");
  EXPECT_EQ(LogLines({}), (Args{"before", "judge: sleeping", "half"}));
  ASSERT_EQ(rename(file.c_str(), (file + ".2").c_str()), 0);
  EXPECT_EQ(LogLines({"-f"}), (Args{"before", "judge: sleeping", "half"}));
}

TEST_F(LogSafety, LinksAndOthersInTheDirectoryAreNotRead) {
  RunOk({JudgeAci(), "--name=a", "--", "say", "own"});
  std::string logs = PodDir(OnlyPod()) + "/logs";
  WriteFile(dir() + "/secret", "2025-11-21T23:29:26Z stdout F secret\n");
  ASSERT_EQ(symlink((dir() + "/secret").c_str(), (logs + "/b").c_str()), 0);
  ASSERT_EQ(symlink((dir() + "/secret").c_str(), (logs + "/a.1").c_str()), 0);
  MakeDirs(logs + "/c");
  Output output = Rkt({"logs", OnlyPod()});
  EXPECT_FALSE(Contains(output.All(), "secret")) << output.All();
}

// The host's journal, played by the test: datagrams at /run/systemd/journal/socket.
class LogJournal : public LogTest {
 protected:
  void SetUp() override {
    LogTest::SetUp();
    REQUIRE_FACILITY("place-of-journal", !Exists("/run/systemd/journal/socket"), "the host's own journal is there");
    made_ = mkdir("/run/systemd", 0755) == 0;
    ASSERT_EQ(mount("journal", "/run/systemd", "tmpfs", 0, "mode=0755"), 0);
    mounted_ = true;
    MakeDirs("/run/systemd/journal");
    socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, "/run/systemd/journal/socket");
    ASSERT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void TearDown() override {
    if (socket_ >= 0) close(socket_);
    if (mounted_) umount("/run/systemd");
    if (made_) rmdir("/run/systemd");
    LogTest::TearDown();
  }
  // Every entry that has come, its fields by name.
  std::vector<std::map<std::string, std::string>> Entries() {
    std::vector<std::map<std::string, std::string>> entries;
    char buffer[65536];
    for (ssize_t n; (n = recv(socket_, buffer, sizeof buffer, 0)) > 0;) {
      entries.emplace_back();
      for (const std::string& line : Lines(std::string(buffer, static_cast<size_t>(n)))) {
        size_t equals = line.find('=');
        entries.back()[line.substr(0, equals)] = equals == std::string::npos ? "" : line.substr(equals + 1);
      }
    }
    return entries;
  }
  int socket_ = -1;
  bool mounted_ = false;
  bool made_ = false;
};

TEST_F(LogJournal, HasEveryLineWithItsFields) {
  Output output = RunOk({JudgeAci(), "--name=web", "--exec=/bin/sh", "--", "-c",
                         "echo first; sleep 0.1; echo '<3>second' >&2; sleep 0.1; echo third"});
  auto entries = Entries();
  ASSERT_EQ(entries.size(), 3u);
  auto first = entries[0];
  EXPECT_EQ(first["MESSAGE"], "first");
  EXPECT_EQ(first["PRIORITY"], "6");
  EXPECT_EQ(first["SYSLOG_IDENTIFIER"], "web");
  EXPECT_EQ(first["RKT_POD_UUID"], OnlyPod());
  EXPECT_EQ(first["RKT_APP"], "web");
  EXPECT_EQ(first["RKT_STREAM"], "stdout");
  EXPECT_NE(first["SYSLOG_PID"], "");
  EXPECT_EQ(entries[1]["MESSAGE"], "second");
  EXPECT_EQ(entries[1]["PRIORITY"], "3");
  EXPECT_EQ(entries[1]["RKT_STREAM"], "stderr");
  EXPECT_EQ(entries[2]["MESSAGE"], "third");
  EXPECT_EQ(AppLines(output.out), (Args{"first", "third"})) << "the console has them, too";
  EXPECT_EQ(LogLines({}), (Args{"first", "<3>second", "third"}));
}

TEST_F(LogJournal, IsLeftAloneWhereThatIsConfigured) {
  Configure(R"("journal":false)");
  RunOk({JudgeAci(), "--", "say", "x"});
  EXPECT_TRUE(Entries().empty());
}

TEST_F(LogJournal, DoesNotGetALineTwice) {
  // As a unit's standard output is: a stream that the journal reads, which systemd tells of.
  std::string rkt;
  for (const std::string& word : RktArgs(RunArgs({JudgeAci(), "--exec=/bin/sh", "--", "-c", "echo x; echo y >&2"}))) {
    rkt += " '" + word + "'";
  }
  Output output = RunProgram({"/bin/sh", "-c", "exec 3>&1; JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/3); exec 3>&-; "
                                               "export JOURNAL_STREAM; exec" + rkt});
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(output.out, "");
  EXPECT_EQ(AppLines(output.err), Args{"y"}) << "standard error is another";
  EXPECT_EQ(Entries().size(), 2u);
  EXPECT_EQ(LogLines({}).size(), 2u);
}

TEST_F(LogJournal, NeverMakesTheAppWait) {
  double start = Now();
  RunOk({JudgeAci(), "--name=a", "--", "lines", "20000"}, {.timeout = 60});
  EXPECT_LT(Now() - start, 40);
  EXPECT_EQ(LogLines({}).size(), 20000u) << "the log has them all";
  EXPECT_LT(Entries().size(), 20000u);
}

}  // namespace
}  // namespace rkt::test
