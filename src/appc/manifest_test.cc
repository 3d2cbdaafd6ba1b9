// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <gtest/gtest.h>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"

namespace rkt::appc {
namespace {

constexpr char kImage[] =
    R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/web",)"
    R"("labels":[{"name":"version","value":"1.0"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}],)"
    R"("app":{"exec":["/bin/web","--a\u003cb"],)"
    R"("eventHandlers":[{"name":"pre-start","exec":["/bin/pre"]}],"user":"0","group":"www",)"
    R"("supplementaryGIDs":[7,8],"workingDirectory":"/srv",)"
    R"("environment":[{"name":"A_b.c-1","value":"x=y"},{"name":"B","value":""}],)"
    R"("mountPoints":[{"name":"data","path":"/data"},{"name":"conf","path":"/conf","readOnly":true}],)"
    R"("ports":[{"name":"http","protocol":"tcp","port":80,"count":1,"socketActivated":false,"x-port":[1]}],)"
    R"("isolators":[{"name":"resource/memory","value":{"limit":"64Mi"}},)"
    R"({"name":"os/unix/sysctl","value":{"a":1.50}}],)"
    R"("userAnnotations":{"a":"1"},"userLabels":{"b":"2"},"x-app":{"deep":[null,true]}},)"
    R"("annotations":[{"name":"created","value":"2016-02-29T10:00:00.5+02:00","x":1},)"
    R"({"name":"homepage","value":"https://example.com/"}],)"
    R"("dependencies":[{"imageName":"example.com/base","imageID":"sha512-abcd",)"
    R"("labels":[{"name":"os","value":"linux"}],"size":12,"x-dep":"y"}],)"
    R"("pathWhitelist":["/a","/b"],"x-top":{"k":"v"}})";

constexpr char kPod[] =
    R"({"acVersion":"2.0.0","acKind":"PodManifest",)"
    R"("apps":[{"name":"web","image":{"name":"example.com/web","id":"sha512-abcd",)"
    R"("labels":[{"name":"os","value":"linux"}]},)"
    R"("app":{"exec":["/bin/web"],"user":"0","group":"0","ports":)"
    R"([{"name":"http","protocol":"tcp","port":80,"count":1,"socketActivated":false}]},)"
    R"("readOnlyRootFS":true,"mounts":[{"volume":"d","path":"/d"},)"
    R"({"volume":"own","path":"/o","appVolume":{"name":"own","kind":"host","source":"/x"}}],)"
    R"("annotations":[{"name":"a","value":"b"}],"x-app":1}],)"
    R"("volumes":[{"name":"d","kind":"host","source":"/srv","readOnly":true,"recursive":false},)"
    R"({"name":"e","kind":"empty","mode":"0700","uid":5,"gid":6}],)"
    R"("isolators":null,"annotations":[{"name":"coreos.com/rkt/stage1/mutable","value":"false"}],)"
    R"("ports":[{"name":"http","hostPort":8080,"hostIP":"127.0.0.1"},)"
    R"({"name":"dns","hostPort":53,"podPort":{"name":"dns","protocol":"udp","port":53,"count":1,)"
    R"("socketActivated":false}}],"userAnnotations":{"a":"1"},"userLabels":{"b":"2"},"x-pod":[]})";

// The message of a manifest that differs from a good one in one place.
std::string Changed(std::string text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  if (text.find("PodManifest") != std::string::npos) {
    auto pod = ParsePodManifest(text);
    return pod ? "accepted" : pod.error().message();
  }
  auto image = ParseImageManifest(text);
  return image ? "accepted" : image.error().message();
}
std::string Image(std::string_view from, std::string_view to) { return Changed(kImage, from, to); }
std::string PodWith(std::string_view from, std::string_view to) { return Changed(kPod, from, to); }

TEST(ImageManifest, IsWrittenBackAsItWasReadUnknownMembersIncluded) {
  auto manifest = ParseImageManifest(kImage);
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(WriteImageManifest(*manifest), kImage);
  auto again = ParseImageManifest(WriteImageManifest(*manifest));
  EXPECT_EQ(*manifest, *again);
}

TEST(ImageManifest, ValuesArriveWhereTheyBelong) {
  auto manifest = ParseImageManifest(kImage);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->version(), "1.0");
  const App& app = *manifest->app;
  EXPECT_EQ(app.exec[1], "--a<b");
  EXPECT_EQ(app.group, "www");
  EXPECT_EQ(app.supplementary_gids, (std::vector<uint32_t>{7, 8}));
  EXPECT_EQ(*FindVariable(app.environment, "A_b.c-1"), "x=y");
  EXPECT_TRUE(app.mount_points[1].read_only);
  EXPECT_EQ(app.ports[0].port, 80u);
  EXPECT_EQ(MemoryLimit(app.isolators), 67108864);
  EXPECT_EQ(manifest->dependencies[0].image_id, "sha512-abcd");
  EXPECT_EQ(manifest->path_whitelist.size(), 2u);
}

TEST(ImageManifest, TheLeastThatIsAllowed) {
  auto manifest =
      ParseImageManifest(R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"a"})");
  ASSERT_TRUE(manifest);
  EXPECT_FALSE(manifest->app);
  manifest = ParseImageManifest(
      R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"a","labels":null,)"
      R"("app":{"exec":null,"user":"0","group":"0","ports":[{"name":"p","port":1}]}})");
  ASSERT_TRUE(manifest);
  EXPECT_TRUE(manifest->app->exec.empty());
  EXPECT_EQ(manifest->app->ports[0].count, 1u);
}

TEST(ImageManifest, ErrorsNameLineColumnFieldAndRule) {
  auto manifest = ParseImageManifest(
      "{\n  \"acKind\": \"ImageManifest\",\n  \"acVersion\": \"0.8.11\",\n  \"name\": \"a\",\n"
      "  \"app\": {\"user\": \"0\", \"group\": \"0\",\n    \"ports\": [{\"name\": \"http\", "
      "\"port\": 70000}]}\n}");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), Code::kInvalid);
  EXPECT_EQ(manifest.error().message(),
            "line 6, column 40: app.ports[0].port: must be between 1 and 65535");
  manifest = ParseImageManifest("{\"acKind\":\"ImageManifest\",}");
  ASSERT_FALSE(manifest);
  EXPECT_TRUE(manifest.error().message().starts_with("Error at line 1, column 27\n"));
  manifest = ParseImageManifest("[]");
  EXPECT_EQ(manifest.error().message(), "line 1, column 1: manifest: must be an object");
}

TEST(ImageManifest, EveryRuleIsHeldAndNamed) {
  struct Case {
    const char* from;
    const char* to;
    const char* field;
  };
  for (const Case& c : {
           Case{"\"ImageManifest\"", "\"Image\"", ": acKind: must be"},
           {"\"acKind\":\"ImageManifest\",", "", ": acKind: is missing"},
           {"0.8.11", "0.0.0", ": acVersion: must not"},
           {"0.8.11", "1.x", ": acVersion: must be"},
           {"example.com/web", "Example.com/web", ": name: may have only"},
           {"example.com/web", "/web", ": name: must begin"},
           {"\"name\":\"version\"", "\"name\":\"os\"", ": labels[1]: duplicate label"},
           {"\"name\":\"version\"", "\"name\":\"name\"", ": labels[0]: \"name\" cannot"},
           {"\"linux\"", "\"plan9\"", ": labels: unknown os"},
           {"\"amd64\"", "\"arm\"", ": labels: unknown arch"},
           {"[\"/bin/web\",", "[5,", ": app.exec[0]: must be a string"},
           {"/bin/web", "a\\u0000b", ": app.exec[0]: must not contain NUL"},
           {"\"user\":\"0\"", "\"user\":\"\"", ": app.user: must not be empty"},
           {"\"group\":\"www\",", "", ": app.group: is missing"},
           {"pre-start", "pre-stop", ": app.eventHandlers[0].name: must be pre-start"},
           {"[7,8]", "[7,-8]", ": app.supplementaryGIDs[1]: must be"},
           {"[7,8]", "[7,4294967295]", ": app.supplementaryGIDs[1]: must be"},
           {"\"/srv\"", "\"srv\"", ": app.workingDirectory: must be an absolute path"},
           {"A_b.c-1", "1A", ": app.environment[0].name: must be"},
           {"\"name\":\"B\"", "\"name\":\"A_b.c-1\"",
            ": app.environment[1]: duplicate environment"},
           {"\"name\":\"conf\"", "\"name\":\"Conf\"", ": app.mountPoints[1].name: may have"},
           {"\"port\":80", "\"port\":0", ": app.ports[0].port: must be between"},
           {"\"port\":80", "\"port\":80.0", ": app.ports[0].port: must be between"},
           {"\"port\":80,\"count\":1", "\"port\":65535,\"count\":2",
            ": app.ports[0].port: port and count"},
           {"\"64Mi\"", "\"64Qi\"", ": app.isolators[0].value: limit: invalid quantity"},
           {"os/unix/sysctl", "OS", ": app.isolators[1].name: may have"},
           {"{\"a\":\"1\"}", "{\"a\":1}", ": app.userAnnotations.a: must be a string"},
           {"2016-02-29T", "2016-02-29 ", ": annotations[0].value: must be a date"},
           {"https://example.com/", "ftp://example.com/",
            ": annotations[1].value: must be an http"},
           {"\"name\":\"homepage\"", "\"name\":\"created\"",
            ": annotations[1]: duplicate annotation"},
           {"sha512-abcd", "sha512-../x", ": dependencies[0].imageID: must be"},
           {"\"imageName\":\"example.com/base\",", "", ": dependencies[0].imageName: is missing"},
           {"\"size\":12", "\"size\":-1", ": dependencies[0].size: must be"},
           {"[\"/a\",\"/b\"]", "\"/a\"", ": pathWhitelist: must be an array"},
       }) {
    std::string message = Image(c.from, c.to);
    EXPECT_NE(message.find(c.field), std::string::npos)
        << c.from << " -> " << c.to << ": " << message;
    EXPECT_TRUE(message.starts_with("line 1, column ")) << message;
  }
}

TEST(ImageManifest, NamesOfTheDocumentCannotForgeOrFloodAMessage) {
  std::string key = "x\\n\\u001b[2J" + std::string(100000, 'y');
  std::string message = Image("{\"a\":\"1\"}", "{\"" + key + "\":1}");
  EXPECT_LT(message.size(), 300u);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(ImageManifest, MayBeNoLongerThanTheLimit) {
  std::string text = kImage + std::string(kMaxManifestSize, ' ');
  EXPECT_FALSE(ParseImageManifest(text));
}

TEST(PodManifest, IsWrittenBackAsItWasReadUnknownMembersIncluded) {
  auto manifest = ParsePodManifest(kPod);
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(WritePodManifest(*manifest), kPod);
  EXPECT_FALSE(manifest->IsMutable());
  EXPECT_EQ(manifest->FindVolume("e")->ModeBits(), 0700u);
  EXPECT_EQ(manifest->FindApp("web")->mounts[1].app_volume->source, "/x");
  EXPECT_EQ(manifest->FindApp("db"), nullptr);
}

TEST(PodManifest, EmptyListsAreWrittenAsTheOriginalDid) {
  PodManifest manifest;
  manifest.ac_version = "2.0.0";
  EXPECT_EQ(WritePodManifest(manifest),
            R"({"acVersion":"2.0.0","acKind":"PodManifest","apps":[],"volumes":null,)"
            R"("isolators":null,"annotations":null,"ports":[]})");
}

TEST(PodManifest, EveryRuleIsHeldAndNamed) {
  struct Case {
    const char* from;
    const char* to;
    const char* field;
  };
  for (const Case& c : {
           Case{"\"apps\":[{\"name\":\"web\"", "\"apps\":[{\"name\":\"Web\"",
                ": apps[0].name: may have"},
           {"sha512-abcd", "sha512-zz", ": apps[0].image.id: must be"},
           {"{\"name\":\"e\",\"kind\"", "{\"name\":\"d\",\"kind\"",
            ": volumes[1]: duplicate volume name \"d\""},
           {"\"source\":\"/srv\"", "\"source\":\"srv\"", ": volumes[0]: source of a host volume"},
           {"\"kind\":\"empty\"", "\"kind\":\"tmpfs\"", ": volumes[1].kind: must be"},
           {"\"kind\":\"empty\"", "\"kind\":\"empty\",\"source\":\"/x\"",
            ": volumes[1]: an empty volume"},
           {"\"recursive\":false", "\"recursive\":false,\"uid\":1",
            ": volumes[0]: a host volume cannot"},
           {"\"0700\"", "\"rwx\"", ": volumes[1]: mode of a volume"},
           {"\"0700\"", "\"77777\"", ": volumes[1]: mode of a volume"},
           {"\"uid\":5", "\"uid\":4294967295", ": volumes[1].uid: must be"},
           {"\"hostPort\":8080", "\"hostPort\":65536", ": ports[0].hostPort: must be"},
           {"127.0.0.1", "127.0.0.256", ": ports[0].hostIP: must be an IP"},
           {"\"hostIP\":\"127.0.0.1\"", "\"hostIP\":\"\"", "accepted"},
           {"\"kind\":\"host\",\"source\":\"/x\"", "\"kind\":\"host\"",
            ": apps[0].mounts[1].appVolume: source of"},
           {"\"image\":", "\"picture\":", ": apps[0].image: is missing"},
       }) {
    std::string message = PodWith(c.from, c.to);
    EXPECT_NE(message.find(c.field), std::string::npos)
        << c.from << " -> " << c.to << ": " << message;
  }
  std::string twice = kPod;
  twice.replace(twice.find("],\"volumes\""), 1,
                ",{\"name\":\"web\",\"image\":{\"id\":\"sha512-ab\"}}]");
  auto manifest = ParsePodManifest(twice);
  ASSERT_FALSE(manifest);
  EXPECT_NE(manifest.error().message().find("apps[1]: duplicate app name \"web\""),
            std::string::npos);
}

TEST(PodManifest, PortsAreResolvedByNameOrByTheirOwnPodPort) {
  auto manifest = ParsePodManifest(kPod);
  ASSERT_TRUE(manifest);
  auto ports = ResolvePorts(*manifest);
  ASSERT_TRUE(ports) << ports.error().message();
  ASSERT_EQ(ports->size(), 2u);
  EXPECT_EQ((*ports)[0].pod_port, 80u);
  EXPECT_EQ((*ports)[0].host_ip, "127.0.0.1");
  EXPECT_EQ((*ports)[1].protocol, "udp");

  manifest->ports[0].name = "https";
  EXPECT_FALSE(ResolvePorts(*manifest));
  manifest->ports[0].name = "http";
  manifest->apps.push_back(manifest->apps[0]);
  EXPECT_FALSE(ResolvePorts(*manifest));  // two apps have it
}

TEST(PodManifest, PortsThatWantTheSameHostPortConflict) {
  auto manifest = ParsePodManifest(kPod);
  ASSERT_TRUE(manifest);
  auto with = [&](const char* protocol, uint32_t host_port, const char* ip) {
    PodManifest copy = *manifest;
    copy.ports[1].pod_port->protocol = protocol;
    copy.ports[1].host_port = host_port;
    copy.ports[1].host_ip = ip;
    return ResolvePorts(copy).has_value();
  };
  EXPECT_FALSE(with("tcp", 8080, "127.0.0.1"));
  EXPECT_FALSE(with("tcp", 8080, "0.0.0.0"));
  EXPECT_FALSE(with("tcp", 8080, ""));
  EXPECT_TRUE(with("tcp", 8080, "127.0.0.2"));
  EXPECT_TRUE(with("udp", 8080, "127.0.0.1"));
  EXPECT_TRUE(with("tcp", 8081, "127.0.0.1"));
  EXPECT_FALSE(with("tcp", 0, "127.0.0.1"));
}

// Replays mutations of good manifests: whatever comes in, either an error or a manifest that reads
// the same again.
TEST(Manifests, EveryChangedByteGivesAnErrorOrAStableManifest) {
  for (std::string_view good : {std::string_view(kImage), std::string_view(kPod)}) {
    for (size_t i = 0; i < good.size(); ++i) {
      for (char c : {'\0', '"', '{', ']', ',', '0', '-', '/', 'A', '\x80', '\n', '\\'}) {
        std::string text(good);
        text[i] = c;
        if (auto image = ParseImageManifest(text)) {
          std::string written = WriteImageManifest(*image);
          auto again = ParseImageManifest(written);
          ASSERT_TRUE(again) << text;
          ASSERT_EQ(WriteImageManifest(*again), written);
        }
        if (auto pod = ParsePodManifest(text)) {
          std::string written = WritePodManifest(*pod);
          auto again = ParsePodManifest(written);
          ASSERT_TRUE(again) << text;
          ASSERT_EQ(WritePodManifest(*again), written);
        }
      }
    }
  }
}

TEST(Manifests, ManyUnknownMembersAreWrittenInLinearTime) {
  std::string many = "{\"k\":0";
  for (int i = 0; i < 100000; ++i) many += StrCat(",\"", i, "\":0");
  std::string text = kImage;
  size_t at = text.find("\"x-app\":");
  text.insert(at, many.substr(1) + ",");
  auto manifest = ParseImageManifest(text);
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(manifest->app->unknown.size(), 100002u);
  EXPECT_EQ(WriteImageManifest(*manifest), text);
}

TEST(Manifests, HostileDocumentsAreRefused) {
  std::string deep =
      "{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a\",\"x\":" +
      std::string(1 << 20, '[');
  EXPECT_FALSE(ParseImageManifest(deep));
  EXPECT_NE(Image("{\"k\":\"v\"}", "1e99999"), "accepted");
  EXPECT_NE(Image("\"x-top\"", "\"name\""), "accepted");
  EXPECT_NE(Image("{\"k\":\"v\"}", std::string("1\0", 2)), "accepted");
  EXPECT_NE(Image("/srv", "/s\xff"), "accepted");
  std::string many = "[\"a\"";
  for (int i = 0; i < 400000; ++i) many += ",\"\"";
  EXPECT_NE(Image("[\"/a\",\"/b\"]", many + "]"), "accepted");
}

}  // namespace
}  // namespace rkt::appc
