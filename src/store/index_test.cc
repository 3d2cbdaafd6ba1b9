// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/index.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"

namespace rkt::store {
namespace {

IndexRow Row(int number, std::string name) {
  IndexRow row;
  row.key = StrCat(kKeyPrefix, Sha256Hex(std::to_string(number)));
  row.name = std::move(name);
  row.labels = {{"version", std::to_string(number)}, {"os", "linux"}};
  row.import_time_ns = 1000 + number;
  row.size = number;
  return row;
}

TEST(Index, EveryRowIsFoundByNameByKeyAndByPrefix) {
  std::vector<IndexRow> rows;
  for (int i = 0; i < 1000; ++i) rows.push_back(Row(i, StrCat("example.com/", i * 7919 % 1000)));
  rows.push_back(Row(2000, "example.com/5"));  // a second of one name
  auto view = IndexView::OfText(WriteIndex(rows));
  ASSERT_TRUE(view) << view.error().Text();
  for (const IndexRow& row : rows) {
    auto named = view->ByName(row.name);
    ASSERT_TRUE(named);
    EXPECT_EQ(named->size(), row.name == "example.com/5" ? 2u : 1u);
    EXPECT_NE(std::find(named->begin(), named->end(), row), named->end()) << row.name;
    auto keyed = view->ByKey(row.key);
    ASSERT_TRUE(keyed);
    EXPECT_EQ(*keyed, row);
    auto prefixed = view->ByKeyPrefix(row.key.substr(7, 20), 2);
    ASSERT_TRUE(prefixed);
    EXPECT_EQ(*prefixed, std::vector<std::string>{row.key});
  }
  EXPECT_EQ(view->ByName("example.com/none")->size(), 0u);
  EXPECT_EQ(view->ByName("example.com/")->size(), 0u);
  EXPECT_EQ(view->ByName("zzz")->size(), 0u);
  EXPECT_EQ(view->ByName("aaa")->size(), 0u);
  EXPECT_EQ(view->ByKeyPrefix("0", 9)->size(), 9u);
  EXPECT_EQ(view->All()->size(), rows.size());
}

TEST(Index, LabelsMayHoldAnything) {
  IndexRow row = Row(1, "a");
  row.labels = {{"x", "a,b=c%d\te\nf\x7f \xc3\xa4"}, {"empty", ""}};
  auto view = IndexView::OfText(WriteIndex({row}));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->ByName("a").value_or({}), std::vector<IndexRow>{row});
}

TEST(Index, NoRowsAreAnIndexToo) {
  auto view = IndexView::OfText(WriteIndex({}));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->All()->size(), 0u);
  EXPECT_EQ(view->ByName("a")->size(), 0u);
  EXPECT_FALSE(view->ByKey(Row(1, "a").key)->has_value());
}

TEST(Index, EveryTruncationIsNoticed) {
  std::string text = WriteIndex({Row(1, "a"), Row(2, "b")});
  for (size_t size = 0; size < text.size(); ++size) {
    auto view = IndexView::OfText(text.substr(0, size));
    ASSERT_FALSE(view) << size;
    EXPECT_EQ(view.error().code(), Code::kCorrupt);
  }
}

TEST(Index, ChangedBytesNeverLeadAstray) {
  std::string text = WriteIndex({Row(1, "a"), Row(2, "b"), Row(3, "c")});
  for (size_t i = 0; i < text.size(); ++i) {
    for (char c : {'\0', '\n', '\t', '9'}) {
      std::string changed = text;
      changed[i] = c;
      auto view = IndexView::OfText(changed);
      if (!view) continue;
      // No crash, no endless loop; what comes back is a row or an error.
      (void)view->All();
      (void)view->ByName("b");
      (void)view->ByKey(Row(3, "c").key);
      (void)view->ByKeyPrefix("", 10);
    }
  }
}

}  // namespace
}  // namespace rkt::store
