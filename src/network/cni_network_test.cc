// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// CNI plugins: the distribution's as the real ones, and scripts that misbehave.

#include "network/inventory.h"
#include "network/test_host.h"

namespace rkt::network {
namespace {

using test::Fetch;
using test::InNewHost;
using test::Sh;
using test::TestHost;
using test::TestPod;

bool HavePlugins() { return Exists("/usr/lib/cni/bridge") && Exists("/usr/lib/cni/portmap"); }

// The real host-local has its own idea of where leases are unless it is told.
std::string Ipam(const TestHost& host, const std::string& subnet) {
  return StrCat(R"("ipam":{"type":"host-local","dataDir":")", host.paths.leases,
                R"(","ranges":[[{"subnet":")", subnet, R"("}]],"routes":[{"dst":"0.0.0.0/0"}]})");
}

void Script(TestHost& host, const std::string& name, const std::string& body) {
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(host.paths.rkt_plugins, "/", name),
                          StrCat("#!/bin/sh\n", body), 0755, true));
}

constexpr char kFakeResult[] =
    R"({"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"x"}],"ips":[{"address":"10.66.0.2/24","interface":0}]})";

TEST(CniPlugins, AChainWithPortMapPublishesPortsAndGivesEverythingBack) {
  if (!HavePlugins()) GTEST_SKIP() << "no CNI plugins in /usr/lib/cni";
  InNewHost([](TestHost& host) {
    host.AddOutside();
    host.Config("10-chain.conflist", StrCat(R"({"cniVersion":"1.0.0","name":"chain","plugins":[
        {"type":"bridge","bridge":"cnibr","isGateway":true,"ipMasq":true,"hairpinMode":true,)",
                                            Ipam(host, "10.55.0.0/24"), R"(},
        {"type":"portmap","capabilities":{"portMappings":true}},{"type":"tuning","capabilities":{"mac":true}}]})"));
    TestPod pod(host, {"chain:IP=10.55.0.9;MAC=02-00-00-00-00-09"},
                {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, ""}});
    auto started = pod.Start();
    ASSERT_TRUE(started) << started.error().Text();
    EXPECT_EQ(pod.Ip(), "10.55.0.9");
    EXPECT_NE(pod.ns.Sh("ip link show eth0").out.find("02:00:00:00:00:09"), std::string::npos);
    pod.Serve(80, "hello");
    EXPECT_EQ(pod.ns.Sh("busybox ping -c1 -W2 192.0.2.2").status, 0);
    EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out, "hello\n");
    EXPECT_EQ(pod.File("net-info.json").find("/usr/lib/cni/bridge") != std::string::npos, true);
    EXPECT_NE(Sh(StrCat("cat ", host.paths.results, "/chain-", pod.request.uuid, "-eth0"))
                  .out.find("cniCacheV1"),
              std::string::npos);
    EXPECT_TRUE(pod.TearDown());
    EXPECT_EQ(Sh("iptables-save | grep -E 'CNI-[0-9a-f]|CNI-DN'").out, "");
    EXPECT_EQ(Sh(StrCat("find ", host.paths.leases, " ", host.paths.results,
                        " -name '*10.55*' -o -name 'chain-*'"))
                  .out,
              "");
  });
}

TEST(CniPlugins, ShareTheirSubnetWithTheEngine) {
  if (!HavePlugins()) GTEST_SKIP() << "no CNI plugins in /usr/lib/cni";
  InNewHost([](TestHost& host) {
    std::string common =
        StrCat(R"("name":"shared","type":"bridge","bridge":"sharedbr","isGateway":true,)",
               Ipam(host, "10.56.0.0/24"), "}");
    std::vector<std::unique_ptr<TestPod>> pods;
    for (int i = 0; i < 6; ++i) {
      host.Config("10-shared.conf", StrCat(i % 2 ? R"({"engine":"rkt",)"
                                                 : R"({"engine":"plugin","cniVersion":"0.4.0",)",
                                           common));
      pods.push_back(std::make_unique<TestPod>(host, std::vector<std::string>{"shared"}));
      auto started = pods.back()->Start();
      ASSERT_TRUE(started) << started.error().Text();
      EXPECT_EQ(pods.back()->Ip(), StrCat("10.56.0.", i + 2));
    }
    EXPECT_EQ(pods[0]->ns.Sh("busybox ping -c1 -W2 10.56.0.3").status, 0);
    EXPECT_EQ(pods[1]->ns.Sh("busybox ping -c1 -W2 10.56.0.2").status, 0);
    for (auto& pod : pods) EXPECT_TRUE(pod->TearDown());
    EXPECT_EQ(Sh(StrCat("find ", host.paths.leases, " -name '10.*'")).out, "");
  });
}

TEST(CniPlugins, PortsAreForwardedByTheEngineWhereNoPluginDoes) {
  if (!HavePlugins()) GTEST_SKIP() << "no CNI plugins in /usr/lib/cni";
  InNewHost([](TestHost& host) {
    host.AddOutside();
    host.Config(
        "10-p.conf",
        StrCat(R"({"engine":"plugin","cniVersion":"0.2.0","name":"p","type":"ptp","ipMasq":true,)",
               Ipam(host, "10.57.0.0/24"), "}"));
    TestPod pod(host, {"p"}, {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, ""}});
    auto started = pod.Start();
    ASSERT_TRUE(started) << started.error().Text();
    pod.Serve(80, "hello");
    EXPECT_EQ(host.outside->Sh(Fetch("192.0.2.1:8080")).out, "hello\n");
    EXPECT_EQ(Sh(Fetch("127.0.0.1:8080")).out, "hello\n");
    EXPECT_EQ(pod.ns.Sh(Fetch("192.0.2.1:8080")).out, "hello\n");
    EXPECT_TRUE(pod.TearDown());
    EXPECT_NE(Sh(Fetch("127.0.0.1:8080")).out, "hello\n");
  });
}

TEST(CniPlugins, FailuresAreShownAndUndone) {
  InNewHost([](TestHost& host) {
    Script(host, "good",
           StrCat("echo good $CNI_COMMAND $CNI_IFNAME >>", host.root(),
                  "/log; [ $CNI_COMMAND = DEL ] || echo '", kFakeResult, "'"));
    Script(host, "bad",
           StrCat("echo bad $CNI_COMMAND >>", host.root(),
                  "/log; [ $CNI_COMMAND = DEL ] && exit 0; "
                  "echo '{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"no "
                  "room\",\"details\":\"try later\"}'; exit 1"));
    host.Config("10-n.conflist",
                R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"good"},{"type":"bad"}]})");
    TestPod pod(host, {"default,n"});
    auto started = pod.Start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().Text().find(
                  "plugin bad of network \"n\" (ADD) failed: no room; try later (code 11)"),
              std::string::npos)
        << started.error().Text();
    // Everything that was begun is taken back, last first; DEL may come more than once.
    EXPECT_TRUE(Sh(StrCat("cat ", host.root(), "/log"))
                    .out.starts_with("good ADD eth0\nbad ADD\nbad DEL\ngood DEL eth0\n"));
    EXPECT_EQ(Sh(StrCat("find ", host.paths.leases, " ", host.paths.run, "/pods ",
                        host.paths.results, " -name '1*' -o -type l -o -name 'n-*'"))
                  .out,
              "");
  });
}

TEST(CniPlugins, HostileOutputIsBoundedAndRefused) {
  InNewHost([](TestHost& host) {
    host.Config("10-n.conf", R"({"cniVersion":"1.0.0","name":"n","type":"hostile"})");
    for (const char* body :
         {"[ $CNI_COMMAND = DEL ] && exit 0; exec cat /dev/zero",
          "[ $CNI_COMMAND = DEL ] && exit 0; yes | head -c 30000000 >&2; exit 1", "echo '{'",
          "exit 0", "kill -9 $$",
          "[ $CNI_COMMAND = DEL ] && exit 0; head -c 3000000 /dev/zero | tr '\\0' '['",
          R"(echo '{"cniVersion":"1.0.0","ips":[{"address":"x"}]}')"}) {
      Script(host, "hostile", body);
      TestPod pod(host, {"n"});
      auto started = pod.Start();
      ASSERT_FALSE(started) << body;
      EXPECT_NE(started.error().Text().find("hostile"), std::string::npos)
          << started.error().Text();
      EXPECT_LT(started.error().Text().size(), 10000u);
    }
  });
}

TEST(CniPlugins, GetThePreviousResultTheirCapabilitiesAndTheArguments) {
  InNewHost([](TestHost& host) {
    Script(host, "first",
           StrCat("cat >", host.root(), "/first.$CNI_COMMAND; env | grep ^CNI_ | sort >",
                  host.root(), "/env; echo '", kFakeResult, "'"));
    Script(host, "second",
           StrCat("cat >", host.root(), "/second.$CNI_COMMAND; echo '", kFakeResult, "'"));
    host.Config(
        "10-n.conflist",
        R"({"cniVersion":"0.4.0","cniVersions":["0.4.0","1.0.0","7.0.0"],"name":"n","plugins":[{"type":"first"},
        {"type":"second","capabilities":{"bandwidth":true,"portMappings":true,"ips":true}}]})");
    TestPod pod(host, {"n:IP=10.66.0.2;INGRESS_RATE=1000;INGRESS_BURST=2000"},
                {appc::ForwardedPort{"web", "tcp", 80, 1, 8080, "192.0.2.1"}});
    auto started = pod.Start();
    ASSERT_TRUE(started) << started.error().Text();
    auto file = [&](const char* name) {
      return ReadFile(StrCat(host.root(), "/", name)).value_or("(missing)");
    };
    EXPECT_EQ(file("first.ADD"), R"({"type":"first","name":"n","cniVersion":"1.0.0"})");
    std::string second = file("second.ADD");
    EXPECT_NE(
        second.find(
            R"("portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"192.0.2.1"}])"),
        std::string::npos)
        << second;
    EXPECT_NE(second.find(R"("bandwidth":{"ingressRate":1000,"ingressBurst":2000})"),
              std::string::npos);
    EXPECT_NE(second.find(R"("ips":["10.66.0.2"])"), std::string::npos);
    EXPECT_NE(second.find(R"("prevResult":{"cniVersion":"1.0.0")"), std::string::npos);
    EXPECT_EQ(second.find("capabilities"), std::string::npos);
    std::string env = file("env");
    EXPECT_NE(
        env.find("CNI_ARGS=IP=10.66.0.2;INGRESS_RATE=1000;INGRESS_BURST=2000;IgnoreUnknown=1\n"),
        std::string::npos)
        << env;
    EXPECT_NE(env.find(StrCat("CNI_CONTAINERID=", pod.request.uuid, "\n")), std::string::npos);
    EXPECT_NE(env.find(StrCat("CNI_NETNS=/proc/", ::getpid(), "/fd/")), std::string::npos);
    EXPECT_TRUE(pod.TearDown());
    EXPECT_NE(file("second.DEL").find("prevResult"), std::string::npos);
    // The plugins have gone meanwhile: what they had is given up.
    TestPod later(host, {"n"});
    ASSERT_TRUE(later.Start());
    ASSERT_TRUE(UnlinkAt(AT_FDCWD, StrCat(host.paths.rkt_plugins, "/second")));
    EXPECT_TRUE(later.TearDown());
    EXPECT_EQ(Sh(StrCat("ls ", host.paths.results)).out, "");
  });
}

TEST(CniPlugins, OfVersion11AreToldWhichAttachmentsAreValid) {
  InNewHost([](TestHost& host) {
    Script(host, "newest",
           StrCat("cat >", host.root(), "/$CNI_COMMAND; [ $CNI_COMMAND = ADD ] && echo '",
                  kFakeResult, "'; exit 0"));
    host.Config("10-n.conflist",
                R"({"cniVersion":"1.1.0","name":"n","plugins":[{"type":"newest"}]})");
    TestPod pod(host, {"n"});
    auto started = pod.Start();
    ASSERT_TRUE(started) << started.error().Text();
    InventoryRequest inventory{pod.request.local_config, StrCat(host.root(), "/data"), host.paths};
    auto report = PruneNetworks(inventory);
    ASSERT_TRUE(report);
    for (const Error& problem : report->problems) ADD_FAILURE() << problem.Text();
    EXPECT_NE(ReadFile(StrCat(host.root(), "/GC"))
                  .value_or("")
                  .find(StrCat(R"("cni.dev/valid-attachments":[{"containerID":")", pod.request.uuid,
                               R"(","ifname":"eth0"}])")),
              std::string::npos);
  });
}

TEST(CniPlugins, ThatDoNotSpeakTheVersionSayWhatTheySpeak) {
  if (!HavePlugins()) GTEST_SKIP() << "no CNI plugins in /usr/lib/cni";
  InNewHost([](TestHost& host) {
    Script(host, "old",
           "[ $CNI_COMMAND = VERSION ] && { echo "
           "'{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.1.0\"]}'; exit; }; "
           "echo '{\"code\":1,\"msg\":\"incompatible CNI versions\"}'; exit 1");
    host.Config("10-n.conf", R"({"cniVersion":"1.0.0","name":"n","type":"old"})");
    TestPod pod(host, {"n"});
    auto started = pod.Start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().Text().find("the plugin supports [\"0.1.0\"]"), std::string::npos)
        << started.error().Text();
    host.Config("10-n.conf", R"({"cniVersion":"3.0.0","name":"n","type":"old"})");
    TestPod newer(host, {"n"});
    EXPECT_NE(newer.Start().error().Text().find("field \"cniVersion\""), std::string::npos);
  });
}

}  // namespace
}  // namespace rkt::network
