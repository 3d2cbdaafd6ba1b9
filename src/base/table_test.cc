// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/table.h"

#include <gtest/gtest.h>

namespace rkt {
namespace {

TEST(Table, CellsArePaddedWithTabsToMultiplesOfEight) {
  Table table;
  table.AddRow({"ID", "NAME", "SIZE"});
  table.AddRow({"sha512-806d8771394a", "example.com/a:1.0", "7.0KiB"});
  EXPECT_EQ(table.Text(),
            "ID\t\t\tNAME\t\t\tSIZE\n"
            "sha512-806d8771394a\texample.com/a:1.0\t7.0KiB\n");
}

TEST(Table, ACellThatFillsItsColumnGetsOneMoreTabStop) {
  // Seven characters fit into eight with the padding of one, eight do not.
  EXPECT_EQ(AlignTabs("1234567\tx\nab\ty\n"), "1234567\tx\nab\ty\n");
  EXPECT_EQ(AlignTabs("12345678\tx\nab\ty\n"), "12345678\tx\nab\t\ty\n");
}

TEST(Table, EmptyCellsKeepTheirTabs) {
  EXPECT_EQ(AlignTabs("UUID\tAPP\tNETWORKS\n01234567\ta\t\n\tb\t\n"),
            "UUID\t\tAPP\tNETWORKS\n01234567\ta\t\n\t\tb\t\n");
}

TEST(Table, LinesWithoutTabsEndTheColumns) {
  EXPECT_EQ(AlignTabs("a\tb\nHEADING\nlong long cell\tc\n"), "a\tb\nHEADING\nlong long cell\tc\n");
}

TEST(Table, WidthCountsCharactersAndNotBytes) {
  EXPECT_EQ(AlignTabs("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\tx\nab\ty\n"),
            "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\tx\nab\ty\n");
}

}  // namespace
}  // namespace rkt
