// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/syslog_message.h"

#include <gtest/gtest.h>

#include <string>

namespace rkt::native {
namespace {

std::string Parsed(std::string_view datagram) {
  SyslogMessage m = ParseSyslog(datagram);
  return std::to_string(m.facility) + "." + std::to_string(m.priority) + " " + std::string(m.identifier) + "/" +
         std::to_string(m.pid) + " |" + std::string(m.text) + "| " + std::string(m.line);
}

TEST(Syslog, PartsAreTold) {
  EXPECT_EQ(Parsed("<13>Oct 11 22:14:15 cron[123]: job: done"), "1.5 cron/123 |job: done| cron[123]: job: done");
  EXPECT_EQ(Parsed("<3>Oct  1 22:14:15 kernel: oops\n"), "0.3 kernel/0 |oops| kernel: oops");
  EXPECT_EQ(Parsed(std::string_view("<191>text alone\n\0", 16)), "23.7 /0 |text alone| text alone");
  EXPECT_EQ(Parsed("plain"), "1.5 /0 |plain| plain");
  EXPECT_EQ(Parsed("<192>tag: x"), "1.5 <192>tag/0 |x| <192>tag: x");
  EXPECT_EQ(Parsed("<13>tag[x]: y"), "1.5 /0 |tag[x]: y| tag[x]: y");
  EXPECT_EQ(Parsed("<13>: y"), "1.5 /0 |: y| : y");
  EXPECT_EQ(Parsed("<13>Oct 11 22:14:1"), "1.5 /0 |Oct 11 22:14:1| Oct 11 22:14:1");
  EXPECT_EQ(Parsed("<13"), "1.5 /0 |<13| <13");
  EXPECT_EQ(Parsed(""), "1.5 /0 || ");
  EXPECT_EQ(Parsed("<13>"), "1.5 /0 || ");
}

}  // namespace
}  // namespace rkt::native
