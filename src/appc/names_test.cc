// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/names.h"

#include <gtest/gtest.h>

namespace rkt::appc {
namespace {

TEST(Names, ACNamesAreLowerCaseLettersDigitsAndDashesInside) {
  for (const char* name : {"a", "0", "a-b", "redis2", "a--b"}) EXPECT_TRUE(IsACName(name)) << name;
  for (const char* name : {"", "-a", "a-", "A", "a_b", "a.b", "a/b", "a b", "\xc3\xa9", "a\n"}) {
    EXPECT_FALSE(IsACName(name)) << name;
    EXPECT_FALSE(CheckACName(name)) << name;
  }
}

TEST(Names, ACIdentifiersTakePathsAndDots) {
  for (const char* name : {"example.com/a_b~c-d", "a", "a//b", "0"})
    EXPECT_TRUE(IsACIdentifier(name)) << name;
  for (const char* name : {"", "/a", "a/", "Example.com", "a b", "a:b", ".a", "a\t"}) {
    EXPECT_FALSE(IsACIdentifier(name)) << name;
  }
}

TEST(Names, DefaultAppNameIsTheSanitizedLastElement) {
  EXPECT_EQ(DefaultAppName("example.com/Foo_Bar").value_or("!"), "foo-bar");
  EXPECT_EQ(DefaultAppName("redis").value_or("!"), "redis");
  EXPECT_EQ(DefaultAppName("example.com/__x.y__").value_or("!"), "x-y");
  EXPECT_FALSE(DefaultAppName("example.com/"));
  EXPECT_FALSE(DefaultAppName("___"));
}

TEST(Names, IdentifiersAreSanitizedWithUnderscores) {
  EXPECT_EQ(SanitizeACIdentifier("127.0.0.1:5000/Lib/Img").value_or("!"), "127.0.0.1_5000/lib/img");
}

TEST(Names, ImageNamesHaveAVersionAndLabels) {
  auto image = ParseImageName("example.com/a:1.0,os=linux,channel=beta=2");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->name, "example.com/a");
  EXPECT_EQ(image->version(), "1.0");
  ASSERT_EQ(image->labels.size(), 3u);
  EXPECT_EQ(*image->Find("channel"), "beta=2");
  EXPECT_EQ(image->Text(), "example.com/a:1.0,os=linux,channel=beta=2");
  EXPECT_EQ(ParseImageName("a,version=2")->Text(), "a:2");
  EXPECT_EQ(ParseImageName("a")->labels.size(), 0u);
}

TEST(Names, MalformedImageNamesAreRefused) {
  for (const char* text : {"", "a:1:2", "a,x=1:2", ":1", "a,os", "a,os=x,os=y", "a:1,version=2",
                           "A", "a,name=b", "a,OS=x", "a,"}) {
    EXPECT_FALSE(ParseImageName(text)) << text;
  }
}

TEST(Names, HostLabelsAreAddedAndCheckedAgainstWhatRuns) {
  auto image = ParseImageName("a");
  ASSERT_TRUE(AddHostLabels(*image));
  EXPECT_EQ(*image->Find("os"), "linux");
  EXPECT_EQ(*image->Find("arch"), HostArchitecture());
  auto other = ParseImageName("a,arch=s390x");
  Status status = AddHostLabels(*other);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message().find("armv7b, ppc64le"), std::string::npos);
  auto foreign = ParseImageName("a,os=freebsd");
  EXPECT_FALSE(AddHostLabels(*foreign));
}

TEST(Names, ManifestsMayNameMoreThanWhatRuns) {
  EXPECT_TRUE(CheckManifestLabels({{"os", "linux"}, {"arch", "s390x"}}));
  EXPECT_FALSE(CheckRunnableLabels({{"os", "linux"}, {"arch", "s390x"}}));
  EXPECT_FALSE(CheckRunnableLabels({{"os", "linux"}}));
  EXPECT_TRUE(CheckManifestLabels({{"os", "freebsd"}, {"arch", "arm"}}));
  EXPECT_FALSE(CheckManifestLabels({{"os", "darwin"}, {"arch", "amd64"}}));
  EXPECT_FALSE(CheckManifestLabels({{"os", "plan9"}}));
  EXPECT_TRUE(CheckManifestLabels({{"arch", "anything"}}));
}

TEST(Names, VersionsAreSemantic) {
  for (const char* text : {"0.8.11", "1.30.0+git171c416f-dirty", "1.2.3-rc.1+b", "0.0.0"}) {
    EXPECT_TRUE(IsSemVer(text)) << text;
  }
  for (const char* text : {"", "1", "1.2", "1.2.3.4", "1..3", "1.2.x", "1.2.3-", "1.2.3+", "v1.2.3",
                           "1.2.3 ", "1.2.3-a..b"}) {
    EXPECT_FALSE(IsSemVer(text)) << text;
  }
}

TEST(Names, ImageIdsNeverHaveAPathInThem) {
  EXPECT_TRUE(IsImageId("sha512-0a"));
  EXPECT_TRUE(IsImageId("sha512-" + std::string(128, 'f')));
  for (const std::string& text :
       {std::string("sha512-"), std::string("sha512-a"), std::string("sha512-../.."),
        std::string("sha256-abcd"), std::string("sha512-AB"), "sha512-" + std::string(129, 'f')}) {
    EXPECT_FALSE(IsImageId(text)) << text;
  }
}

}  // namespace
}  // namespace rkt::appc
