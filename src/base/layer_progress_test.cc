// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/layer_progress.h"

#include <gtest/gtest.h>

namespace rkt {
namespace {

constexpr char kDigest[] = "sha256:e5922158a481234567890";

TEST(LayerProgressText, IsPlainWithoutATerminal) {
  EXPECT_EQ(LayerProgressText(kDigest, 180, 188, 0), "Downloading sha256:e5922158a48 180 B / 188 B");
  EXPECT_EQ(LayerProgressText(kDigest, 32768, 0, 0), "Downloading sha256:e5922158a48 32.8 KB of an unknown total size");
}

TEST(LayerProgressText, FillsTheTerminalAndNeverMore) {
  std::string half = LayerProgressText(kDigest, 94, 188, 80);
  EXPECT_EQ(half.size(), 80u);
  EXPECT_TRUE(half.starts_with("Downloading sha256:e5922158a48 [=====")) << half;
  EXPECT_TRUE(half.ends_with(" ] 94 B / 188 B")) << half;
  for (int columns : {1, 10, 40, 50, 79}) {
    for (uint64_t done : {0, 94, 188, 500}) {
      EXPECT_LE(LayerProgressText(kDigest, done, 188, columns).size(), static_cast<size_t>(columns));
      EXPECT_LE(LayerProgressText(kDigest, done, 0, columns).size(), static_cast<size_t>(columns));
    }
  }
}

TEST(LayerProgressText, DigestsCannotSteerTheTerminal) {
  EXPECT_EQ(LayerProgressText("\x1b[2J", 1, 2, 0).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace rkt
