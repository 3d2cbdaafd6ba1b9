// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/duration.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

namespace rkt {
namespace {

TEST(Duration, ReadsWhatGoReads) {
  EXPECT_EQ(ParseDuration("30m"), 1800 * kSecond);
  EXPECT_EQ(ParseDuration("1h15m30.5s"), 4530 * kSecond + kSecond / 2);
  EXPECT_EQ(ParseDuration("300ms"), 300'000'000);
  EXPECT_EQ(ParseDuration("-1.5h"), -5400 * kSecond);
  EXPECT_EQ(ParseDuration("0"), 0);
  EXPECT_EQ(ParseDuration("+5s"), 5 * kSecond);
  EXPECT_EQ(ParseDuration("3us"), 3000);
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "-", "5", "s", "1d", "5 s", "1h 2m", ".s", "bogus", "1s2",
                           "99999999999h", "9223372036854775807s"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(Duration, IsWrittenAsGoWritesIt) {
  EXPECT_EQ(FormatDuration(1800 * kSecond), "30m0s");
  EXPECT_EQ(FormatDuration(24 * 3600 * kSecond), "24h0m0s");
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(kSecond + kSecond / 2), "1.5s");
  EXPECT_EQ(FormatDuration(-90 * kSecond), "-1m30s");
  EXPECT_EQ(FormatDuration(300'000'000), "300ms");
  EXPECT_EQ(FormatDuration(17), "17ns");
  EXPECT_EQ(FormatDuration(61 * kSecond + 1'000'000), "1m1.001s");
}

TEST(LongTime, DropsTrailingZerosOfTheFraction) {
  setenv("TZ", "UTC", 1);
  tzset();
  int64_t second = 1763767766 * kSecond;
  EXPECT_EQ(LongTime(second + 600'000'000), "2025-11-21 23:29:26.6 +0000 UTC");
  EXPECT_EQ(LongTime(second + 237'999'999), "2025-11-21 23:29:26.237 +0000 UTC");
  EXPECT_EQ(LongTime(second), "2025-11-21 23:29:26 +0000 UTC");
  EXPECT_EQ(LongTime(second + 40'000'000), "2025-11-21 23:29:26.04 +0000 UTC");
}

TEST(ShortTime, NamesTheLargestUnit) {
  int64_t now = 2'000'000'000 * kSecond;
  auto ago = [&](int64_t seconds) { return ShortTime(now - seconds * kSecond, now); };
  constexpr int64_t kDay = 86400;
  EXPECT_EQ(ago(0), "now");
  EXPECT_EQ(ago(1), "1 second ago");
  EXPECT_EQ(ago(59), "59 seconds ago");
  EXPECT_EQ(ago(60), "1 minute ago");
  EXPECT_EQ(ago(119), "1 minute ago");
  EXPECT_EQ(ago(3 * 3600), "3 hours ago");
  EXPECT_EQ(ago(kDay), "1 day ago");
  EXPECT_EQ(ago(21 * kDay), "3 weeks ago");
  EXPECT_EQ(ago(40 * kDay), "1 month ago");
  EXPECT_EQ(ago(400 * kDay), "1 year ago");
  EXPECT_EQ(ago(700 * kDay), "2 years ago");
  EXPECT_EQ(ago(37 * 360 * kDay), "a long while ago");
  EXPECT_EQ(ShortTime(now + 7200 * kSecond, now), "2 hours from now");
}

TEST(HumanSize, HasOneDecimalBelowTen) {
  EXPECT_EQ(HumanSize(0), "0B");
  EXPECT_EQ(HumanSize(9), "9B");
  EXPECT_EQ(HumanSize(999), "999B");
  EXPECT_EQ(HumanSize(7168), "7.0KiB");
  EXPECT_EQ(HumanSize(27 * 1024), "27KiB");
  EXPECT_EQ(HumanSize(1536 * 1024), "1.5MiB");
  EXPECT_EQ(HumanSize(10ull << 30), "10GiB");
}

}  // namespace
}  // namespace rkt
