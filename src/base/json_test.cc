// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/json.h"

#include <gtest/gtest.h>

namespace rkt::json {
namespace {

std::string Refusal(std::string_view text, const ParseOptions& options = {}) {
  auto value = Parse(text, options);
  if (value) return "accepted";
  EXPECT_EQ(value.error().code(), Code::kInvalid);
  return value.error().message();
}

std::string Rewrite(std::string_view text) {
  auto value = Parse(text);
  return value ? Write(*value) : value.error().message();
}

TEST(Json, KeepsOrderOfKeysAndSpellingOfNumbers) {
  EXPECT_EQ(Rewrite(R"( { "b" : 1.10, "a":[ 1e2 ,-0, 12345678901234567890123 ], "":{} , "c":[]} )"),
            R"({"b":1.10,"a":[1e2,-0,12345678901234567890123],"":{},"c":[]})");
  EXPECT_EQ(Rewrite(" true "), "true");
  EXPECT_EQ(Rewrite("17"), "17");
  EXPECT_EQ(Rewrite("null"), "null");
}

TEST(Json, IndentsWithTabsAsGoDoes) {
  auto value = Parse(R"({"a":[1,{"b":null}],"c":{},"d":[]})");
  ASSERT_TRUE(value);
  EXPECT_EQ(
      WriteIndented(*value),
      "{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": null\n\t\t}\n\t],\n\t\"c\": {},\n\t\"d\": []\n}");
}

TEST(Json, EscapesWhatGoEscapes) {
  EXPECT_EQ(QuoteString("<a href=\"x\">&\\/"), R"("\u003ca href=\"x\"\u003e\u0026\\/")");
  EXPECT_EQ(QuoteString(std::string_view("\n\r\t\b\f\0\x1f\x7f", 8)),
            "\"\\n\\r\\t\\u0008\\u000c\\u0000\\u001f\x7f\"");
  EXPECT_EQ(QuoteString("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xc3\xa9"),
            "\"\\u2028\\u2029\xe2\x80\xaa\xc3\xa9\"");
  EXPECT_EQ(QuoteString("a\xff\xed\xa0\x80z\xc3"), R"("a\ufffd\ufffd\ufffd\ufffdz\ufffd")");
}

TEST(Json, KnowsWhereEveryValueStood) {
  std::string_view text =
      "{\n  \"a\": [10, \"x\",\n\ttrue],\n  \"\xc3\xa9\": null, \"o\": {\"n\": -1}}";
  auto value = Parse(text);
  ASSERT_TRUE(value);
  auto at = [&](const Value& v) {
    Position p = Locate(text, v.offset());
    return StrCat(p.line, ":", p.column);
  };
  EXPECT_EQ(at(*value), "1:1");
  EXPECT_EQ(at(*value->Find("a")), "2:8");
  EXPECT_EQ(at(value->Find("a")->items()[0]), "2:9");
  EXPECT_EQ(at(value->Find("a")->items()[1]), "2:13");
  EXPECT_EQ(at(value->Find("a")->items()[2]), "3:2");
  EXPECT_EQ(at(*value->Find("\xc3\xa9")), "4:8");
  EXPECT_EQ(at(*value->Find("o")->Find("n")), "4:25");
}

TEST(Json, SyntaxErrorsPointIntoTheSourceLine) {
  std::string message = Refusal("{\n\t\"a\": 1,\n\t\"b\" 2\n}");
  EXPECT_TRUE(message.starts_with("Error at line 3, column 6\n \"b\" 2\n     ^\n")) << message;
  EXPECT_NE(message.find("syntax error"), std::string::npos);
  message = Refusal("[1,2");
  EXPECT_TRUE(message.starts_with("Error at line 1, column 5\n[1,2\n    ^\n")) << message;
  EXPECT_TRUE(Refusal("").starts_with("Error at line 1, column 1\n\n^\n"));
}

TEST(Json, ErrorsInLongLinesShowOnlyTheSurroundings) {
  std::string text = "[\"" + std::string(5000, 'x') + "\",}" + std::string(5000, ' ') + "]";
  std::string message = Refusal(text);
  EXPECT_LT(message.size(), 400u);
  EXPECT_TRUE(message.starts_with("Error at line 1, column 5005\n")) << message;
}

TEST(Json, ErrorsCarryNothingThatSteersATerminal) {
  std::string message = Refusal("[\"\x1b[2J\xff\", x]");
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_EQ(message.find('\xff'), std::string::npos);
}

TEST(Json, DuplicateKeysAreRefused) {
  EXPECT_TRUE(Refusal(R"({"a":1,"b":{"x":1,"x":2}})").ends_with("duplicate key \"x\""));
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += StrCat("\"k", i, "\":0,");
  EXPECT_TRUE(Refusal(many + "\"k50\":1}").ends_with("duplicate key \"k50\""));
  EXPECT_EQ(Refusal(many + "\"k\":1}"), "accepted");
  // Written differently, but the same key all the same.
  EXPECT_TRUE(Refusal(R"({"a":1,"\u0061":2})").ends_with("duplicate key \"a\""));
}

TEST(Json, TextThatIsNoStrictJsonIsRefused) {
  for (std::string_view text : {"{} {}",
                                "{}x",
                                "[1,]",
                                "{\"a\":1,}",
                                "// x\n1",
                                "'a'",
                                "nul",
                                "01",
                                "1.",
                                "+1",
                                ".5",
                                "NaN",
                                "\xef\xbb\xbf{}",
                                "\"a\nb\"",
                                "\"\\x41\"",
                                "\"\\ud800\"",
                                "{1:2}",
                                "[\"a",
                                "\"",
                                "-",
                                "]"}) {
    EXPECT_NE(Refusal(text), "accepted") << text;
  }
}

TEST(Json, InvalidUtf8IsRefused) {
  for (std::string_view bytes :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc3", "\xe2\x80"}) {
    EXPECT_NE(Refusal(StrCat("[\"", bytes, "\"]")), "accepted");
  }
  EXPECT_EQ(Rewrite("\"\xf0\x9f\x98\x80 \\ud83d\\ude00\""),
            "\"\xf0\x9f\x98\x80 \xf0\x9f\x98\x80\"");
}

TEST(Json, NulNeverHidesWhatFollows) {
  EXPECT_TRUE(Refusal(std::string_view("{}\0{}", 5)).ends_with("a NUL byte"));
  EXPECT_NE(Refusal(std::string_view("\"a\0b\"", 5)), "accepted");
  EXPECT_EQ(Rewrite(R"("a\u0000b")"), R"("a\u0000b")");
}

TEST(Json, LimitsHoldForSizeDepthAndNumberOfValues) {
  ParseOptions options;
  options.max_size = 10;
  EXPECT_NE(Refusal("[1,2,3,4,5]", options), "accepted");
  options = {};
  options.max_depth = 3;
  EXPECT_EQ(Refusal("[[{}]]", options), "accepted");
  EXPECT_TRUE(Refusal("[[{\"a\":[]}]]", options).ends_with("more than 3 levels deep"));
  options = {};
  options.max_values = 4;
  EXPECT_EQ(Refusal("[1,2,3]", options), "accepted");
  EXPECT_TRUE(Refusal("[1,2,3,4]", options).ends_with("more than 4 values"));
}

TEST(Json, HostileTextsEndQuicklyWithAnError) {
  std::string deep(1 << 20, '[');
  EXPECT_TRUE(Refusal(deep).ends_with("more than 256 levels deep"));
  std::string objects;
  for (int i = 0; i < 200000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(Refusal(objects).ends_with("more than 256 levels deep"));
  EXPECT_NE(Refusal("1e999999999"), "accepted");
  EXPECT_EQ(Rewrite("1e-999999999"), "1e-999999999");
  EXPECT_NE(Refusal(std::string(1 << 20, '9')), "accepted");  // infinite as a double
  std::string wide = "[0";
  for (int i = 0; i < 1 << 20; ++i) wide += ",0";
  EXPECT_TRUE(Refusal(wide + "]").ends_with("values"));
  std::string keys = "{";
  for (int i = 0; i < 100000; ++i) keys += StrCat("\"", i, "\":0,");
  EXPECT_TRUE(Refusal(keys + "\"99999\":0}").ends_with("duplicate key \"99999\""));
  EXPECT_NE(Refusal(std::string(4 << 20, ' ')), "accepted");
}

TEST(Json, EveryCutOfATextIsRefusedAndNeverCrashes) {
  std::string_view text = R"({"a":[1,-2.5e3,"x\u00e9\n",true,null,{"b":{}}],"c":"d"})";
  ASSERT_EQ(Refusal(text), "accepted");
  for (size_t i = 0; i < text.size(); ++i) EXPECT_NE(Refusal(text.substr(0, i)), "accepted") << i;
}

TEST(Json, EveryChangedByteGivesAnErrorOrATextThatReadsTheSameAgain) {
  std::string text = R"({"a":[1,-2.5e3,"x\u00e9",true,null,{"b":{}}],"c":"d"})";
  for (size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string changed = text;
      changed[i] = static_cast<char>(c);
      auto value = Parse(changed);
      if (!value) continue;
      auto again = Parse(Write(*value));
      ASSERT_TRUE(again) << changed;
      EXPECT_EQ(*value, *again) << changed;
    }
  }
}

TEST(Json, ValuesAreEdited) {
  Value object;
  object.Set("a", 1);
  object.Set("b", "x");
  object.Set("a", Value::Array({Value(true), Value(-5), Value()}));
  object.Find("a")->Append(Value(std::vector<std::string>{}.empty()));
  EXPECT_EQ(Write(object), R"({"a":[true,-5,null,true],"b":"x"})");
  EXPECT_TRUE(object.Erase("b"));
  EXPECT_FALSE(object.Erase("b"));
  EXPECT_EQ(object.Find("b"), nullptr);
  EXPECT_EQ(Value("x").Find("b"), nullptr);
}

TEST(Json, NumbersAreReadOnlyWhereTheyFit) {
  EXPECT_EQ(Parse("9223372036854775807")->AsInt(), INT64_MAX);
  EXPECT_EQ(Parse("9223372036854775808")->AsInt(), std::nullopt);
  EXPECT_EQ(Parse("18446744073709551615")->AsUint(), UINT64_MAX);
  EXPECT_EQ(Parse("-1")->AsUint(), std::nullopt);
  EXPECT_EQ(Parse("1.0")->AsInt(), std::nullopt);
  EXPECT_EQ(Parse("\"1\"")->AsInt(), std::nullopt);
}

}  // namespace
}  // namespace rkt::json
