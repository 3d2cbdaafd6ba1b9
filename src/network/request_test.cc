// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/request.h"

#include <gtest/gtest.h>

namespace rkt::network {
namespace {

using Mode = NetworkList::Mode;

std::string Refusal(const std::vector<std::string>& values) {
  auto list = ParseNetworkList(values);
  return list ? "" : list.error().Text();
}

TEST(NetworkList, NothingMeansDefault) {
  for (const std::vector<std::string>& values : {std::vector<std::string>{}, {""}, {"default"}}) {
    auto list = ParseNetworkList(values);
    ASSERT_TRUE(list);
    EXPECT_EQ(list->mode, Mode::kNamed);
    ASSERT_EQ(list->choices.size(), 1u);
    EXPECT_EQ(list->choices[0].name, "default");
  }
}

TEST(NetworkList, ArgumentsBelongToOneName) {
  auto list = ParseNetworkList({"a:IP=10.1.1.2;X=y,b", "c"});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->choices.size(), 3u);
  EXPECT_EQ(list->choices[0].ArgumentText(), "IP=10.1.1.2;X=y");
  EXPECT_EQ(*list->Find("a")->Argument("IP"), "10.1.1.2");
  EXPECT_EQ(list->Find("b")->Argument("IP"), nullptr);
}

TEST(NetworkList, SpecialNamesTakeTheWholeList) {
  EXPECT_EQ(ParseNetworkList({"default,host"})->mode, Mode::kHost);
  EXPECT_EQ(ParseNetworkList({"none", "default"})->mode, Mode::kNone);
  auto all = ParseNetworkList({"all,a:IP=10.0.0.1"});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->mode, Mode::kAll);
  EXPECT_EQ(all->choices.size(), 1u);
}

TEST(NetworkList, RefusesWhatTheOriginalRefused) {
  EXPECT_NE(Refusal({"a,,b"}).find("must not be empty"), std::string::npos);
  EXPECT_NE(Refusal({"a,b", "a"}).find("duplicate netname \"a\""), std::string::npos);
  EXPECT_NE(Refusal({"a:b:c"}).find("more than one colon"), std::string::npos);
  EXPECT_NE(Refusal({"host:IP=1"}).find("special netname \"host\""), std::string::npos);
  EXPECT_NE(Refusal({"all:IP=1"}).find("special netname \"all\""), std::string::npos);
  EXPECT_NE(Refusal({"a:IP"}).find("KEY=VALUE"), std::string::npos);
}

}  // namespace
}  // namespace rkt::network
