// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/lease.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "base/file.h"
#include "base/strings.h"
#include "base/uuid.h"

namespace rkt::network {
namespace {

const HolderCheck kUnknown = [](const std::string&) { return HolderState::kUnknown; };
const HolderCheck kGone = [](const std::string&) { return HolderState::kGone; };

class Leases : public ::testing::Test {
 protected:
  Leases() {
    char name[] = "/tmp/rkt-lease-test-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  ~Leases() override { (void)RemoveTreeAt(AT_FDCWD, root_); }
  static RangeSet Range(const char* subnet, const char* first = nullptr,
                        const char* last = nullptr) {
    IpRange range;
    range.subnet = *ParsePrefix(subnet);
    range.first = first ? *ParseAddress(first) : Next(range.subnet.address);
    range.last = last ? *ParseAddress(last) : range.subnet.Last();
    range.gateway = Next(range.subnet.address);
    return {range};
  }
  Result<std::string> Get(const std::vector<RangeSet>& sets, const std::string& id,
                          const std::vector<Address>& wanted = {},
                          const HolderCheck& check = kUnknown) {
    auto directory = LeaseDirectory::Open(root_, "net");
    if (!directory) return directory.error();
    auto leases = directory->Allocate(sets, id, "eth0", wanted, check);
    if (!leases) return leases.error();
    std::string text;
    for (const Lease& lease : *leases)
      text += StrCat(text.empty() ? "" : " ", ToText(lease.address));
    return text;
  }
  std::string root_;
};

TEST_F(Leases, AreTheFilesOfHostLocal) {
  EXPECT_EQ(*Get({Range("10.1.0.0/24"), Range("fd00:1::/64")}, "some-id"), "10.1.0.2 fd00:1::2");
  EXPECT_EQ(*ReadFile(StrCat(root_, "/net/10.1.0.2")), "some-id\r\neth0");
  EXPECT_EQ(*ReadFile(StrCat(root_, "/net/fd00:1::2")), "some-id\r\neth0");
  EXPECT_EQ(*ReadFile(StrCat(root_, "/net/last_reserved_ip.0")), "10.1.0.2");
  EXPECT_EQ(*ReadFile(StrCat(root_, "/net/last_reserved_ip.1")), "fd00:1::2");
  EXPECT_TRUE(Exists(StrCat(root_, "/net/lock")));
}

TEST_F(Leases, GoRoundAndSkipTheGatewayAndWhatIsTaken) {
  auto sets = std::vector<RangeSet>{Range("10.1.0.0/29", nullptr, "10.1.0.6")};
  for (const char* expected : {"10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"})
    EXPECT_EQ(*Get(sets, expected), expected);
  auto full = Get(sets, "x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code(), Code::kBusy);
  ASSERT_TRUE(LeaseDirectory::Open(root_, "net")->Release("10.1.0.3"));
  EXPECT_EQ(*Get(sets, "y"), "10.1.0.3");
  ASSERT_TRUE(LeaseDirectory::Open(root_, "net")->Release("10.1.0.2"));
  ASSERT_TRUE(LeaseDirectory::Open(root_, "net")->Release("10.1.0.6"));
  // Behind the last one given, not the first that is free.
  EXPECT_EQ(*Get(sets, "z"), "10.1.0.6");
}

TEST_F(Leases, SeveralRangesOfASetFollowEachOther) {
  RangeSet set = Range("10.1.0.0/24", "10.1.0.5", "10.1.0.6");
  set.push_back(Range("10.2.0.0/24", "10.2.0.7", "10.2.0.7")[0]);
  for (const char* expected : {"10.1.0.5", "10.1.0.6", "10.2.0.7"})
    EXPECT_EQ(*Get({set}, "x"), expected);
  EXPECT_FALSE(Get({set}, "x"));
}

TEST_F(Leases, RequestedAddressesAreGivenOrRefused) {
  auto sets = std::vector<RangeSet>{Range("10.1.0.0/24")};
  EXPECT_EQ(*Get(sets, "a", {*ParseAddress("10.1.0.77")}), "10.1.0.77");
  EXPECT_EQ(Get(sets, "b", {*ParseAddress("10.1.0.77")}).error().code(), Code::kBusy);
  EXPECT_EQ(Get(sets, "b", {*ParseAddress("10.1.0.1")}).error().code(), Code::kInvalid);
  EXPECT_EQ(Get(sets, "b", {*ParseAddress("10.2.0.1")}).error().code(), Code::kInvalid);
  EXPECT_EQ(*Get(sets, "b", {*ParseAddress("10.1.0.77")}, kGone), "10.1.0.77");
}

TEST_F(Leases, AFailureGivesBackWhatWasTaken) {
  auto sets =
      std::vector<RangeSet>{Range("10.1.0.0/24"), Range("10.2.0.0/24", "10.2.0.9", "10.2.0.9")};
  EXPECT_TRUE(Get(sets, "a"));
  EXPECT_FALSE(Get(sets, "b"));
  auto left = LeaseDirectory::Open(root_, "net")->List();
  EXPECT_EQ(left->size(), 2u);
}

TEST_F(Leases, OfAnEarlierBootArePrunedIfTheyArePods) {
  std::string pod = NewUuid();
  std::string foreign(64, 'a');
  auto sets = std::vector<RangeSet>{Range("10.1.0.0/24")};
  ASSERT_TRUE(Get(sets, pod) && Get(sets, foreign));
  auto directory = LeaseDirectory::Open(root_, "net");
  EXPECT_EQ(*directory->Prune(kUnknown), 0);
  struct timespec old[2] = {{1000, 0}, {1000, 0}};
  for (const char* ip : {"10.1.0.2", "10.1.0.3"})
    ::utimensat(AT_FDCWD, StrCat(root_, "/net/", ip).c_str(), old, 0);
  EXPECT_EQ(*directory->Prune(kUnknown), 1);
  EXPECT_FALSE(Exists(StrCat(root_, "/net/10.1.0.2")));
  EXPECT_TRUE(Exists(StrCat(root_, "/net/10.1.0.3")));
}

TEST_F(Leases, WithoutAHolderAreOfSomebodyWhoWasKilled) {
  ASSERT_TRUE(MakeDirs(StrCat(root_, "/net"), 0755));
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(root_, "/net/10.1.0.9"), "", 0644));
  EXPECT_EQ(*Get({Range("10.1.0.0/24")}, "some-id", {*ParseAddress("10.1.0.9")}), "10.1.0.9");
}

TEST_F(Leases, OfManyProcessesAtOnceDiffer) {
  constexpr int kProcesses = 20;
  auto sets = std::vector<RangeSet>{Range("10.1.0.0/24")};
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) ::_exit(Get(sets, StrCat("pod", i)) ? 0 : 1);
  }
  for (int i = 0; i < kProcesses; ++i) {
    int status;
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  std::set<std::string> ids;
  auto leases = LeaseDirectory::Open(root_, "net")->List();
  for (const auto& entry : *leases) ids.insert(entry.id);
  EXPECT_EQ(ids.size(), size_t{kProcesses});
}

TEST_F(Leases, AreReleasedOnlyByTheirHolder) {
  auto sets = std::vector<RangeSet>{Range("10.1.0.0/24")};
  ASSERT_TRUE(Get(sets, "abc"));
  auto directory = LeaseDirectory::Open(root_, "net");
  EXPECT_TRUE(directory->ReleaseAddress(*ParseAddress("10.1.0.2"), "ab"));
  EXPECT_TRUE(directory->Release("ab"));
  EXPECT_TRUE(Exists(StrCat(root_, "/net/10.1.0.2")));
  EXPECT_TRUE(directory->ReleaseAddress(*ParseAddress("10.1.0.2"), "abc"));
  EXPECT_FALSE(Exists(StrCat(root_, "/net/10.1.0.2")));
  EXPECT_TRUE(directory->ReleaseAddress(*ParseAddress("10.1.0.2"), "abc"));
}

}  // namespace
}  // namespace rkt::network
