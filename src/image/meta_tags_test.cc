// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/meta_tags.h"

#include <gtest/gtest.h>

#include "image/discovery.h"

namespace rkt::image {
namespace {

std::string Scan(std::string_view page) {
  std::string text;
  for (const MetaTag& tag : ScanMetaTags(page)) text += tag.name + "=" + tag.content + ";";
  return text;
}

TEST(MetaTags, AreFoundHoweverTheyAreWritten) {
  EXPECT_EQ(Scan(R"(<meta name="a" content="b c">)"), "a=b c;");
  EXPECT_EQ(Scan("<META CONTENT='b' NAME='a'/>"), "a=b;");
  EXPECT_EQ(Scan("<meta\n name = a\n\tcontent\t=\tb ><meta name=c content=d>"), "a=b;c=d;");
  EXPECT_EQ(Scan(R"(<meta name=a content=https://h/x.{ext}>)"), "a=https://h/x.{ext};");
  EXPECT_EQ(Scan(R"(<meta charset=utf-8 name="a" data-x content="b>c">)"), "a=b>c;");
  EXPECT_EQ(Scan(R"(<meta name="a" content="x&amp;y&#x2f;&#47;&lt;&bogus;&#300;&">)"),
            "a=x&y//<&bogus;&#300;&;");
  EXPECT_EQ(Scan(R"(<meta name="a" name="z" content="1" content="2">)"), "a=1;")
      << "the first counts";
}

TEST(MetaTags, OnlyInTheHeadAndOutsideOfCommentsAndScripts) {
  const char* tag = "<meta name=a content=b>";
  EXPECT_EQ(
      Scan(StrCat("<!doctype html><html><head><title>", tag, "</title>", tag, "</head>", tag)),
      "a=b;");
  EXPECT_EQ(Scan(StrCat("<!-- -> ", tag, " -->")), "");
  EXPECT_EQ(Scan(StrCat("<!-->", tag)), "a=b;");
  EXPECT_EQ(Scan(StrCat("<script>if (a</b) '", tag, "'</script>", tag)), "a=b;");
  EXPECT_EQ(Scan(StrCat("<STYLE>", tag, "</style >", tag)), "a=b;");
  EXPECT_EQ(Scan(StrCat("<body>", tag)), "");
  EXPECT_EQ(Scan(StrCat("<?xml version='1'?>", tag)), "a=b;");
}

TEST(MetaTags, BrokenOnesAreLeftOut) {
  for (const char* page :
       {"", "<", "<meta", "<meta name", "<meta name=", "<meta name=\"a", "<meta name=a>",
        "<meta content=b>", "<meta name=a content=b", "<metal name=a content=b>", "</", "<!--",
        "<!", "<script>", "<script></scrip", "< meta name=a content=b>", "<meta =name=a>"}) {
    EXPECT_EQ(Scan(page), "") << page;
  }
}

TEST(MetaTags, EndAtALimit) {
  std::string page;
  for (size_t i = 0; i < kMaxMetaTags + 10; ++i) page += "<meta name=a content=b>";
  EXPECT_EQ(ScanMetaTags(page).size(), kMaxMetaTags);
}

appc::ImageName Name(const char* text) { return appc::ParseImageName(text).value(); }

TEST(Discovery, FirstWholeTemplateIsTaken) {
  const char* page = R"(<meta name="ac-discovery" content="example.com/a https://h/{unknown}.{ext}">
    <meta name="ac-discovery" content="other.example https://h/other.{ext}">
    <meta name="ac-discovery" content="example.com https://h/{name}-{version}-{os}.{ext}?x={channel}">
    <meta name="ac-discovery" content="example.com https://h/last.{ext}">
    <meta name="ac-discovery-pubkeys" content="example.com https://h/key">
    <meta name="ac-discovery-pubkeys" content="example.org https://h/not">)";
  auto found = FindImageInPage(page, Name("example.com/a/b:1.0,os=linux,channel=beta"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->image_url, "https://h/example.com/a/b-1.0-linux.aci?x=beta");
  EXPECT_EQ(found->signature_url, "https://h/example.com/a/b-1.0-linux.aci.asc?x=beta");
  EXPECT_EQ(FindImageInPage(page, Name("example.com/c"))->image_url, "https://h/last.aci");
  EXPECT_FALSE(FindImageInPage(page, Name("example.net/c")));
  EXPECT_EQ(FindKeysInPage(page, "example.com/a"), std::vector<std::string>{"https://h/key"});
  EXPECT_TRUE(FindKeysInPage(page, "example.net").empty());
}

TEST(Discovery, ValuesAreNotRenderedAgain) {
  const char* page = R"(<meta name="ac-discovery" content="a https://h/{x}/{version}.{ext}">)";
  EXPECT_EQ(FindImageInPage(page, Name("a:1,x={version}"))->image_url, "https://h/{version}/1.aci");
}

}  // namespace
}  // namespace rkt::image
