// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace rkt::stage1 {
namespace {

TEST(StopSignal, NamesAndNumbers) {
  EXPECT_EQ(ParseSignal("SIGTERM"), SIGTERM);
  EXPECT_EQ(ParseSignal("quit"), SIGQUIT);
  EXPECT_EQ(ParseSignal("SigWinch"), SIGWINCH);
  EXPECT_EQ(ParseSignal("9"), SIGKILL);
  EXPECT_EQ(ParseSignal("SIGRTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(ParseSignal("RTMAX-1"), SIGRTMAX - 1);
  EXPECT_EQ(ParseSignal("SIGRTMIN"), SIGRTMIN);
  EXPECT_EQ(ParseSignal("SIGPOLL"), SIGIO);
}

TEST(StopSignal, WhatIsNoSignal) {
  for (const char* text : {"", "0", "-9", "65", "99999999999999999999", "SIG", "SIGNOPE", "TERM ", "RTMIN-1",
                           "RTMAX+1", "RTMIN+", "RTMINX", "RTMIN+99999999999", "SIGRTMIN+-1", "Unknown signal 32"}) {
    EXPECT_EQ(ParseSignal(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rkt::stage1
