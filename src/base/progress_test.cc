// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/progress.h"

#include <gtest/gtest.h>

namespace rkt {
namespace {

TEST(TransferSize, HasThreeSignificantDigitsInDecimalUnits) {
  EXPECT_EQ(TransferSize(0), "0 B");
  EXPECT_EQ(TransferSize(999), "999 B");
  EXPECT_EQ(TransferSize(1000), "1 KB");
  EXPECT_EQ(TransferSize(32768), "32.8 KB");
  EXPECT_EQ(TransferSize(999'400), "999 KB");
  EXPECT_EQ(TransferSize(999'999), "1 MB");
  EXPECT_EQ(TransferSize(1'150'000), "1.15 MB");
  EXPECT_EQ(TransferSize(3'340'000'000), "3.34 GB");
  EXPECT_EQ(TransferSize(UINT64_MAX), "18.4 EB");
}

TEST(ProgressText, IsPlainWithoutATerminal) {
  EXPECT_EQ(ProgressText("ACI", 1'150'000, 3'340'000, 0), "Downloading ACI:  1.15 MB/3.34 MB");
  EXPECT_EQ(ProgressText("signature", 32768, 0, 0),
            "Downloading signature: 32.8 KB of an unknown total size");
}

TEST(ProgressText, FillsTheTerminal) {
  std::string half = ProgressText("ACI", 500, 1000, 80);
  EXPECT_EQ(half.size(), 80u);
  EXPECT_TRUE(half.starts_with("Downloading ACI: [====")) << half;
  EXPECT_TRUE(half.ends_with(" ] 500 B/1 KB")) << half;
  std::string full = ProgressText("ACI", 1000, 1000, 80);
  EXPECT_EQ(full.find(' ', full.find('[')), full.find("] ") + 1) << full;
  std::string more = ProgressText("ACI", 5000, 1000, 80);
  EXPECT_EQ(more.size(), 80u) << "a server that sends more than it said";
  EXPECT_EQ(ProgressText("ACI", 1, 0, 80).size(), 80u);
}

TEST(ProgressText, TellsRateAndWhatIsLeft) {
  std::string text = ProgressText("ACI", 3'000'000, 9'000'000, 80, 4, 2'000'000);
  EXPECT_TRUE(text.ends_with("] 3 MB/9 MB  500 KB/s, 13s left")) << text;
  EXPECT_EQ(text.size(), 80u);
  EXPECT_EQ(ProgressText("ACI", 3'000'000, 9'000'000, 80, 0.5, 2'000'000).find("/s"),
            std::string::npos);
}

TEST(ProgressText, LeavesOutTheBarWhereThereIsNoRoom) {
  EXPECT_EQ(ProgressText("ACI", 500, 1000, 30), "Downloading ACI: 500 B/1 KB   ");
}

}  // namespace
}  // namespace rkt
