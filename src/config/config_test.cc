// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "config/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"

namespace rkt::config {
namespace {

constexpr char kBasic[] =
    R"({"rktKind":"auth","rktVersion":"v1","domains":["a.com","b.com"],"type":"basic",)"
    R"("credentials":{"user":"u","password":"p"},"comment":"kept out"})";

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    char name[] = "/tmp/rkt-config-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~ConfigTest() override { (void)RemoveTreeAt(AT_FDCWD, root_); }

  std::string Dir(const std::string& name) { return StrCat(root_, "/", name); }
  void Put(const std::string& path, std::string_view text) {
    std::string file = Dir(path);
    EXPECT_TRUE(MakeDirs(file.substr(0, file.rfind('/')), 0755));
    EXPECT_TRUE(WriteFileAt(AT_FDCWD, file, text, 0644, true));
  }
  // What the one file says, in the directory where its kind belongs.
  std::string Refusal(const std::string& sub, std::string_view text) {
    Put(StrCat("one/", sub, "/f.json"), text);
    auto config = Load({Dir("one")});
    EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, Dir("one")));
    return config ? "accepted" : config.error().Text();
  }

  std::string root_;
};

TEST_F(ConfigTest, MissingDirectoriesGiveAnEmptyConfiguration) {
  auto config = Load({Dir("none"), "", Dir("nothing/below")});
  ASSERT_TRUE(config);
  EXPECT_EQ(json::Write(ToJson(*config)),
            R"({"stage0":[{"rktVersion":"v1","rktKind":"paths","data":"","stage1-images":""},)"
            R"({"rktVersion":"v1","rktKind":"stage1","name":"","version":"","location":""}]})");
}

TEST_F(ConfigTest, LaterDirectoriesOverrideItemByItem) {
  Put("system/auth.d/a.json", kBasic);
  Put("system/stage1.d/s.json",
      R"({"rktKind":"stage1","rktVersion":"v1","name":"n","version":"1","location":"/s.aci"})");
  Put("system/paths.d/p.json",
      R"({"rktKind":"paths","rktVersion":"v1","data":"/d","stage1-images":"/i"})");
  Put("local/paths.d/p.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/e"})");
  Put("local/stage1.d/s.json",
      R"({"rktKind":"stage1","rktVersion":"v1","location":"https://x/y.aci"})");
  Put("user/auth.d/a.json",
      R"({"rktKind":"auth","rktVersion":"v1","domains":["b.com"],"type":"oauth","credentials":{"token":"t"}})");
  auto config = Load({Dir("system"), Dir("local"), Dir("user")});
  ASSERT_TRUE(config) << config.error().Text();
  EXPECT_EQ(config->auth["a.com"].basic.user, "u");
  EXPECT_EQ(config->auth["b.com"].token, "t");
  EXPECT_EQ(config->data, "/e");
  EXPECT_EQ(config->stage1_images, "/i");
  EXPECT_EQ(config->stage1_name, "n");
  EXPECT_EQ(config->stage1_version, "1");
  EXPECT_EQ(config->stage1_location, "https://x/y.aci");
}

TEST_F(ConfigTest, EveryKindIsPrintedAsAFileOfIt) {
  Put("d/auth.d/1.json", kBasic);
  Put("d/auth.d/2.json",
      R"({"rktKind":"auth","rktVersion":"v1","domains":["c.com:8443"],"type":"aws",)"
      R"("credentials":{"accessKeyID":"k","secretAccessKey":"s"}})");
  Put("d/auth.d/3.json",
      R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":["r"],"credentials":{"user":"u","password":"p"}})");
  auto config = Load({Dir("d")});
  ASSERT_TRUE(config) << config.error().Text();
  std::string text = json::Write(ToJson(*config));
  EXPECT_TRUE(text.starts_with(
      R"({"stage0":[{"rktVersion":"v1","rktKind":"auth","domains":["a.com"],"type":"basic",)"
      R"("credentials":{"user":"u","password":"p"}},)"))
      << text;
  EXPECT_NE(
      text.find(
          R"("type":"aws","credentials":{"accessKeyID":"k","secretAccessKey":"s","awsRegion":""}})"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find(R"({"rktVersion":"v1","rktKind":"dockerAuth","registries":["r"],)"
                      R"("credentials":{"user":"u","password":"p"}})"),
            std::string::npos)
      << text;
}

TEST_F(ConfigTest, RegistriesHaveEndpointsAndMirrors) {
  Put("one/registry.d/a.json",
      R"({"rktKind":"registry","rktVersion":"v1","registries":["a.example","b.example:5000"],)"
      R"("endpoint":"http://127.0.0.1:5000","mirrors":["m.example","https://n.example/cache"]})");
  Put("two/registry.d/b.json",
      R"({"rktKind":"registry","rktVersion":"v1","registries":["a.example"],"mirrors":["o.example"]})");
  auto config = Load({Dir("one"), Dir("two")});
  ASSERT_TRUE(config) << config.error().Text();
  EXPECT_EQ(config->registries.at("a.example").endpoint, "");
  EXPECT_EQ(config->registries.at("a.example").mirrors, std::vector<std::string>{"o.example"});
  EXPECT_EQ(config->registries.at("b.example:5000").endpoint, "http://127.0.0.1:5000");
  EXPECT_EQ(config->registries.at("b.example:5000").mirrors.size(), 2u);
  EXPECT_NE(json::Write(ToJson(*config)).find(R"({"rktVersion":"v1","rktKind":"registry","registries":["a.example"],)"
                                              R"("mirrors":["o.example"]})"),
            std::string::npos);
}

TEST_F(ConfigTest, OnlyRegularJsonFilesOfTheDirectoryItselfCount) {
  Put("d/paths.d/p.json", R"({"rktKind":"paths","rktVersion":"v1","data":"/d"})");
  Put("d/paths.d/notes.txt", "junk");
  Put("d/paths.d/.json.bak", "junk");
  Put("d/paths.d/nested/x.json", "junk");
  Put("d/paths.d/dir.json/x", "junk");
  Put("d/other.d/x.json", "junk");
  Put("d/x.json", "junk");
  Put("junk", "junk");
  ASSERT_EQ(::symlink(Dir("junk").c_str(), Dir("d/paths.d/link.json").c_str()), 0);
  auto config = Load({Dir("d")});
  ASSERT_TRUE(config) << config.error().Text();
  EXPECT_EQ(config->data, "/d");
}

TEST_F(ConfigTest, AFileInPlaceOfADirectoryIsAnError) {
  Put("d/auth.d", "x");
  auto config = Load({Dir("d")});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().Text(), StrCat("cannot get configuration: expected ",
                                          Quote(Dir("d/auth.d")), " to be a directory"));
  EXPECT_FALSE(Load({Dir("d/auth.d")}));
}

TEST_F(ConfigTest, ErrorsNameTheFileAndTheReason) {
  Put("d/auth.d/1.json", kBasic);
  Put("d/auth.d/2.json", kBasic);
  auto config = Load({Dir("d")});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message(), "cannot get configuration");
  EXPECT_EQ(config.error().Innermost().message(),
            StrCat("failed to parse ", Quote(Dir("d/auth.d/2.json")), ": auth for domain \"a.com\" is already specified"));
}

TEST_F(ConfigTest, PodsGetUsersOfTheirOwnWhereTheHostSaysSo) {
  EXPECT_FALSE(Load({Dir("d")})->private_users.has_value());
  Put("d/pods.d/a.json", R"({"rktKind":"pods","rktVersion":"v1","privateUsers":true})");
  Put("e/pods.d/a.json", R"({"rktKind":"pods","rktVersion":"v1","privateUsers":false})");
  Put("f/pods.d/a.json", R"({"rktKind":"pods","rktVersion":"v1"})");
  EXPECT_EQ(Load({Dir("d")})->private_users, true);
  EXPECT_EQ(Load({Dir("d"), Dir("e")})->private_users, false);
  EXPECT_EQ(Load({Dir("d"), Dir("f")})->private_users, true);
  EXPECT_NE(json::Write(ToJson(*Load({Dir("d")}))).find("\"privateUsers\":true"), std::string::npos);
  EXPECT_EQ(json::Write(ToJson(*Load({Dir("f")}))).find("privateUsers"), std::string::npos);
  Put("d/pods.d/b.json", R"({"rktKind":"pods","rktVersion":"v1","privateUsers":false})");
  EXPECT_FALSE(Load({Dir("d")}));
  EXPECT_NE(Refusal("pods.d", R"({"rktKind":"pods","rktVersion":"v1","privateUsers":"yes"})"), "accepted");
}

TEST_F(ConfigTest, TheSameItemTwiceInOneDirectoryIsAnError) {
  auto twice = [&](const std::string& sub, const std::string& first, const std::string& second) {
    Put(StrCat("d/", sub, "/1.json"), first);
    Put(StrCat("d/", sub, "/2.json"), second);
    auto config = Load({Dir("d")});
    EXPECT_TRUE(RemoveTreeAt(AT_FDCWD, Dir("d")));
    return config ? "accepted" : config.error().Innermost().message();
  };
  std::string data = R"({"rktKind":"paths","rktVersion":"v1","data":"/d"})";
  std::string images = R"({"rktKind":"paths","rktVersion":"v1","stage1-images":"/d"})";
  EXPECT_EQ(twice("paths.d", data, data),
            StrCat("failed to parse ", Quote(Dir("d/paths.d/2.json")), ": data directory is already specified"));
  EXPECT_EQ(twice("paths.d", data, images), "accepted");
  std::string name = R"({"rktKind":"stage1","rktVersion":"v1","name":"n","version":"1"})";
  std::string location = R"({"rktKind":"stage1","rktVersion":"v1","location":"/l"})";
  EXPECT_NE(twice("stage1.d", name, name), "accepted");
  EXPECT_NE(twice("stage1.d", location, location), "accepted");
  EXPECT_EQ(twice("stage1.d", name, location), "accepted");
  std::string docker =
      R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":["r"],"credentials":{"user":"u","password":"p"}})";
  EXPECT_NE(twice("auth.d", docker, docker), "accepted");
  EXPECT_NE(
      Refusal("auth.d", R"({"rktKind":"auth","rktVersion":"v1","domains":["a","a"],"type":"oauth",)"
                        R"("credentials":{"token":"t"}})"),
      "accepted");
}

TEST_F(ConfigTest, EveryRuleIsHeld) {
  struct Case {
    const char* sub;
    const char* text;
    const char* message;
  };
  for (
      const Case& c : {
          Case{"auth.d", R"({"rktVersion":"v1"})", "no rktKind specified in \"/"},
          {"auth.d", R"({"rktKind":"auth"})", "no rktVersion specified in \"/"},
          {"auth.d", R"({"rktKind":"auth","rktVersion":"v2"})", "rktVersion \"v2\""},
          {"auth.d", R"({"rktKind":"paths","rktVersion":"v1"})", "only \"auth\", \"dockerAuth\""},
          {"auth.d", R"([])", "JSON object"},
          {"auth.d", R"({"rktKind":"auth",})", "Error at line 1, column 19"},
          {"auth.d", R"({"rktKind":"auth","rktVersion":"v1","type":"basic"})",
           "no domains specified"},
          {"auth.d", R"({"rktKind":"auth","rktVersion":"v1","domains":["a"]})", "no auth type"},
          {"auth.d", R"({"rktKind":"auth","rktVersion":"v1","domains":["a"],"type":"x"})",
           "unknown auth type: \"x\""},
          {"auth.d", R"({"rktKind":"auth","rktVersion":"v1","domains":["a"],"type":"basic"})",
           "no credentials"},
          {"auth.d",
           R"({"rktKind":"auth","rktVersion":"v1","domains":["a"],"type":"basic","credentials":{"user":"u"}})",
           "no password specified"},
          {"auth.d",
           R"({"rktKind":"auth","rktVersion":"v1","domains":["a"],"type":"oauth","credentials":{"token":""}})",
           "no token specified"},
          {"auth.d",
           R"({"rktKind":"auth","rktVersion":"v1","domains":["a"],"type":"aws","credentials":{"accessKeyID":"k"}})",
           "no secretAccessKey specified"},
          {"auth.d",
           R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":[],"credentials":{}})",
           "no registries specified"},
          {"paths.d", R"({"rktKind":"paths","rktVersion":"v1","data":"rel"})",
           "data directory must be an absolute path"},
          {"paths.d", R"({"rktKind":"paths","rktVersion":"v1","stage1-images":"rel"})",
           "stage1 images directory must be an absolute path"},
          {"paths.d", R"({"rktKind":"paths","rktVersion":"v1","data":5})", "data must be a string"},
          {"registry.d", R"({"rktKind":"registry","rktVersion":"v1","registries":["a"]})",
           "neither endpoint nor mirrors specified"},
          {"registry.d",
           R"({"rktKind":"registry","rktVersion":"v1","registries":["a"],"endpoint":"ftp://b"})",
           "is neither https nor http"},
          {"registry.d",
           R"({"rktKind":"registry","rktVersion":"v1","registries":["a"],"mirrors":["u@b"]})",
           "malformed registry location"},
          {"stage1.d", R"({"rktKind":"stage1","rktVersion":"v1","name":"n"})",
           "without its version"},
          {"stage1.d", R"({"rktKind":"stage1","rktVersion":"v1","version":"1"})",
           "without its name"},
          {"stage1.d", R"({"rktKind":"stage1","rktVersion":"v1","location":"rel/x.aci"})",
           "neither an absolute"},
          {"stage1.d", R"({"rktKind":"stage1","rktVersion":"v1","location":"ftp://x/y.aci"})",
           "scheme \"ftp\""},
      }) {
    std::string message = Refusal(c.sub, c.text);
    EXPECT_TRUE(message.starts_with("cannot get configuration: ")) << message;
    EXPECT_NE(message.find(c.message), std::string::npos) << c.text << ": " << message;
  }
  for (const char* location : {"/x.aci", "file:///x.aci", "docker://x/y", "HTTP://x/y.aci"}) {
    EXPECT_EQ(Refusal("stage1.d", StrCat(R"({"rktKind":"stage1","rktVersion":"v1","location":")",
                                         location, "\"}")),
              "accepted");
  }
}

}  // namespace
}  // namespace rkt::config
