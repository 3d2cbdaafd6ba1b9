// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/strings.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/result.h"

namespace rkt {
namespace {

TEST(Strings, QuoteEscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Quote("a\"b\\\n\x1b"), "\"a\\\"b\\\\\\n\\x1b\"");
}
TEST(Strings, NumbersAreWholeOrNothing) {
  EXPECT_EQ(ParseInt("-12"), -12);
  EXPECT_FALSE(ParseInt("12 "));
  EXPECT_FALSE(ParseInt(""));
  EXPECT_FALSE(ParseUint("-1"));
  EXPECT_FALSE(ParseUint("18446744073709551616"));
}
TEST(Strings, SplitKeepsEmptyPieces) {
  EXPECT_EQ(Split("a,b,", ','), (std::vector<std::string>{"a", "b", ""}));
}
TEST(Strings, TerminalSafeHidesC1InUtf8) { EXPECT_EQ(TerminalSafe("a\xc2\x9b" "1m"), "a\\xc2\\x9b1m"); }

TEST(Strings, TerminalSafeKeepsTextAndHidesWhatIsNone) {
  EXPECT_EQ(TerminalSafe("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x80"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\x80");
  // Halves of a character, which together with what comes behind them might be a control.
  EXPECT_EQ(TerminalSafe("a\xc2"), "a\\xc2");
  EXPECT_EQ(TerminalSafe("\x9b" "1m"), "\\x9b1m");
  EXPECT_EQ(TerminalSafe("\xe2\x82"), "\\xe2\\x82");
  EXPECT_EQ(TerminalSafe("\xe0\x82\x9b"), "\\xe0\\x82\\x9b");
  EXPECT_EQ(TerminalSafe("\xff\xc0\x80"), "\\xff\\xc0\\x80");
}

TEST(Errors, PlainFormatShowsTheInnermostCauseAndDebugTheTree) {
  Error error = Err(Code::kNotFound, "open /x: no such file").Wrap("reading signature").Wrap("");
  EXPECT_EQ(FormatError("fetch", error, false), "fetch: : open /x: no such file");
  EXPECT_EQ(FormatError("fetch", error, true),
            "fetch: \n  └─reading signature\n    └─open /x: no such file");
}
TEST(Errors, ErrnoTextIsLowerCase) { EXPECT_STREQ(ErrnoText(ENOENT), "no such file or directory"); }

TEST(Strings, TextOfSeveralLinesKeepsNewlinesAndTabs) {
  EXPECT_EQ(TerminalSafeLines("a\tb\n\x1b[1mc\n"), "a\tb\n\\x1b[1mc\n");
  EXPECT_EQ(TerminalSafeLines("\n\n"), "\n\n");
  EXPECT_EQ(TerminalSafeLines(""), "");
}

}  // namespace
}  // namespace rkt
