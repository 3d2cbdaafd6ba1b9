// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/isolator.h"

#include <gtest/gtest.h>

namespace rkt::appc {
namespace {

int64_t Millis(std::string_view text) {
  auto quantity = Quantity::Parse(text);
  return quantity ? quantity->millis() : INT64_MIN;
}
std::string Canonical(std::string_view text) {
  auto quantity = Quantity::Parse(text);
  return quantity ? quantity->Text() : "refused";
}

TEST(Quantity, SuffixesAreThoseOfKubernetes) {
  EXPECT_EQ(Millis("64M"), 64'000'000'000);
  EXPECT_EQ(Millis("64Mi"), 67'108'864'000);
  EXPECT_EQ(Millis("500m"), 500);
  EXPECT_EQ(Millis("1.5"), 1500);
  EXPECT_EQ(Millis("2k"), 2'000'000);
  EXPECT_EQ(Millis("1e3"), 1'000'000);
  EXPECT_EQ(Millis("1E-3"), 1);
  EXPECT_EQ(Millis("0.5Gi"), 536'870'912'000);
  EXPECT_EQ(Millis("-2"), -2000);
  EXPECT_EQ(Millis("0"), 0);
}

TEST(Quantity, WhatIsFinerThanAThousandthIsRoundedUp) {
  EXPECT_EQ(Millis("1n"), 1);
  EXPECT_EQ(Millis("0.0001"), 1);
  EXPECT_EQ(Millis("0.001000000000000000000000000000000001"), 2);
  EXPECT_EQ(Quantity::Parse("16m")->Value(), 1);
  EXPECT_EQ(Quantity::Parse("1001m")->Value(), 2);
}

TEST(Quantity, NonsenseAndExcessAreRefused) {
  for (const char* text : {"", "M", "1KB", "1 M", "0x10", "1e", "1e+-3", "1.2.3", "--1", "16E",
                           "10Pi", "9223372036854775808", "1e100", "1e-101", "1mm", "+", "."}) {
    EXPECT_EQ(Millis(text), INT64_MIN) << text;
  }
  EXPECT_EQ(Millis(std::string(1000, '9')), INT64_MIN);
  EXPECT_EQ(Millis("0." + std::string(1000, '0') + "1"), INT64_MIN);
}

TEST(Quantity, IsWrittenInItsShortestForm) {
  EXPECT_EQ(Canonical("0.5"), "500m");
  EXPECT_EQ(Canonical("64M"), "64M");
  EXPECT_EQ(Canonical("64000000"), "64M");
  EXPECT_EQ(Canonical("1024Mi"), "1Gi");
  EXPECT_EQ(Canonical("1.5Gi"), "1536Mi");
  EXPECT_EQ(Canonical("0.5Ki"), "512");
  EXPECT_EQ(Canonical("1e3"), "1e3");
  EXPECT_EQ(Canonical("1500"), "1500");
  EXPECT_EQ(Canonical("0Mi"), "0");
  EXPECT_EQ(Canonical("-1024Ki"), "-1Mi");
}

TEST(Isolators, TheLastMemoryAndCpuLimitCounts) {
  Isolators list = {*MakeMemory("64M"), *MakeCpu("500m"), *MakeMemory("128Mi")};
  EXPECT_EQ(MemoryLimit(list), 134'217'728);
  EXPECT_EQ(CpuLimitMillis(list), 500);
  EXPECT_EQ(MemoryLimit({}), std::nullopt);
  EXPECT_EQ(json::Write(list[0].value), R"({"default":false,"request":"64M","limit":"64M"})");
}

TEST(Isolators, LimitsOfTheCommandLineHold) {
  EXPECT_FALSE(MakeMemory("16m"));
  EXPECT_FALSE(MakeMemory("4095"));
  EXPECT_TRUE(MakeMemory("4096"));
  EXPECT_FALSE(MakeMemory("-64M"));
  EXPECT_FALSE(MakeCpu("0"));
  EXPECT_FALSE(MakeCpuShares(1));
  EXPECT_TRUE(MakeCpuShares(2));
  EXPECT_TRUE(MakeCpuShares(262144));
  EXPECT_FALSE(MakeCpuShares(262145));
  EXPECT_TRUE(MakeOomScoreAdj(-1000));
  EXPECT_FALSE(MakeOomScoreAdj(1001));
  EXPECT_FALSE(MakeCapabilities(true, {}));
}

TEST(Isolators, SeccompNeedsASetAndAWellFormedErrno) {
  Status status =
      MakeSeccomp({true, {}, ""}).has_value() ? Status() : MakeSeccomp({true, {}, ""}).error();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "set must be non-empty");
  EXPECT_FALSE(MakeSeccomp({true, {"chmod"}, "eacces"}));
  EXPECT_FALSE(MakeSeccomp({true, {"chmod"}, "EACC ES"}));
  Seccomp wanted{false, {"chmod", "@docker/default-blacklist"}, "EACCES"};
  auto isolator = MakeSeccomp(wanted);
  ASSERT_TRUE(isolator);
  EXPECT_EQ(isolator->name, kSeccompRemoveIsolator);
  EXPECT_EQ(GetSeccomp({*isolator}), std::vector<Seccomp>{wanted});
}

TEST(Isolators, AreReadBackAsTheyWereMade) {
  Isolators list = {*MakeCapabilities(true, {"CAP_KILL", "CAP_CHOWN"}),
                    *MakeCapabilities(false, {"CAP_MKNOD"}), *MakeCpuShares(512),
                    *MakeOomScoreAdj(-7), MakeNoNewPrivileges(true)};
  EXPECT_EQ(GetCapabilities(list).retain, (std::vector<std::string>{"CAP_KILL", "CAP_CHOWN"}));
  EXPECT_EQ(GetCapabilities(list).remove, (std::vector<std::string>{"CAP_MKNOD"}));
  EXPECT_EQ(CpuShares(list), 512);
  EXPECT_EQ(OomScoreAdj(list), -7);
  EXPECT_TRUE(NoNewPrivileges(list));
  EraseIsolators(list, kCapsRetainIsolator);
  EXPECT_EQ(GetCapabilities(list).retain, std::nullopt);
  EXPECT_EQ(list.size(), 4u);
}

TEST(Isolators, KnownOnesWithWrongValuesAreRefusedAndUnknownOnesPass) {
  auto check = [](const char* name, const char* value) {
    return CheckIsolator({name, *json::Parse(value), {}}).has_value();
  };
  EXPECT_FALSE(check(kMemoryIsolator, "\"64M\""));
  EXPECT_FALSE(check(kMemoryIsolator, R"({"limit":"64Q"})"));
  EXPECT_FALSE(check(kMemoryIsolator, R"({"limit":"-1"})"));
  EXPECT_FALSE(check(kCpuIsolator, R"({"default":true,"limit":"1"})"));
  EXPECT_TRUE(check(kCpuIsolator, R"({"default":false,"request":null,"limit":1})"));
  EXPECT_FALSE(check(kCpuSharesIsolator, "1.5"));
  EXPECT_FALSE(check(kOomScoreAdjIsolator, "\"5\""));
  EXPECT_FALSE(check(kCapsRemoveIsolator, R"({"set":[]})"));
  EXPECT_FALSE(check(kCapsRemoveIsolator, R"({"set":[1]})"));
  EXPECT_FALSE(check(kSeccompRetainIsolator, R"({"set":["a"],"errno":"x"})"));
  EXPECT_TRUE(check(kSeccompRetainIsolator, R"({"set":["a"],"errno":""})"));
  EXPECT_FALSE(check(kNoNewPrivilegesIsolator, "1"));
  EXPECT_TRUE(check("example.com/own", R"({"a":[1]})"));
}

}  // namespace
}  // namespace rkt::appc
