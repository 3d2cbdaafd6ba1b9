// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/registry.h"

#include <gtest/gtest.h>

#include "fetch/oci/credential_helper.h"
#include "fetch/oci/credentials.h"

namespace rkt::fetch::oci {
namespace {

TEST(RegistryAuth, ChallengesAreReadInEveryForm) {
  auto bearer = ParseChallenges(R"(Bearer realm="https://a.example/t?x=1,2",service="s",scope="repository:a:pull,push")");
  ASSERT_EQ(bearer.size(), 1u);
  EXPECT_EQ(bearer[0].scheme, "bearer");
  EXPECT_EQ(bearer[0].realm, "https://a.example/t?x=1,2");
  EXPECT_EQ(bearer[0].service, "s");
  EXPECT_EQ(bearer[0].scope, "repository:a:pull,push");
  auto two = ParseChallenges(R"(Basic realm="a \"b\"", BEARER Realm=https://t.example , service=x)");
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].realm, "a \"b\"");
  EXPECT_EQ(two[1].scheme, "bearer");
  EXPECT_EQ(two[1].realm, "https://t.example");
  EXPECT_EQ(two[1].service, "x");
  for (const char* text : {"", ",,,", "\"", "=", "realm=x", "Bearer realm=\"open", "Bearer realm=", "Basic \"", "a=\"\\"}) {
    (void)ParseChallenges(text);  // whatever comes of it, it ends
  }
}

TEST(RegistryAuth, ARealmIsTheRegistrysOnlyAtItsOrigin) {
  auto is = [](const char* realm, const char* registry) {
    return IsRealmOf(*http::ParseUrl(realm), *http::ParseUrl(registry));
  };
  EXPECT_TRUE(is("https://r.example/token", "https://r.example/v2/"));
  EXPECT_TRUE(is("https://r.example:443/token", "https://r.example/v2/"));
  EXPECT_FALSE(is("http://r.example/token", "https://r.example/v2/"));
  EXPECT_FALSE(is("https://r.example:8443/token", "https://r.example/v2/"));
  EXPECT_FALSE(is("https://evil.example/token", "https://r.example/v2/"));
  EXPECT_FALSE(is("https://r.example.evil.example/token", "https://r.example/v2/"));
  EXPECT_TRUE(is("https://auth.docker.io/token", "https://registry-1.docker.io"));
  EXPECT_FALSE(is("https://auth.docker.io/token", "https://r.example"));
  EXPECT_FALSE(is("http://auth.docker.io/token", "https://registry-1.docker.io"));
}

TEST(RegistryAuth, Base64IsReadStrictly) {
  EXPECT_EQ(Base64Decode("dXNlcjpwYXNz").value_or("-"), "user:pass");
  EXPECT_EQ(Base64Decode("YQ==").value_or("-"), "a");
  EXPECT_EQ(Base64Decode("YWI=").value_or("-"), "ab");
  EXPECT_EQ(Base64Decode("").value_or("-"), "");
  EXPECT_FALSE(Base64Decode("Y*=="));
  EXPECT_FALSE(Base64Decode("YQ==YQ=="));
  EXPECT_FALSE(Base64Decode("YQ==="));
}

TEST(RegistryAuth, FilesOfOtherToolsNameHostsInManyWays) {
  auto found = [](const std::string& auths, const std::string& host, const std::string& repository = "a/b") -> std::string {
    auto result = FindInAuthFile("{\"auths\":{" + auths + "}}", host, repository);
    if (!result) return "error";
    return result->found.basic ? result->found.basic->user + ":" + result->found.basic->password : "none";
  };
  const std::string auth = R"(:{"auth":"dTpw"})";  // u:p
  EXPECT_EQ(found("\"r.example\"" + auth, "r.example"), "u:p");
  EXPECT_EQ(found("\"https://r.example/v1/\"" + auth, "r.example"), "u:p");
  EXPECT_EQ(found("\"https://index.docker.io/v1/\"" + auth, "registry-1.docker.io"), "u:p");
  EXPECT_EQ(found("\"docker.io\"" + auth, "registry-1.docker.io"), "u:p");
  EXPECT_EQ(found("\"r.example/a\"" + auth, "r.example"), "u:p");
  EXPECT_EQ(found("\"r.example/a\"" + auth, "r.example", "ab"), "none");
  EXPECT_EQ(found(R"("r.example/a":{"auth":"eDp5"},"r.example")" + auth, "r.example"), "x:y") << "the longest counts";
  EXPECT_EQ(found("\"r.example.evil\"" + auth, "r.example"), "none");
  EXPECT_EQ(found("\"r.example:5000\"" + auth, "r.example"), "none");
  EXPECT_EQ(found(R"("r.example":{"username":"n","password":"w"})", "r.example"), "n:w");
  EXPECT_EQ(found(R"("r.example":{"auth":"!!"})", "r.example"), "error");
  EXPECT_EQ(found(R"("r.example":{})", "r.example"), "none");
  EXPECT_FALSE(FindInAuthFile("{", "r.example", ""));
}

TEST(RegistryAuth, FilesNameHelpersAndTokens) {
  auto entry = [](const std::string& file, const std::string& host, const std::string& repository = "a/b") {
    auto result = FindInAuthFile(file, host, repository);
    EXPECT_TRUE(result) << file;
    return result ? *result : FileEntry();
  };
  auto helper = [&](const std::string& file, const std::string& host) {
    FileEntry found = entry(file, host);
    return found.found.any() ? "own" : found.helper + " " + found.server;
  };
  EXPECT_EQ(helper(R"({"credHelpers":{"r.example":"x"}})", "r.example"), "x r.example");
  EXPECT_EQ(helper(R"({"credHelpers":{"r.example":"x"}})", "s.example"), " s.example");
  EXPECT_EQ(helper(R"({"credsStore":"x"})", "r.example"), "x r.example");
  EXPECT_EQ(helper(R"({"credsStore":"x"})", "registry-1.docker.io"), "x https://index.docker.io/v1/");
  EXPECT_EQ(helper(R"({"credHelpers":{"docker.io":"y"},"credsStore":"x"})", "registry-1.docker.io"), "y docker.io");
  EXPECT_EQ(helper(R"({"auths":{"r.example":{}},"credsStore":"x"})", "r.example"), "x r.example") << "docker leaves empty entries";
  EXPECT_EQ(helper(R"({"auths":{"r.example":{"auth":"dTpw"}},"credsStore":"x"})", "r.example"), "own");
  EXPECT_EQ(helper(R"({"auths":{"r.example":{"auth":"dTpw"}},"credHelpers":{"r.example":"x"}})", "r.example"), "x r.example");
  EXPECT_EQ(helper(R"({"auths":{"r.example/a":{"auth":"dTpw"}},"credHelpers":{"r.example":"x"}})", "r.example"), "own")
      << "the longest counts";
  EXPECT_EQ(entry(R"({"auths":{"r.example":{"identitytoken":"t"}}})", "r.example").found.refresh_token, "t");
  // As docker writes it: a user without a password beside the token.
  FileEntry both = entry(R"({"auths":{"r.example":{"auth":"dTo=","identitytoken":"t"}}})", "r.example");
  EXPECT_EQ(both.found.refresh_token, "t");
  EXPECT_FALSE(both.found.basic);
  EXPECT_EQ(entry(R"({"auths":{"r.example":{"registrytoken":"t"}}})", "r.example").found.registry_token, "t");
}

TEST(RegistryAuth, NamesOfHelpersAreWords) {
  for (const char* name : {"", "../x", "a/b", "a b", "a\nb", "a;b"}) {
    auto answer = AskCredentialHelper(name, "r.example");
    ASSERT_FALSE(answer) << name;
    EXPECT_EQ(answer.error().code(), Code::kInvalid) << name;
  }
}

}  // namespace
}  // namespace rkt::fetch::oci
