// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/log_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"
#include "stage1/native/journal.h"
#include "stage1/native/output.h"

namespace rkt::native {
namespace {

class LogFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rkt-logs-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    directory_ = *Open(path_, O_RDONLY | O_DIRECTORY);
    file_ = *OpenAt(directory_.get(), "web", O_WRONLY | O_CREAT | O_APPEND, 0600);
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, path_)); }
  void Append(std::string_view lines) {
    Status written = AppendToLog(directory_.get(), "web", file_.get(), limits_, lines);
    EXPECT_TRUE(written) << written.error().Text();
  }
  std::string Text(const std::string& name) {
    auto text = ReadFileAt(directory_.get(), name);
    return text ? *text : "-";
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    auto entries = ListDirFd(directory_.get());
    for (const DirEntry& entry : *entries) names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string path_;
  Fd directory_, file_;
  LogLimits limits_ = {20, 3};
};

TEST_F(LogFiles, FullFilesAreRenamedAndTheOldestGoes) {
  for (int i = 0; i < 10; ++i) Append(StrCat("line number ", i, "\n"));  // 14 bytes: one to a file
  EXPECT_EQ(Names(), (std::vector<std::string>{"web", "web.1", "web.2"}));
  EXPECT_EQ(Text("web"), "line number 9\n");
  EXPECT_EQ(Text("web.1"), "line number 8\n");
  EXPECT_EQ(Text("web.2"), "line number 7\n");
}

TEST_F(LogFiles, BatchesAreCutBetweenLines) {
  limits_.max_files = 100;
  std::string all;
  for (int i = 0; i < 50; ++i) all += StrCat("n ", i, "\n");
  Append(all);
  std::string text;
  auto names = Names();
  for (size_t i = names.size() - 1; i > 0; --i) {
    std::string file = Text(StrCat("web.", i));
    EXPECT_LE(file.size(), 20u);
    EXPECT_TRUE(file.ends_with('\n'));
    text += file;
  }
  EXPECT_EQ(text + Text("web"), all);
}

TEST_F(LogFiles, LineLongerThanAFileHasOneToItself) {
  Append("a\n" + std::string(50, 'x') + "\nb\n");
  EXPECT_EQ(Text("web.2"), "a\n");
  EXPECT_EQ(Text("web.1"), std::string(50, 'x') + "\n");
  EXPECT_EQ(Text("web"), "b\n");
}

TEST_F(LogFiles, OneFileIsEmptied) {
  limits_.max_files = 1;
  Append("line number 1\n");
  Append("line number 2\n");
  EXPECT_EQ(Names(), std::vector<std::string>{"web"});
  EXPECT_EQ(Text("web"), "line number 2\n");
}

TEST_F(LogFiles, GapsThatAKilledWriterHasLeftAreNoHarm) {
  Append("line number 1\n");
  Append("line number 2\n");
  ASSERT_TRUE(RenameAt(directory_.get(), "web.1", directory_.get(), "web.2"));
  Append("line number 3\n");
  EXPECT_EQ(Text("web.1"), "line number 2\n");
  Append("line number 4\n");
  EXPECT_EQ(Text("web.2"), "line number 2\n");
}

TEST_F(LogFiles, OnAFullDiskLinesAreWholeOrMissing) {
  if (::geteuid() != 0) GTEST_SKIP() << "root: mounts a file system";
  ASSERT_EQ(::mount("t", path_.c_str(), "tmpfs", 0, "size=16k"), 0);
  Fd directory = *Open(path_, O_RDONLY | O_DIRECTORY);
  Fd file = *OpenAt(directory.get(), "web", O_WRONLY | O_CREAT | O_APPEND, 0600);
  bool failed = false;
  for (int i = 0; i < 100; ++i) {
    failed = !AppendToLog(directory.get(), "web", file.get(), {1 << 20, 3}, StrCat(std::string(500, 'x'), "\n")) || failed;
  }
  EXPECT_TRUE(failed);
  std::string text = *ReadFileAt(directory.get(), "web");
  EXPECT_EQ(text.size() % 501, 0u);
  EXPECT_GT(text.size(), 0u);
  directory.Close();
  file.Close();
  ASSERT_EQ(::umount(path_.c_str()), 0);
}

TEST(LogSettings, AreReadFromTheVariable) {
  auto settings = ParseLogSettings(nullptr);
  ASSERT_TRUE(settings);
  EXPECT_TRUE(settings->journal);
  EXPECT_EQ(settings->limits.max_files, 5);
  settings = ParseLogSettings("5000::0");
  ASSERT_TRUE(settings) << settings.error().Text();
  EXPECT_EQ(settings->limits.max_size, 5000u);
  EXPECT_EQ(settings->limits.max_files, 5);
  EXPECT_FALSE(settings->journal);
  EXPECT_EQ(ParseLogSettings(":7:")->limits.max_files, 7);
  for (const char* text : {"", "1", "1:1:1", "5000:0:1", "5000:1:2", "5000:1:1:1", "5000:1001:1", "-5000:1:1"}) {
    EXPECT_FALSE(ParseLogSettings(text)) << text;
  }
}

class JournalPair : public testing::Test {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    ours_ = Fd(pair[0]);
    journal_ = std::make_unique<Journal>(Fd(pair[1]), "uuid-of-pod");
  }
  // The next datagram, or the content of the file that came with it; "-" where there is none.
  std::string Take() {
    char buffer[65536];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part = {buffer, sizeof buffer};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = ::recvmsg(ours_.get(), &message, 0);
    if (n < 0) return "-";
    if (cmsghdr* header = CMSG_FIRSTHDR(&message)) {
      EXPECT_EQ(n, 0) << "a file and nothing else";
      int fd = -1;
      memcpy(&fd, CMSG_DATA(header), sizeof fd);
      Fd file(fd);
      EXPECT_EQ(::fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
      ::lseek(fd, 0, SEEK_SET);
      return *ReadFd(fd);
    }
    return std::string(buffer, static_cast<size_t>(n));
  }
  Fd ours_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(JournalPair, LinesHaveTheirFields) {
  journal_->Send({.app = "web", .stream = "stderr", .message = "text = of a line", .pid = 5});
  EXPECT_EQ(Take(),
            "MESSAGE=text = of a line\nPRIORITY=6\nSYSLOG_IDENTIFIER=web\nSYSLOG_PID=5\n"
            "RKT_POD_UUID=uuid-of-pod\nRKT_APP=web\nRKT_STREAM=stderr\n");
  journal_->Send({.app = "web", .stream = "stdout", .message = "a\nb", .priority = 3});
  constexpr char kEntry[] =
      "MESSAGE\n\3\0\0\0\0\0\0\0a\nb\nPRIORITY=3\nSYSLOG_IDENTIFIER=web\n"
      "RKT_POD_UUID=uuid-of-pod\nRKT_APP=web\nRKT_STREAM=stdout\n";
  EXPECT_EQ(Take(), std::string(kEntry, sizeof kEntry - 1));
}

TEST_F(JournalPair, LargeOnesComeAsASealedFile) {
  std::string text(500'000, 'x');
  journal_->Send({.app = "web", .stream = "stdout", .message = text});
  EXPECT_TRUE(Take().starts_with("MESSAGE=" + text + "\n"));
  EXPECT_EQ(journal_->lost(), 0u);
}

TEST_F(JournalPair, SlowOneLosesLinesAndIsToldOfIt) {
  for (int i = 0; i < 2000; ++i) journal_->Send({.app = "web", .stream = "stdout", .message = std::string(1000, 'x')});
  EXPECT_GT(journal_->lost(), 0u);
  std::string lost = StrCat(journal_->lost());
  while (Take() != "-") {
  }
  journal_->Send({.app = "web", .stream = "stdout", .message = "after"});
  EXPECT_TRUE(Take().starts_with("MESSAGE=after\n"));
  EXPECT_TRUE(Take().starts_with("MESSAGE=rkt: the journal did not take " + lost + " lines of this pod\nPRIORITY=4\n"));
  EXPECT_EQ(journal_->lost(), 0u);
}

TEST_F(JournalPair, OneThatIsGoneIsNotAsked) {
  ours_.Close();
  journal_->Send({.app = "web", .stream = "stdout", .message = "x"});
  journal_->Send({.app = "web", .stream = "stdout", .message = "x"});
  EXPECT_EQ(journal_->lost(), 1u);
}

TEST_F(JournalPair, PriorityInFrontOfALineIsTheEntrys) {
  Console console(-1);
  char name[] = "/tmp/rkt-log-XXXXXX";
  Fd log(::mkstemp(name));
  ::unlink(name);
  LogTargets targets;
  targets.journal = std::move(journal_);
  LineSink sink("web", "stdout", log.get(), nullptr);
  sink.set_targets(&targets);
  sink.Take("<3>broken\n<9>not\n");
  EXPECT_TRUE(Take().starts_with("MESSAGE=broken\nPRIORITY=3\n"));
  EXPECT_TRUE(Take().starts_with("MESSAGE=<9>not\nPRIORITY=6\n"));
  ::lseek(log.get(), 0, SEEK_SET);
  EXPECT_NE(ReadFd(log.get())->find(" stdout F <3>broken\n"), std::string::npos) << "the log has it as it was";
}

TEST(Journal, IsNotThereWhereNobodyListens) {
  EXPECT_EQ(Journal::Connect("/nowhere/socket", "u"), nullptr);
  EXPECT_EQ(Journal::Connect("/" + std::string(200, 'x'), "u"), nullptr);
}

}  // namespace
}  // namespace rkt::native
