// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"
#include "stage1/native/terminal.h"

namespace rkt::native {
namespace {

std::vector<std::string> LinesOf(const std::string& path) {
  auto lines = Split(*ReadFile(path), '\n');
  lines.pop_back();
  return lines;
}

class LogFile : public testing::Test {
 protected:
  LogFile() : path_(testing::TempDir() + "rkt-log-" + std::to_string(::getpid())) {
    fd_ = *Open(path_, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
  }
  ~LogFile() override { ::unlink(path_.c_str()); }
  std::string path_;
  Fd fd_;
};

TEST_F(LogFile, LinesCutAnywhereComeOutWhole) {
  LineSink sink("web", "stdout", fd_.get(), nullptr);
  sink.Take("one\ntw");
  sink.Take("o\n\nthree");
  sink.Finish();
  auto lines = LinesOf(path_);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(lines[0].ends_with("Z stdout F one")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("Z stdout F two"));
  EXPECT_TRUE(lines[2].ends_with("Z stdout F "));
  EXPECT_TRUE(lines[3].ends_with("Z stdout F three"));
}

TEST_F(LogFile, ALineWithoutEndIsKeptInPartsAndInBoundedMemory) {
  LineSink sink("web", "stderr", fd_.get(), nullptr);
  std::string chunk(10000, 'x');
  for (int i = 0; i < 10; ++i) sink.Take(chunk);
  sink.Take("end\n");
  std::string text;
  auto lines = LinesOf(path_);
  for (size_t i = 0; i < lines.size(); ++i) {
    bool last = i + 1 == lines.size();
    size_t mark = lines[i].find(last ? " stderr F " : " stderr P ");
    ASSERT_NE(mark, std::string::npos) << i;
    text += lines[i].substr(mark + 10);
  }
  EXPECT_EQ(text, std::string(100000, 'x') + "end");
}

TEST(Console, KeepsWhatThePipeDoesNotTakeAndDrainsItLater) {
  auto [read_end, write_end] = *MakePipe();
  Console console(write_end.get());
  std::string all;
  for (int i = 0; i < 20000; ++i) all += StrCat("line ", i, "\n");
  console.Add(all);
  EXPECT_TRUE(console.wants_write());
  EXPECT_TRUE(console.full());
  std::string got;
  char buffer[65536];
  while (got.size() < all.size()) {
    ssize_t n = ::read(read_end.get(), buffer, sizeof buffer);
    ASSERT_GT(n, 0);
    got.append(buffer, static_cast<size_t>(n));
    console.Flush();
  }
  EXPECT_EQ(got, all);
  EXPECT_FALSE(console.wants_write());
}

TEST(Console, AReaderThatIsGoneDoesNotStopAnything) {
  ::signal(SIGPIPE, SIG_IGN);
  auto [read_end, write_end] = *MakePipe();
  Console console(write_end.get());
  read_end.Close();
  console.Add("text\n");
  console.Add("more\n");
  EXPECT_FALSE(console.wants_write());
}

TEST(LogTime, IsRfc3339InUtcWithNineDigits) {
  EXPECT_EQ(LogTime({1767323045, 6}), "2026-01-02T03:04:05.000000006Z");
}

TEST(Escape, ThreeWithinASecondOnly) {
  EscapeDetector detector;
  EXPECT_FALSE(detector.Feed("\x1d\x1d", 0));
  EXPECT_FALSE(detector.Feed("a\x1d", 10));
  EXPECT_FALSE(detector.Feed("\x1d", 20));
  EXPECT_TRUE(detector.Feed("\x1d", 900));
  EscapeDetector slow;
  EXPECT_FALSE(slow.Feed("\x1d", 0));
  EXPECT_FALSE(slow.Feed("\x1d", 600));
  EXPECT_FALSE(slow.Feed("\x1d", 1200));
}

}  // namespace
}  // namespace rkt::native
