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

TEST(ParseRfc3339, EndsWhereNanosecondsDo) {
  EXPECT_EQ(ParseRfc3339("9999-12-31T23:59:59Z"), INT64_MAX);
  EXPECT_EQ(ParseRfc3339("0001-01-01T00:00:00Z"), INT64_MIN);
  EXPECT_EQ(ParseTimePoint("9999-12-31", 0), INT64_MAX);
  EXPECT_EQ(ParseTimePoint("99999999999999", 0), INT64_MAX);
  EXPECT_EQ(ParseTimePoint("-2562047h", 1764000000 * kSecond), INT64_MAX);
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

TEST_F(LogReaderTest, LeavesOutWhatAKilledWriterHasLeftOfAnEntry) {
  Write("2025-11-21T23:29:26Z stdout F one\n2025-11-21T23:");
  EXPECT_EQ(Next(true), "one");
  EXPECT_EQ(Next(true), "-");
}

class AppLogs : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/app-logs-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    directory_ = *Open(path_, O_RDONLY | O_DIRECTORY);
  }
  void TearDown() override { EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, path_)); }
  void Write(const std::string& name, const std::string& text) {
    Fd file = *OpenAt(directory_.get(), name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    ASSERT_TRUE(WriteAll(file.get(), StrCat("2025-11-21T23:29:26Z stdout F ", text, "\n")));
  }
  // As the writer does it.
  void Rotate(int files) {
    for (int i = files - 1; i >= 1; --i) {
      (void)RenameAt(directory_.get(), i == 1 ? "web" : StrCat("web.", i - 1), directory_.get(), StrCat("web.", i));
    }
  }
  std::string Rest(AppLogReader& reader, bool last = false) {
    std::string text;
    for (;;) {
      auto entry = reader.Next(last);
      EXPECT_TRUE(entry) << entry.error().Text();
      if (!entry || !*entry) return text;
      text += (*entry)->text + " ";
    }
  }
  std::string path_;
  Fd directory_;
};

TEST_F(AppLogs, AreReadFromTheOldestFileOn) {
  Write("web.10", "a");
  Write("web.2", "b");
  Write("web.1", "c");
  Write("web", "d");
  Write("web.x", "no");
  Write("website", "no");
  AppLogReader reader(directory_.get(), "web");
  EXPECT_EQ(Rest(reader, true), "a b c d ");
  EXPECT_FALSE(reader.TakeLost());
}

TEST_F(AppLogs, AreFollowedThroughRenaming) {
  AppLogReader reader(directory_.get(), "web");
  EXPECT_EQ(Rest(reader), "");
  Write("web", "1");
  EXPECT_EQ(Rest(reader), "1 ");
  Write("web", "2");
  Rotate(4);
  EXPECT_EQ(Rest(reader), "2 ") << "in the middle of it: there is no current file";
  Write("web", "3");
  Rotate(4);
  Write("web", "4");
  EXPECT_EQ(Rest(reader), "3 4 ");
  EXPECT_FALSE(reader.TakeLost());
}

TEST_F(AppLogs, WhatVanishedBeforeItWasReadIsTold) {
  AppLogReader reader(directory_.get(), "web");
  Write("web", "1");
  EXPECT_EQ(Rest(reader), "1 ");
  for (int i = 2; i < 8; ++i) {
    Rotate(3);
    Write("web", StrCat(i));
  }
  EXPECT_EQ(Rest(reader), "5 6 7 ");
  EXPECT_TRUE(reader.TakeLost());
  EXPECT_FALSE(reader.TakeLost());
}

TEST_F(AppLogs, EmptiedFileIsReadFromItsBeginning) {
  AppLogReader reader(directory_.get(), "web");
  Write("web", "long enough to be seen");
  EXPECT_EQ(Rest(reader), "long enough to be seen ");
  ASSERT_EQ(truncate((path_ + "/web").c_str(), 0), 0);
  Write("web", "2");
  EXPECT_EQ(Rest(reader), "2 ");
  EXPECT_TRUE(reader.TakeLost());
}

TEST(TimePoint, IsATimeOrADurationBeforeNow) {
  setenv("TZ", "XYZ-2", 1);
  tzset();
  const int64_t now = 1'800'000'000 * kSecond;
  EXPECT_EQ(ParseTimePoint("2025-11-21T23:29:26Z", now), 1763767766 * kSecond);
  EXPECT_EQ(ParseTimePoint("2025-11-21T23:29:26.5+01:00", now), (1763767766 - 3600) * kSecond + kSecond / 2);
  EXPECT_EQ(ParseTimePoint("2025-11-21T23:29:26", now), (1763767766 - 7200) * kSecond);
  EXPECT_EQ(ParseTimePoint("2025-11-21 23:29:26.25", now), (1763767766 - 7200) * kSecond + kSecond / 4);
  EXPECT_EQ(ParseTimePoint("2025-11-21 23:29", now), (1763767766 - 7200 - 26) * kSecond);
  EXPECT_EQ(ParseTimePoint("2025-11-21", now), (1763683200 - 7200) * kSecond);
  EXPECT_EQ(ParseTimePoint("1763767766", now), 1763767766 * kSecond);
  EXPECT_EQ(ParseTimePoint("1763767766.5", now), 1763767766 * kSecond + kSecond / 2);
  EXPECT_EQ(ParseTimePoint("10m", now), now - 600 * kSecond);
  EXPECT_EQ(ParseTimePoint("1h30m", now), now - 5400 * kSecond);
  for (const char* text : {"", "x", "2025", "2025-11", "2025-11-21T", "2025-11-21T23", "10 m", "1.", "12345678901234567890"}) {
    if (std::string_view(text) == "2025") continue;
    EXPECT_FALSE(ParseTimePoint(text, now)) << text;
  }
  EXPECT_EQ(FormatRfc3339(1763767766 * kSecond + 7), "2025-11-21T23:29:26.000000007Z");
  EXPECT_EQ(FormatRfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace rkt::cli
