// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// The metadata service as pods and as those who register them meet it.

#include "functional/harness/network_host.h"

namespace rkt::test {
namespace {

constexpr char kSocket[] = "/run/rkt/metadata-svc.sock";

class MetadataTest : public NetworkHostTest {
 protected:
  void TearDown() override {
    service_.reset();
    NetworkHostTest::TearDown();
  }
  void StartService(const Args& args = {}, const Options& options = {}) {
    service_ = std::make_unique<Background>(StartRkt(Args{"metadata-service"} + args, options));
    for (int i = 0; i < 500 && !Exists(kSocket) && service_->Running(); i++) SleepFor(0.01);
    ASSERT_TRUE(Exists(kSocket)) << service_->err();
  }
  static Output Curl(const Args& args, const std::string& input = "") {
    Options options;
    options.input = input;
    return RunProgram(Args{"/usr/bin/curl", "-s", "--max-time", "10"} + args, options);
  }
  // The status of a request to the registration socket.
  static std::string Registration(const std::string& method, const std::string& target, const std::string& body = "") {
    return Curl({"--unix-socket", kSocket, "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "--data-binary", body,
                 "http://service" + target})
        .out;
  }
  static std::string Status(const std::string& url, const Args& more = {}) {
    return Curl(Args{"-o", "/dev/null", "-w", "%{http_code}"} + more + Args{url}).out;
  }
  // Status and content type, then the body.
  static std::string Get(const std::string& url) {
    return Curl({"-w", "\n%{http_code} %{content_type}", url}).out;
  }
  std::string AnnotatedImage() {
    ImageSpec spec;
    spec.name = "example.com/annotated";
    spec.annotations = R"([{"name": "coreos.com/what/is", "value": "image"}, {"name": "authors", "value": "A <a@b>"}])";
    return WriteImage("annotated.aci", spec);
  }

  static constexpr char kUuid[] = "6cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5";
  static constexpr char kPod[] =
      R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"web","image":{"id":"sha512-)"
      R"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},"annotations":[{"name":"b","value":"pod"}]}],)"
      R"("annotations":[{"name":"example.com/x","value":"1"}]})";
  static constexpr char kImage[] =
      R"({"acVersion":"0.8.11","acKind":"ImageManifest","name":"example.com/i",)"
      R"("annotations":[{"name":"a","value":"image"},{"name":"b","value":"image"}]})";
  std::unique_ptr<Background> service_;
};

class Metadata : public MetadataTest {};
class AnyMetadata : public MetadataTest {};

TEST_F(Metadata, RegistrationAnswersAsDocumented) {
  StartService();
  std::string pod = std::string("/pods/") + kUuid;
  EXPECT_EQ(ModeOf(kSocket), 0600u);
  EXPECT_EQ(Registration("PUT", "/pods/no-uuid?token=t", kPod), "400");
  EXPECT_EQ(Registration("PUT", pod, kPod), "400");
  EXPECT_EQ(Registration("PUT", pod + "?token=a/b", kPod), "400");
  EXPECT_EQ(Registration("PUT", pod + "?token=secret", "{}"), "400");
  EXPECT_EQ(Registration("PUT", pod + "/web", kImage), "404");
  EXPECT_EQ(Registration("DELETE", pod), "404");
  EXPECT_EQ(Registration("PUT", pod + "?token=secret", kPod), "200");
  EXPECT_EQ(Registration("PUT", pod + "/web", "{}"), "400");
  EXPECT_EQ(Registration("PUT", pod + "/other", kImage), "404");
  EXPECT_EQ(Registration("PUT", pod + "/web", kImage), "200");
  EXPECT_EQ(Registration("PUT", "/pods/7cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5?token=secret", kPod), "400");
  EXPECT_EQ(Registration("GET", pod), "404");
  EXPECT_EQ(Status("http://127.0.0.1:18112/secret/acMetadata/v1/pod/uuid"), "200");
  EXPECT_EQ(Registration("DELETE", pod), "200");
  EXPECT_EQ(Status("http://127.0.0.1:18112/secret/acMetadata/v1/pod/uuid"), "401");
  // The log has the requests, and not the secret.
  EXPECT_TRUE(Contains(service_->err(), "GET /secret/acMetadata/v1/pod/uuid - 401\n")) << service_->err();
}

TEST_F(Metadata, PublicEndpointsAnswerAsDocumented) {
  StartService({"--listen-port=18113"});
  std::string pod = std::string("/pods/") + kUuid;
  std::string token = "0123456789abcdef0123456789abcdef";
  ASSERT_EQ(Registration("PUT", pod + "?token=" + token, kPod), "200");
  ASSERT_EQ(Registration("PUT", pod + "/web", kImage), "200");
  std::string base = "http://127.0.0.1:18113/" + token + "/acMetadata/v1";
  const std::string json = "\n200 application/json", text = "\n200 text/plain; charset=us-ascii";
  EXPECT_EQ(Get(base + "/pod/uuid"), kUuid + text);
  EXPECT_EQ(Get(base + "/pod/manifest"), kPod + json);
  EXPECT_EQ(Get(base + "/pod/annotations"), R"([{"name":"example.com/x","value":"1"}])" + json);
  EXPECT_EQ(Get(base + "/pod/annotations/example.com/x"), "1" + text);
  EXPECT_EQ(Get(base + "/pod/annotations/example.com%2Fx"), "1" + text);
  EXPECT_EQ(Status(base + "/pod/annotations/none"), "404");
  EXPECT_EQ(Get(base + "/apps/web/image/manifest"), kImage + json);
  EXPECT_EQ(Get(base + "/apps/web/image/id"), "sha512-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + text);
  EXPECT_EQ(Get(base + "/apps/web/annotations"),
            R"([{"name":"a","value":"image"},{"name":"b","value":"pod"}])" + json);
  EXPECT_EQ(Get(base + "/apps/web/annotations/b"), "pod" + text);
  EXPECT_EQ(Status(base + "/apps/web/annotations/c"), "404");
  EXPECT_EQ(Status(base + "/apps/none/image/id"), "404");
  EXPECT_EQ(Status(base + "/pod/nothing"), "404");
  EXPECT_EQ(Status(base + "/pod/uuid", {"-X", "POST"}), "404");
  EXPECT_EQ(Status("http://127.0.0.1:18113/wrong/acMetadata/v1/pod/uuid"), "401");
  EXPECT_EQ(Status("http://127.0.0.1:18113/wrong/acMetadata/v1/pod/hmac/verify", {"-d", "content=x"}), "401");

  std::string signature = Curl({"--data-urlencode", "content=a b&c", base + "/pod/hmac/sign"}).out;
  EXPECT_EQ(signature.size(), 88u) << signature;
  auto verify = [&](const std::string& uuid, const std::string& content, const std::string& given) {
    return Status(base + "/pod/hmac/verify", {"--data-urlencode", "content=" + content, "-d", "uuid=" + uuid,
                                              "--data-urlencode", "signature=" + given});
  };
  EXPECT_EQ(verify(kUuid, "a b&c", signature), "200");
  EXPECT_EQ(verify(kUuid, "a b&d", signature), "403");
  EXPECT_EQ(verify("7cc46500-a1b8-4dc5-9e7a-1b8b26a0a4c5", "a b&c", signature), "403");
  EXPECT_EQ(verify("nobody", "a b&c", signature), "400");
  EXPECT_EQ(Status(base + "/pod/hmac/sign", {"-d", "other=x"}), "400");
  // A body that curl announces first and sends when it may.
  auto sign = [&](const Args& flags, size_t size) {
    Args all = Args{"-o", "/dev/null", "-w", "%{http_code} %{size_download}", "--data-binary", "@-"} + flags;
    return Curl(all + Args{base + "/pod/hmac/sign"}, "content=" + std::string(size, 'x')).out;
  };
  EXPECT_EQ(sign({"-H", "Expect: 100-continue"}, 300000), "200 88");
  EXPECT_EQ(sign({"-H", "Transfer-Encoding: chunked"}, 300000), "200 88");
  EXPECT_EQ(sign({}, 2000000), "413 0");

  // What it knows and its key outlive it.
  service_->Kill(SIGTERM);
  EXPECT_EQ(service_->Wait().code, 0);
  EXPECT_FALSE(Exists(kSocket));
  StartService({"--listen-port=18113"});
  EXPECT_EQ(Get(base + "/apps/web/annotations/b"), "pod" + text);
  EXPECT_EQ(verify(kUuid, "a b&c", signature), "200");
  Output second = Rkt({"metadata-service"});
  EXPECT_EQ(second.code, 254);
  EXPECT_TRUE(Contains(second.err, "another metadata service is running")) << second.err;
}

TEST_F(Metadata, PodsReachTheirOwnDataAndNobodyElses) {
  StartService();
  RunningPod other = Start(Args{"--net=default", "--mds-register", AnnotatedImage(), "--name=app"} +
                               Script("echo url=$AC_METADATA_URL; sleep 100"),
                           "url=");
  std::string url;
  for (const std::string& line : AppLines(other.rkt->out())) {
    if (StartsWith(line, "url=")) url = line.substr(4);
  }
  ASSERT_TRUE(StartsWith(url, "http://172.16.28.1:18112/")) << url;
  ASSERT_EQ(url.size(), std::string("http://172.16.28.1:18112/").size() + 32);
  // The other pod's token, asked with from here.
  Output mine = RunOk(Args{"--net=default", "--mds-register", AnnotatedImage(), "--name=app",
                           "--user-annotation=example.com/y=2"} +
                      Script("busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/pod/uuid; echo; "
                            "busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/apps/app/annotations/coreos.com/what/is; "
                            "echo; busybox wget -O - " + url + "/acMetadata/v1/pod/uuid 2>&1 | grep -o 'HTTP.*'"));
  std::vector<std::string> lines = AppLines(mine.out);
  ASSERT_EQ(lines.size(), 3u) << mine.All();
  EXPECT_NE(lines[0], other.uuid);
  EXPECT_TRUE(Exists(PodDir(lines[0]))) << lines[0];
  EXPECT_EQ(lines[1], "image");
  EXPECT_EQ(lines[2], "HTTP/1.1 401 Unauthorized");
  // The host is not the pod either.
  EXPECT_EQ(Status(url + "/acMetadata/v1/pod/uuid"), "401");
  // An entered program has the variable.
  EXPECT_EQ(Trim(RktOk({"enter", other.uuid, "/bin/sh", "-c", "busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/pod/uuid"}).out),
            other.uuid);
  // At no other address.
  EXPECT_EQ(Trim(RunProgram({"/bin/sh", "-c", "ss -ltnH sport = :18112 | awk '{print $4}' | sort | tr '\\n' ' '"}).out),
            "127.0.0.1:18112 172.16.28.1:18112");
  RktOk({"stop", other.uuid});
  other.rkt->Wait();
  EXPECT_TRUE(Contains(service_->err(), "DELETE /pods/" + other.uuid + " - 200")) << service_->err();
}

TEST_F(Metadata, WithoutAServiceThePodIsRefusedWithAHint) {
  std::string prepared = Prepare({JudgeAci(), "--exec=/judge", "--", "exit", "0"});
  Output output = Rkt({"run-prepared", "--net=default", "--mds-register", prepared});
  EXPECT_EQ(output.code, 254);
  EXPECT_GE(output.seconds, 2.0);
  EXPECT_TRUE(Contains(output.err, "/run/rkt/metadata-svc.sock")) << output.err;
  EXPECT_TRUE(Contains(output.err, "rkt metadata-service")) << output.err;
  EXPECT_EQ(StateOf(prepared), "prepared");
  Output none = Run({"--net=none", "--mds-register", JudgeAci()});
  EXPECT_EQ(none.code, 254);
  EXPECT_TRUE(Contains(none.err, "--mds-register flag does not work with --net=none")) << none.err;
}

TEST_F(Metadata, KilledPodsAreForgottenByGc) {
  StartService();
  RunningPod pod = Start(Args{"--net=default", "--mds-register", JudgeAci()} + Script("echo up; sleep 100"), "up");
  pod.rkt->Kill(SIGKILL);
  pod.rkt->Wait();
  EXPECT_TRUE(WaitForState(pod.uuid, "exited"));
  EXPECT_EQ(ListDir("/run/rkt/metadata-service/pods").size(), 1u);
  CollectAll();
  EXPECT_EQ(ListDir("/run/rkt/metadata-service/pods").size(), 0u);
}

TEST_F(Metadata, IsReachedOverIPv6) {
  StartService();
  AddNetwork("10-six.conf", R"({"name": "six", "type": "ptp", "ipam": {"type": "host-local",
      "ranges": [[{"subnet": "fd00:48::/64"}]]}})");
  Output output = Rkt(WithConfig(Args{"run", "--net=six", "--mds-register", JudgeAci()} +
                                 Script("echo $AC_METADATA_URL; busybox wget -q -O - "
                                        "$AC_METADATA_URL/acMetadata/v1/pod/uuid")));
  std::vector<std::string> lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 2u) << output.All();
  EXPECT_TRUE(StartsWith(lines[0], "http://[fd00:48::1]:18112/")) << lines[0];
  EXPECT_TRUE(Exists(PodDir(lines[1]))) << lines[1];
}

TEST_F(Metadata, TakesTheSocketOfAServiceManager) {
  const std::string activate = "/usr/bin/systemd-socket-activate";
  REQUIRE_FACILITY("socket-activate", Exists(activate), activate + " is missing");
  Background manager(Args{activate, "-l", kSocket} + RktArgs({"metadata-service"}), {}, dir() + "/manager");
  for (int i = 0; i < 500 && !Exists(kSocket); i++) SleepFor(0.01);
  // The first pod to be registered is what starts the service.
  Output output = RunOk(Args{"--net=default", "--mds-register", JudgeAci()} +
                        Script("busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/pod/uuid"));
  EXPECT_TRUE(Exists(PodDir(AppLines(output.out).at(0)))) << output.All();
  manager.Kill(SIGTERM);
  manager.Wait();
}

// A pod that had the port would get the tokens of all others.
TEST_F(Metadata, ItsPortIsItsAlone) {
  std::string image = WebImage();
  for (const char* port : {"web:18112", "web:192.0.2.5:18112"}) {
    RunningPod pod = StartInNetwork({"--net=default", std::string("--port=") + port, image}, "not the service");
    Output refused = Rkt({"metadata-service"});
    EXPECT_EQ(refused.code, 254);
    EXPECT_TRUE(Contains(refused.err, "the metadata service cannot listen on port 18112: pod " + pod.uuid)) << refused.err;
    EXPECT_FALSE(Exists(kSocket));
    Stop(pod);
  }
  StartService();
  for (const char* port : {"web:18112", "web:192.0.2.5:18112", "web:172.16.28.1:18112"}) {
    Output refused = Run({"--net=default", std::string("--port=") + port, image, "--exec=/judge", "--", "exit", "0"});
    EXPECT_EQ(refused.code, 254);
    EXPECT_TRUE(Contains(refused.err, "port \"web\" cannot be published as 18112/tcp: pods ask the metadata service there"))
        << refused.err;
  }
  EXPECT_EQ(Leases(), "");
  // The same number of the other protocol is another port, and one that nobody has is free.
  RunOk({"--net=default", "--port=dns:18112", "--port=web:18113", image, "--exec=/judge", "--", "exit", "0"});
  service_->Kill(SIGKILL);
  service_->Wait();
  RunOk({"--net=default", "--port=web:18112", image, "--exec=/judge", "--", "exit", "0"});
}

TEST_F(Metadata, ListensWhereItIsToldTo) {
  Shell("ip addr add 192.0.2.5/32 dev lo");
  StartService({"--listen-address=192.0.2.5,::1"});
  ASSERT_EQ(Registration("PUT", std::string("/pods/") + kUuid + "?token=t", kPod), "200");
  EXPECT_EQ(Status("http://192.0.2.5:18112/t/acMetadata/v1/pod/uuid"), "200");
  EXPECT_EQ(Status("http://[::1]:18112/t/acMetadata/v1/pod/uuid", {"-g"}), "200");
  EXPECT_NE(Status("http://127.0.0.2:18112/t/acMetadata/v1/pod/uuid"), "200");
  Shell("ip addr del 192.0.2.5/32 dev lo");
  Output wrong = Rkt({"metadata-service", "--listen-address=nowhere"});
  EXPECT_EQ(wrong.code, 254);
  EXPECT_TRUE(Contains(wrong.err, "\"nowhere\" is not an IP address")) << wrong.err;
}

TEST_F(Metadata, SilentClientsKeepNobodyOut) {
  StartService();
  ASSERT_EQ(Registration("PUT", std::string("/pods/") + kUuid + "?token=t", kPod), "200");
  Background flood({"/bin/bash", "-c", "for i in {1..1000}; do exec {fd}<>/dev/tcp/127.0.0.1/18112; printf 'GET / HTT' >&$fd; "
                    "done; echo full; sleep 100"}, {}, dir() + "/flood");
  ASSERT_TRUE(flood.WaitForText("full"));
  // Another address of the loopback network stands for another pod.
  EXPECT_EQ(Status("http://127.0.0.1:18112/t/acMetadata/v1/pod/uuid", {"--interface", "127.0.0.9"}), "200");
}

TEST_F(AnyMetadata, HostNetworkReachesTheServiceByLoopback) {
  StartService();
  Output output = RunOk(Args{"--net=host", "--mds-register", JudgeAci()} +
                        Script("echo $AC_METADATA_URL; busybox wget -q -O - $AC_METADATA_URL/acMetadata/v1/pod/uuid"));
  std::vector<std::string> lines = AppLines(output.out);
  ASSERT_EQ(lines.size(), 2u) << output.All();
  EXPECT_TRUE(StartsWith(lines[0], "http://127.0.0.1:18112/")) << lines[0];
  EXPECT_TRUE(Exists(PodDir(lines[1]))) << lines[1];
}

}  // namespace
}  // namespace rkt::test
