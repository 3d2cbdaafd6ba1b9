// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/app_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/file.h"

namespace rkt::cli {
namespace {

TEST(ParseRfc3339, ReadsFractionsAndZones) {
  constexpr int64_t kTime = 1763767766 * kSecond;
  EXPECT_EQ(ParseRfc3339("2025-11-21T23:29:26Z"), kTime);
  EXPECT_EQ(ParseRfc3339("2025-11-21T23:29:26.6Z"), kTime + 600'000'000);
  EXPECT_EQ(ParseRfc3339("2025-11-21T23:29:26.000000001Z"), kTime + 1);
  EXPECT_EQ(ParseRfc3339("2025-11-22T00:29:26+01:00"), kTime);
  for (const char* text : {"", "2025-11-21", "2025-11-21T23:29:26", "2025-11-21T23:29:26.Z",
                           "2025-11-21T23:29:26Zx", "x025-11-21T23:29:26Z"}) {
    EXPECT_FALSE(ParseRfc3339(text)) << text;
  }
}

TEST(ParseLogLine, TakesTheTextAsItStands) {
  auto entry = ParseLogLine("2025-11-21T23:29:26.5Z stderr F  two  spaces ");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->text, " two  spaces ");
  EXPECT_TRUE(entry->ends_line);
  entry = ParseLogLine("2025-11-21T23:29:26.5Z stdout P part");
  ASSERT_TRUE(entry);
  EXPECT_FALSE(entry->ends_line);
  EXPECT_TRUE(ParseLogLine("2025-11-21T23:29:26.5Z stdout F "));
  EXPECT_FALSE(ParseLogLine("2025-11-21T23:29:26.5Z stdnone F x"));
  EXPECT_FALSE(ParseLogLine("plain text"));
}

class LogReaderTest : public ::testing::Test {
 protected:
  LogReaderTest() : writer_(mkstemp(path_)), reader_(*Open(path_, O_RDONLY)) {}
  ~LogReaderTest() override { unlink(path_); }
  void Write(std::string_view text) { ASSERT_TRUE(WriteAll(writer_.get(), text)); }
  // The text of the next entry, "-" where there is none.
  std::string Next(bool last = false) {
    auto entry = reader_.Next(last);
    if (!entry) return entry.error().Text();
    return *entry ? (*entry)->text : "-";
  }
  char path_[32] = "/tmp/app_log_test.XXXXXX";
  Fd writer_;
  LogReader reader_;
};

TEST_F(LogReaderTest, WaitsForTheEndOfALine) {
  Write("2025-11-21T23:29:26Z stdout F one\n2025-11-21T23:29:27Z stdout F tw");
  EXPECT_EQ(Next(), "one");
  EXPECT_EQ(Next(), "-");
  Write("o\n");
  EXPECT_EQ(Next(), "two");
  EXPECT_EQ(Next(), "-");
}

TEST_F(LogReaderTest, GivesWhatFollowsTheLastNewlineAtTheEnd) {
  Write("2025-11-21T23:29:26Z stdout F one\n2025-11-21T23:29:27Z stdout F cut");
  EXPECT_EQ(Next(true), "one");
  EXPECT_EQ(Next(true), "cut");
  EXPECT_EQ(Next(true), "-");
}

TEST_F(LogReaderTest, GivesUnreadableLinesAsTheyAre) {
  Write("2025-11-21T23:29:26Z stdout F one\nbroken line\n");
  EXPECT_EQ(Next(), "one");
  auto entry = reader_.Next(false);
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->text, "broken line");
  EXPECT_EQ((*entry)->time_ns, 1763767766 * kSecond);
}

TEST_F(LogReaderTest, ReadsLinesLongerThanItsChunks) {
  std::string text(200'000, 'x');
  Write("2025-11-21T23:29:26Z stdout F " + text + "\n2025-11-21T23:29:27Z stdout F next\n");
  EXPECT_EQ(Next(), text);
  EXPECT_EQ(Next(), "next");
}

TEST_F(LogReaderTest, CutsLinesWithoutEnd) {
  Write(std::string(3 << 20, 'x'));
  size_t total = 0;
  for (std::string text = Next(true); text != "-"; text = Next(true)) {
    EXPECT_LE(text.size(), 2u << 20);
    total += text.size();
  }
  EXPECT_EQ(total, 3u << 20);
}

}  // namespace
}  // namespace rkt::cli
