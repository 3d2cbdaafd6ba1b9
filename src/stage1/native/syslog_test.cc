// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/syslog.h"

#include <gtest/gtest.h>

namespace rkt::native {
namespace {

TEST(Syslog, ReadsWhatCLibrariesSend) {
  SyslogMessage message = ParseSyslog("<27>Nov 26 13:36:18 haproxy[7]: server down\n");
  EXPECT_EQ(message.priority, 3);
  EXPECT_EQ(message.text, "haproxy[7]: server down");
  message = ParseSyslog(std::string_view("<13>Jan  2 03:04:05 a: b\0", 25));
  EXPECT_EQ(message.priority, 5);
  EXPECT_EQ(message.text, "a: b");
}

TEST(Syslog, KeepsWhatIsNone) {
  for (const char* text : {"", "plain", "<", "<>x", "<1", "<192>x", "<abc>x", "<1234567>x", "< 1>x", "<-1>x", "Nov 26 13:36:18 x"}) {
    SyslogMessage message = ParseSyslog(text);
    EXPECT_EQ(message.text, text);
    EXPECT_EQ(message.priority, 5) << text;
  }
  EXPECT_EQ(ParseSyslog("<191>x").priority, 7);
  EXPECT_EQ(ParseSyslog("<0>").text, "");
  // Without a time, or with that of another standard.
  EXPECT_EQ(ParseSyslog("<6>tag: text").text, "tag: text");
  EXPECT_EQ(ParseSyslog("<6>1 2026-11-26T13:36:18Z h a - - - text").text, "1 2026-11-26T13:36:18Z h a - - - text");
  EXPECT_EQ(ParseSyslog("<6>Nov 26 13:36:18").text, "Nov 26 13:36:18");
}

TEST(Syslog, SocketsHaveNamesThatFit) {
  EXPECT_EQ(SyslogSocket("web"), "dev/log-web");
  EXPECT_EQ(SyslogSocket(std::string(99, 'x')).size(), 107u);
  EXPECT_EQ(SyslogSocket(std::string(100, 'x')), "");
}

}  // namespace
}  // namespace rkt::native
