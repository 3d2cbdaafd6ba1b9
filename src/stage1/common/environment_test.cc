// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace rkt::stage1 {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(AppEnvironment, DefaultsAndNothingOfTheCaller) {
  setenv("LD_PRELOAD_OF_TEST", "1", 1);
  auto environment = AppEnvironment({"web", "", {}});
  ASSERT_TRUE(environment);
  EXPECT_THAT(*environment,
              UnorderedElementsAre(
                  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                  "SHELL=/bin/sh", "USER=root", "LOGNAME=root", "HOME=/root", "AC_APP_NAME=web"));
}

TEST(AppEnvironment, TheManifestWinsOverDefaultsAndLaterOverEarlier) {
  auto environment =
      AppEnvironment({"web",
                      "http://169.254.1.1/token",
                      {{"PATH", "/bin"}, {"A", "1"}, {"EMPTY", ""}, {"A", "2=3"}, {"HOME", "/"}}});
  ASSERT_TRUE(environment);
  EXPECT_THAT(*environment, ElementsAre("SHELL=/bin/sh", "USER=root", "LOGNAME=root", "PATH=/bin",
                                        "EMPTY=", "A=2=3", "HOME=/", "AC_APP_NAME=web",
                                        "AC_METADATA_URL=http://169.254.1.1/token"));
  EXPECT_EQ(EnvironmentValue(*environment, "PATH"), "/bin");
  EXPECT_EQ(EnvironmentValue(*environment, "A"), "2=3");
  EXPECT_EQ(EnvironmentValue(*environment, "PAT"), "");
}

TEST(AppEnvironment, OurOwnNamesCannotBeOverridden) {
  auto environment = AppEnvironment({"web", "", {{"AC_APP_NAME", "db"}, {"AC_METADATA_URL", "u"}}});
  ASSERT_TRUE(environment);
  EXPECT_EQ(EnvironmentValue(*environment, "AC_APP_NAME"), "web");
  EXPECT_EQ(EnvironmentValue(*environment, "AC_METADATA_URL"), "u");
  EXPECT_EQ(environment->size(), 7u);
}

TEST(AppEnvironment, ContainerAndTerminalAreSetUnlessTheAppSetsThem) {
  auto environment = AppEnvironment({"web", "", {}, "rkt", "xterm"});
  ASSERT_TRUE(environment);
  EXPECT_EQ(EnvironmentValue(*environment, "container"), "rkt");
  EXPECT_EQ(EnvironmentValue(*environment, "TERM"), "xterm");
  environment = AppEnvironment({"web", "", {{"container", "oci"}, {"TERM", ""}}, "rkt", "xterm"});
  ASSERT_TRUE(environment);
  EXPECT_EQ(EnvironmentValue(*environment, "container"), "oci");
  EXPECT_EQ(EnvironmentValue(*environment, "TERM"), "");
}

TEST(AppEnvironment, InvalidEntriesAreErrors) {
  EXPECT_FALSE(AppEnvironment({"web", "", {{"", "x"}}}));
  EXPECT_FALSE(AppEnvironment({"web", "", {{"A=B", "x"}}}));
  EXPECT_FALSE(AppEnvironment({"web", "", {{std::string("A\0B", 3), "x"}}}));
  EXPECT_FALSE(AppEnvironment({"web", "", {{"A", std::string("x\0y", 3)}}}));
}

TEST(EnvironmentFile, KeepsEveryValueWhole) {
  std::vector<std::string> environment = {"A=1", "B=two\nlines", "C="};
  EXPECT_EQ(ParseEnvironmentFile(EnvironmentFileText(environment)), environment);
  EXPECT_THAT(ParseEnvironmentFile(std::string_view("A=1\0junk\0\0B=2", 13)),
              ElementsAre("A=1", "B=2"));
}

}  // namespace
}  // namespace rkt::stage1
