// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/names.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::network {
namespace {

const HolderCheck kAlive = [](const std::string&) { return HolderState::kAlive; };

class Names : public ::testing::Test {
 protected:
  Names() {
    char name[] = "/tmp/rkt-names-test-XXXXXX";
    root_ = ::mkdtemp(name);
    paths_.run = StrCat(root_, "/run");
  }
  ~Names() override { (void)RemoveTreeAt(AT_FDCWD, root_); }
  std::string HostsFile(const std::string& name) const { return StrCat(root_, "/", name); }
  Status Join(const std::string& name) {
    TRY(WriteFileAt(AT_FDCWD, HostsFile(name), HostsBeginning({}), 0644));
    return JoinNames(paths_, "net", {name, HostsFile(name), {StrCat("10.1.0.2\t", name)}}, kAlive);
  }
  // Whether a pod finds the name.
  bool Finds(const std::string& in, const std::string& name) const {
    for (const std::string& line : Split(*ReadFile(HostsFile(in)), '\n')) {
      if (!line.starts_with('#') && Trim(line).ends_with(StrCat("\t", name))) return true;
    }
    return false;
  }
  std::string root_;
  Paths paths_;
};

TEST_F(Names, ComeAndGoWithTheirPods) {
  ASSERT_TRUE(Join("a"));
  ASSERT_TRUE(Join("b"));
  EXPECT_TRUE(Finds("a", "a") && Finds("a", "b") && Finds("b", "a") && Finds("b", "b"));
  ASSERT_TRUE(LeaveNames(paths_, "net", "b"));
  EXPECT_FALSE(Finds("a", "b"));
  EXPECT_TRUE(Finds("a", "a"));
  EXPECT_EQ(ListMembers(paths_, "net")->size(), 1u);
}

TEST_F(Names, OfWhoHasComeHalfWayAreTakenBack) {
  ASSERT_TRUE(Join("a"));
  // Who is told first is the file system's choice: until that is "a".
  bool told = false;
  for (int i = 0; i < 30 && !told; ++i) {
    std::string full = StrCat("full", i);
    ASSERT_TRUE(Join(full));
    ASSERT_EQ(::truncate(HostsFile(full).c_str(), 20 << 20), 0);
    ASSERT_FALSE(Join("b"));
    told = Finds("a", "b");
    (void)LeaveNames(paths_, "net", "b");
    EXPECT_FALSE(Finds("a", "b"));
    ASSERT_EQ(::truncate(HostsFile(full).c_str(), 0), 0);
    (void)LeaveNames(paths_, "net", full);
  }
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace rkt::network
