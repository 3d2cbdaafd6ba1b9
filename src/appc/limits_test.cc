// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/limits.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace rkt::appc {
namespace {

Isolator Make(const std::string& name, const std::string& value) {
  return {name, *json::Parse(value), {}};
}
std::string Refusal(const std::string& name, const std::string& value) {
  Status status = CheckIsolator(Make(name, value));
  return status ? "" : status.error().message();
}

TEST(Limits, ValuesAreCheckedByTheirIsolator) {
  EXPECT_EQ(Refusal(kPidsLimitIsolator, "0"), "");
  EXPECT_EQ(Refusal(kPidsLimitIsolator, "-1"), "must be a whole number between 0 and 4194304");
  EXPECT_EQ(Refusal(kBlockWeightIsolator, "1000"), "");
  EXPECT_NE(Refusal(kBlockWeightIsolator, "9"), "");
  EXPECT_EQ(Refusal(kBlockBandwidthIsolator, R"({"default":true,"limit":"2M"})"), "");
  EXPECT_EQ(Refusal(kBlockBandwidthIsolator, R"({"limit":"2M"})"), "default must be true");
  EXPECT_EQ(Refusal(kBlockIopsIsolator, R"({"default":true,"limit":"0"})"),
            "limit must be more than nothing");
  EXPECT_EQ(Refusal(kBlockIopsIsolator, R"({"default":true,"limit":"1","request":"1"})"),
            "request is not possible here");
  EXPECT_NE(Refusal(kNetworkBandwidthIsolator, R"({"default":false,"limit":"1"})"), "");
  EXPECT_EQ(Refusal(kSelinuxIsolator, R"({"user":"u","role":"r","type":"t","level":"s0:c1,c2"})"), "");
  EXPECT_NE(Refusal(kSelinuxIsolator, R"({"user":"u","role":"r","type":"t:x","level":"s0"})"), "");
  EXPECT_NE(Refusal(kSelinuxIsolator, R"({"user":"u","role":"r","type":"t"})"), "");
  EXPECT_EQ(Refusal(kApparmorIsolator, R"({"profile":"docker-default"})"), "");
  EXPECT_NE(Refusal(kApparmorIsolator, R"({"profile":"a b"})"), "");
  EXPECT_EQ(Refusal(kSysctlIsolator, R"({"a":"1"})"), "");
  EXPECT_NE(Refusal(kSysctlIsolator, R"({"a":[1]})"), "");
}

TEST(Limits, Rlimits) {
  auto read = [](const std::string& value) {
    return Rlimits({Make(kRlimitsIsolator, value)});
  };
  EXPECT_EQ(read(R"({"nofile":{"soft":10,"hard":20}})"), (std::vector<Rlimit>{{"nofile", 10, 20}}));
  EXPECT_EQ(read(R"({"core":0})"), (std::vector<Rlimit>{{"core", 0, 0}}));
  EXPECT_EQ(read(R"({"stack":{"soft":7}})"), (std::vector<Rlimit>{{"stack", 7, 7}}));
  EXPECT_EQ(read(R"({"nofile":{"soft":10,"hard":"unlimited"}})"),
            (std::vector<Rlimit>{{"nofile", 10, std::nullopt}}));
  EXPECT_EQ(read(R"({"nofile":-1})"), (std::vector<Rlimit>{{"nofile", std::nullopt, std::nullopt}}));
  EXPECT_NE(Refusal(kRlimitsIsolator, R"({"nofile":{"soft":30,"hard":20}})"), "");
  EXPECT_NE(Refusal(kRlimitsIsolator, R"({"nofile":{"soft":"unlimited","hard":20}})"), "");
  EXPECT_NE(Refusal(kRlimitsIsolator, R"({"nofiles":1})"), "");
  EXPECT_NE(Refusal(kRlimitsIsolator, R"({"nofile":{}})"), "");
  EXPECT_EQ(RlimitNumber("nofile"), RLIMIT_NOFILE);
  // What is made is read back.
  std::vector<Rlimit> limits = {{"nofile", 1, 2}, {"core", std::nullopt, std::nullopt}};
  EXPECT_EQ(Rlimits({*MakeRlimits(limits)}), limits);
}

TEST(Limits, OnlyParametersOfANamespaceAreAPods) {
  auto sysctl = ParseSysctl("net.ipv4.ip_forward", "1");
  ASSERT_TRUE(sysctl);
  EXPECT_EQ(sysctl->path, "net/ipv4/ip_forward");
  EXPECT_EQ(sysctl->scope, Sysctl::Scope::kNetwork);
  EXPECT_EQ(ParseSysctl("net/ipv4/conf/eth0.100/forwarding", "1")->path,
            "net/ipv4/conf/eth0.100/forwarding");
  EXPECT_EQ(ParseSysctl("net.ipv4.conf.eth0/100.forwarding", "1")->path,
            "net/ipv4/conf/eth0.100/forwarding");
  EXPECT_EQ(ParseSysctl("kernel.shmmax", "1")->scope, Sysctl::Scope::kIpc);
  EXPECT_EQ(ParseSysctl("fs.mqueue.msg_max", "1")->scope, Sysctl::Scope::kIpc);
  EXPECT_EQ(ParseSysctl("kernel.domainname", "x")->scope, Sysctl::Scope::kUts);
  for (const char* name : {"kernel.panic", "vm.swappiness", "fs.file-max", "kernel.shmmax.x", "user.max_user_namespaces",
                           "kernel.core_pattern", "kernel/core_pattern", "kernel.pid_max", "fs.mqueue"}) {
    auto refused = ParseSysctl(name, "1");
    ASSERT_FALSE(refused) << name;
    EXPECT_NE(refused.error().message().find("of the whole machine"), std::string::npos) << name;
  }
  for (const char* name : {"net", "", "net..x", "net/../kernel/panic", "net.ipv4/../../kernel/panic", "/net/x", "net.x\n"}) {
    EXPECT_FALSE(ParseSysctl(name, "1")) << name;
  }
  EXPECT_FALSE(ParseSysctl("net.ipv4.ip_forward", "1\n2"));
}

TEST(Limits, ImagesAskOnlyForWhatStaysInTheirPod) {
  auto allowed = [](const Isolators& isolators, bool any_capability = false) {
    return static_cast<bool>(CheckImageIsolators(isolators, any_capability));
  };
  EXPECT_TRUE(allowed({*MakeCapabilities(true, {"CAP_NET_ADMIN", "cap_chown"})}));
  EXPECT_FALSE(allowed({*MakeCapabilities(true, {"CAP_SYS_PTRACE"})}));
  EXPECT_FALSE(allowed({*MakeCapabilities(true, {"cap_sys_admin"})}));
  EXPECT_TRUE(allowed({*MakeCapabilities(true, {"cap_sys_admin"})}, true));
  EXPECT_TRUE(allowed({*MakeCapabilities(false, {"CAP_SYS_ADMIN"})}));
  EXPECT_TRUE(allowed({*MakeOomScoreAdj(100)}));
  EXPECT_FALSE(allowed({*MakeOomScoreAdj(-1)}));
  EXPECT_TRUE(allowed({*MakePidsLimit(kDefaultPodTasks)}));
  EXPECT_FALSE(allowed({*MakePidsLimit(kDefaultPodTasks + 1)}));
  EXPECT_FALSE(allowed({*MakePidsLimit(-1)}));
}

}  // namespace
}  // namespace rkt::appc
