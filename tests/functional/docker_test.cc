// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Images of registries: a registry of our own that behaves, one that does not, and Debian's.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "functional/harness/pod_test.h"
#include "servers/registry.h"

namespace rkt::test {
namespace {

// A layer with busybox and what the shell needs.
std::string BaseLayer() {
  Tar tar;
  tar.Dir("bin");
  tar.HostFile("bin/busybox", RKT_BUSYBOX);
  for (const char* name : {"sh", "ls", "cat", "id", "true", "stat", "echo", "env", "pwd"}) {
    tar.Symlink(std::string("bin/") + name, "busybox");
  }
  tar.Dir("etc").File("etc/passwd", "root:x:0:0:root:/:/bin/sh\n").File("etc/group", "root:x:0:\n");
  tar.File("etc/low", "low\n").Dir("opt").File("opt/old", "old\n").Dir("tmp", 01777);
  return tar.Finish();
}
std::string FileLayer(const std::string& name, const std::string& content) {
  return Tar().File(name, content).Finish();
}
std::string Shell(const std::string& script) {
  return R"("Entrypoint":["/bin/sh","-c"],"Cmd":[)" + JsonQuote(script) + "]";
}

class Docker : public PodTest {
 protected:
  void SetUp() override {
    PodTest::SetUp();
    insecure_ = "image,http";
  }
  std::string Url(const std::string& image) const { return "docker://" + registry_.host() + "/" + image; }
  void WriteAuth(const std::string& host, const std::string& user, const std::string& password) {
    MakeDirs(dir() + "/config-local/auth.d");
    WriteFile(dir() + "/config-local/auth.d/" + std::to_string(++files_) + ".json",
              R"({"rktKind":"dockerAuth","rktVersion":"v1","registries":[)" + JsonQuote(host) +
                  R"(],"credentials":{"user":)" + JsonQuote(user) + R"(,"password":)" + JsonQuote(password) + "}}");
  }
  void ExpectRefused(const std::string& image, const std::string& text, double timeout = 60) {
    Output output = Rkt({"fetch", Url(image)}, {.timeout = timeout});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
    RktOk({"image", "gc"});
    EXPECT_TRUE(ListDir(data() + "/cas/layer").empty());
    EXPECT_TRUE(ListDir(data() + "/cas/layertree").empty());
  }
  // The digest of the only layer of an image with one.
  static std::string LayerOf(const OciImage& image) { return Digest(image.layers[0]); }

  Registry registry_;
  int files_ = 0;
};

TEST_F(Docker, ImageIsFetchedConvertedAndRun) {
  OciImage image;
  image.layers = {BaseLayer(), FileLayer("app/hello", "hello\n")};
  image.config = Shell("cat /app/hello; pwd; echo $COLOR") +
                 R"(,"User":"0:0","Env":["COLOR=red","broken","PATH=/bin"],"WorkingDir":"/tmp",)"
                 R"("ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/data":{},"/srv/x":{}},)"
                 R"("Labels":{"org.example.k":"v"},"StopSignal":"SIGQUIT")";
  image.more = R"("created":"2020-01-02T03:04:05Z","author":"Somebody",)";
  image.compression = "gzip -1";
  image.docker = true;
  std::string digest = registry_.Push("lib/img:v1", image);
  Output output = RunOk({Url("lib/img:v1")});
  EXPECT_EQ(AppLines(output.out), (std::vector<std::string>{"hello", "/tmp", "red"}));

  std::string name = "127.0.0.1_" + std::to_string(registry_.server().port()) + "/lib/img";
  std::string manifest = RktOk({"image", "cat-manifest", "--pretty-print=false", name}).out;
  for (const std::string& part :
       {std::string(R"("labels":[{"name":"arch","value":"amd64"},{"name":"os","value":"linux"},{"name":"version","value":"v1"}])"),
        std::string(R"({"name":"COLOR","value":"red"})"), std::string(R"("name":"80-tcp","protocol":"tcp","port":80)"),
        std::string(R"({"name":"volume-data","path":"/data"})"), std::string(R"({"name":"created","value":"2020-01-02T03:04:05Z"})"),
        std::string(R"({"name":"author","value":"Somebody"})"),
        R"({"name":"appc.io/docker/registryurl","value":")" + registry_.host() + "\"}",
        std::string(R"({"name":"appc.io/docker/repository","value":"lib/img"})"),
        R"({"name":"appc.io/docker/manifesthash","value":")" + digest + "\"}",
        std::string(R"({"name":"appc.io/docker/entrypoint","value":"[\"/bin/sh\",\"-c\"]"})"),
        std::string(R"("userLabels":{"org.example.k":"v"})")}) {
    EXPECT_TRUE(Contains(manifest, part)) << part << "\n" << manifest;
  }
  EXPECT_FALSE(Contains(manifest, "broken"));
}

TEST_F(Docker, LayersAreFetchedAndKeptOnce) {
  std::string base = BaseLayer();
  OciImage image;
  image.layers = {base, FileLayer("version", "1\n")};
  image.config = Shell("cat /version");
  registry_.Push("app:v1", image);
  image.layers[1] = FileLayer("version", "2\n");
  registry_.Push("app:v2", image);
  RktOk({"fetch", Url("app:v1")});
  registry_.server().Forget();
  EXPECT_EQ(Trim(AppText(RunOk({Url("app:v2")}).out)), "2");
  EXPECT_EQ(registry_.server().Count("/blobs/" + Digest(base)), 0) << "the first layer was there";
  EXPECT_EQ(ListDir(data() + "/cas/layer").size(), 3u);
  EXPECT_EQ(ListDir(data() + "/cas/layertree").size(), 3u);
  EXPECT_EQ(Trim(AppText(RunOk({Url("app:v1")}).out)), "1") << "the other image is as it was";
}

TEST_F(Docker, WhiteoutsAndOpaqueDirectoriesHide) {
  OciImage image;
  image.layers = {BaseLayer(), Tar().File("etc/.wh.low", "").File("opt/.wh..wh..opq", "").File("opt/new", "n").Finish()};
  image.config = Shell("ls /opt; test -e /etc/low || echo gone; stat -c %a /tmp");
  registry_.Push("wh:latest", image);
  for (const char* overlay : {"--no-overlay=false", "--no-overlay"}) {
    EXPECT_EQ(AppLines(RunOk({overlay, Url("wh")}).out), (std::vector<std::string>{"new", "gone", "1777"})) << overlay;
  }
}

TEST_F(Docker, ExportGivesOneAciThatRunsElsewhere) {
  OciImage image;
  image.layers = {BaseLayer(), Tar().File("etc/.wh.low", "").File("out", "exported\n").Finish()};
  image.config = Shell("cat /out; test -e /etc/low || echo gone");
  registry_.Push("ex:1", image);
  RktOk({"fetch", Url("ex:1")});
  std::string name = "127.0.0.1_" + std::to_string(registry_.server().port()) + "/ex";
  RktOk({"image", "export", name, dir() + "/out.aci"});
  EXPECT_TRUE(Contains(RktOk({"image", "verify", name}).out, "successfully verified checksum"));
  RktOk({"image", "rm", name});
  RktOk({"image", "gc", "--grace-period=0s"});
  EXPECT_TRUE(ListDir(data() + "/cas/layer").empty());
  EXPECT_TRUE(ListDir(data() + "/cas/layertree").empty());
  EXPECT_EQ(AppLines(RunOk({dir() + "/out.aci"}).out), (std::vector<std::string>{"exported", "gone"}));
}

TEST_F(Docker, NeedsTheInsecureOption) {
  insecure_ = "http";
  Output output = Rkt({"fetch", Url("any:1")});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "signature verification for docker images is not supported (try --insecure-options=image)"))
      << output.err;
  EXPECT_TRUE(registry_.server().requests().empty());
}

TEST_F(Docker, PlainHttpIsSpokenOnlyWhereAllowed) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  insecure_ = "image";
  EXPECT_EQ(Rkt({"fetch", Url("a:1")}).code, 254);
  EXPECT_TRUE(registry_.server().requests().empty());
  MakeDirs(dir() + "/config-local/registry.d");
  WriteFile(dir() + "/config-local/registry.d/a.json",
            R"({"rktKind":"registry","rktVersion":"v1","registries":["example.com"],"endpoint":"http://)" +
                registry_.host() + "\"}");
  RktOk({"fetch", "docker://example.com/a:1"});
  EXPECT_TRUE(Contains(RktOk({"image", "list", "--no-legend"}).out, "example.com/a:1"));
}

TEST_F(Docker, MirrorsAreAskedFirstAndGetNoCredentials) {
  Registry mirror;
  OciImage image;
  image.layers = {BaseLayer()};
  mirror.Push("a:1", image);
  registry_.Push("a:1", image);
  registry_.Push("b:1", image);
  registry_.basic = "user:secret";
  MakeDirs(dir() + "/config-local/registry.d");
  WriteFile(dir() + "/config-local/registry.d/a.json",
            R"({"rktKind":"registry","rktVersion":"v1","registries":[")" + registry_.host() + R"("],"mirrors":["http://)" +
                mirror.host() + "\"]}");
  WriteAuth(registry_.host(), "user", "secret");
  RktOk({"fetch", Url("a:1")});
  EXPECT_TRUE(registry_.server().requests().empty());
  RktOk({"fetch", Url("b:1")});
  EXPECT_GT(registry_.server().Count("/b/"), 0) << "what the mirror has not comes from the registry";
  for (const HttpRequest& request : mirror.server().requests()) EXPECT_EQ(request.Header("authorization"), "");
}

TEST_F(Docker, PullPoliciesDecideWhoIsAsked) {
  OciImage image;
  image.layers = {BaseLayer()};
  std::string digest = registry_.Push("a:1", image);
  EXPECT_EQ(Rkt({"fetch", "--pull-policy=never", Url("a:1")}).code, 254);
  EXPECT_TRUE(registry_.server().requests().empty());
  RktOk({"fetch", Url("a:1")});
  registry_.server().Forget();
  RktOk({"fetch", "--pull-policy=new", Url("a:1")});
  RktOk({"fetch", "--pull-policy=never", Url("a@" + digest)});
  EXPECT_TRUE(registry_.server().requests().empty());
  RktOk({"fetch", Url("a:1")});
  EXPECT_EQ(registry_.server().Count("/manifests/"), 1);
}

TEST_F(Docker, ManifestsOfSchema1AreRead) {
  std::string low = BaseLayer(), top = FileLayer("hello", "old\n");
  std::string low_digest = registry_.PutBlob(low), top_digest = registry_.PutBlob(top);
  auto history = [](const std::string& text) { return "{\"v1Compatibility\":" + JsonQuote(text) + "}"; };
  auto manifest = [&](const std::string& name) {
    return "{\"schemaVersion\":1,\"name\":\"" + name + "\",\"tag\":\"1\",\"architecture\":\"amd64\",\"fsLayers\":[{\"blobSum\":\"" +
           top_digest + "\"},{\"blobSum\":\"" + low_digest + "\"}],\"history\":[" +
           history(R"({"id":"aaaa","parent":"bbbb","author":"Old","os":"linux","architecture":"amd64","config":{"Labels":{"k":"v"},)" +
                   Shell("cat /hello") + "}}") +
           "," + history(R"({"id":"bbbb"})") + "],\"signatures\":[]}";
  };
  const char* type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  registry_.PutManifest("old:1", type, manifest("old"));
  EXPECT_EQ(Trim(AppText(RunOk({Url("old:1")}).out)), "old");
  std::string name = "127.0.0.1_" + std::to_string(registry_.server().port()) + "/old";
  std::string converted = RktOk({"image", "cat-manifest", "--pretty-print=false", name}).out;
  for (const char* part : {R"({"name":"appc.io/docker/parentimageid","value":"bbbb"})",
                           R"({"name":"appc.io/docker/tag","value":"1"})", R"({"name":"authors","value":"Old"})",
                           R"("userLabels":{"k":"v"})"}) {
    EXPECT_TRUE(Contains(converted, part)) << part << "\n" << converted;
  }
  registry_.PutManifest("other:1", type, manifest("old"));
  Output output = Rkt({"fetch", Url("other:1")});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "the manifest of \"old\"")) << output.err;
}

// A registry that speaks docker's first protocol: what it answers, by path.
struct OldRegistry {
  std::map<std::string, std::string> answers;
  std::string credentials;  // "user:password"
  bool second_too = false;  // speaks the second protocol too, and has nothing there
  HttpServer server{[this](const HttpRequest& request, Reply& reply) {
    if (second_too && request.target == "/v2/") return reply.Send(200, {}, "{}");
    auto found = answers.find(request.target);
    if (found == answers.end()) return reply.Send(404, {}, "");
    if (EndsWith(request.target, "/images")) {
      bool good = credentials.empty() || request.Header("authorization") == "Basic " + Base64(credentials);
      if (!good || request.Header("x-docker-token") != "true") return reply.Send(401, {}, "");
      return reply.Send(200, {"X-Docker-Token: signature=abc,repository=\"a/b\",access=read"}, found->second);
    }
    bool known = request.Header("authorization") == "Token signature=abc,repository=\"a/b\",access=read";
    if (request.target != "/v1/_ping" && !known) return reply.Send(401, {}, "");
    reply.Send(200, {}, found->second);
  }};
};

TEST_F(Docker, ImagesOfOldRegistriesAreRead) {
  OldRegistry old;
  const std::string url = "docker://" + old.server.host() + "/a/b";
  old.answers = {{"/v1/_ping", "true"},
                 {"/v1/repositories/a/b/images", "[]"},
                 {"/v1/repositories/a/b/tags", R"({"latest":"aaaa","2":"aaaa"})"},
                 {"/v1/images/aaaa/ancestry", R"(["aaaa","bbbb"])"},
                 {"/v1/images/aaaa/json", R"({"id":"aaaa","parent":"bbbb","author":"Old","os":"linux","architecture":"amd64","config":{)" +
                                              Shell("cat /hello /etc/low") + "}}"},
                 {"/v1/images/aaaa/layer", FileLayer("hello", "old\n")},
                 {"/v1/images/bbbb/layer", RunProgram({"gzip", "-1"}, {.input = BaseLayer()}).out}};
  EXPECT_EQ(Trim(AppText(RunOk({url}).out)), "old\nlow");
  std::string name = "127.0.0.1_" + std::to_string(old.server.port()) + "/a/b";
  std::string converted = RktOk({"image", "cat-manifest", "--pretty-print=false", name}).out;
  for (const char* part : {R"({"name":"appc.io/docker/parentimageid","value":"bbbb"})",
                           R"({"name":"appc.io/docker/imageid","value":"aaaa"})", R"({"name":"authors","value":"Old"})"}) {
    EXPECT_TRUE(Contains(converted, part)) << part << "\n" << converted;
  }
  // A registry of the second protocol that does not have the image is asked for it by the first one.
  old.second_too = true;
  old.server.Forget();
  RktOk({"fetch", url + ":2"});
  EXPECT_EQ(old.server.Count("/v2/a/b/manifests/2"), 1);
  EXPECT_EQ(old.server.Count("/v1/_ping"), 1);
  // Nothing can be checked against a digest.
  old.server.Forget();
  Output output = Rkt({"fetch", url + "@sha256:" + std::string(64, 'a')});
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(old.server.Count("/v1/"), 0);

  old.credentials = "user:secret";
  EXPECT_EQ(Rkt({"fetch", url}).code, 254);
  WriteAuth(old.server.host(), "user", "secret");
  RktOk({"fetch", url});
}

TEST_F(Docker, OldRegistriesThatLieAreRefused) {
  OldRegistry old;
  const std::map<std::string, std::string> good = {{"/v1/_ping", "true"},
                                                   {"/v1/repositories/a/b/images", "[]"},
                                                   {"/v1/repositories/a/b/tags", R"({"latest":"aaaa"})"},
                                                   {"/v1/images/aaaa/ancestry", R"(["aaaa"])"},
                                                   {"/v1/images/aaaa/json", R"({"id":"aaaa"})"},
                                                   {"/v1/images/aaaa/layer", BaseLayer()}};
  auto refused = [&](const std::string& path, const std::string& answer, const std::string& text) {
    old.answers = good;
    old.answers[path] = answer;
    Output output = Rkt({"fetch", "docker://" + old.server.host() + "/a/b"});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  };
  refused("/v1/repositories/a/b/tags", R"({"latest":"../../v1/x"})", "malformed id of an image: \"../../v1/x\"");
  refused("/v1/repositories/a/b/tags", R"({"other":"aaaa"})", "has no tag \"latest\"");
  refused("/v1/images/aaaa/ancestry", R"(["aaaa","b/../c"])", "malformed id of an image");
  refused("/v1/images/aaaa/ancestry", R"(["aaaa","bbbb","aaaa"])", "image aaaa is its own ancestor");
  refused("/v1/images/aaaa/ancestry", R"(["bbbb"])", "does not begin with it");
  std::string many = "[\"aaaa\"";
  for (int i = 0; i < 5000; ++i) many += ",\"b" + std::to_string(i) + "\"";
  refused("/v1/images/aaaa/ancestry", many + "]", "is no list of at most");
  refused("/v1/images/aaaa/json", std::string(1000000, '['), "levels deep");
  refused("/v1/images/aaaa/layer", "no archive", "");
}

TEST_F(Docker, TheImageOfThisMachinesArchitectureIsChosen) {
  OciImage image;
  image.layers = {BaseLayer()};
  image.config = Shell("echo right");
  BuiltImage right = Build(image);
  for (auto& [digest, bytes] : right.blobs) registry_.PutBlob(bytes);
  registry_.PutManifest(right.manifest_digest, right.manifest_type, right.manifest);
  auto entry = [](const BuiltImage& built, const std::string& arch) {
    return "{\"mediaType\":\"" + built.manifest_type + "\",\"digest\":\"" + built.manifest_digest + "\",\"size\":" +
           std::to_string(built.manifest.size()) + ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" + arch + "\"}}";
  };
  image.architecture = "s390x";
  image.config = Shell("echo wrong");
  BuiltImage wrong = Build(image);
  const char* type = "application/vnd.oci.image.index.v1+json";
  auto index = [&](const std::string& entries) {
    return std::string("{\"schemaVersion\":2,\"mediaType\":\"") + type + "\",\"manifests\":[" + entries + "]}";
  };
  registry_.PutManifest("multi:1", type, index(entry(wrong, "s390x") + "," + entry(right, "amd64")));
  EXPECT_EQ(Trim(AppText(RunOk({Url("multi:1")}).out)), "right");
  registry_.PutManifest("none:1", type, index(entry(wrong, "s390x")));
  Output output = Rkt({"fetch", Url("none:1")});
  EXPECT_TRUE(Contains(output.err, "not made for linux/amd64, only for linux/s390x")) << output.err;

  // One index in another is fine; a tower of them is not.
  std::string inner = index(entry(right, "amd64"));
  for (int level = 0; level < 8; ++level) {
    BuiltImage as;
    as.manifest = inner;
    as.manifest_digest = registry_.PutManifest("nested:" + std::to_string(level), type, inner);
    as.manifest_type = type;
    inner = index(entry(as, "amd64"));
  }
  RktOk({"fetch", Url("nested:1")});
  output = Rkt({"fetch", Url("nested:7")});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "nested deeper")) << output.err;
}

// --- who we are

TEST_F(Docker, BasicCredentialsComeFromConfigurationAndFilesOfOthers) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.basic = "user:secret";
  Output output = Rkt({"fetch", Url("a:1")});
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "it wants credentials")) << output.err;
  MakeDirs(dir() + "/docker");
  WriteFile(dir() + "/docker/config.json",
            "{\"auths\":{\"" + registry_.host() + "\":{\"auth\":\"" + Base64("user:secret") + "\"}}}");
  RktOk({"fetch", Url("a:1")}, {.env = {"DOCKER_CONFIG=" + dir() + "/docker"}});
  WriteAuth(registry_.host(), "user", "wrong");
  output = Rkt({"fetch", Url("a:1")}, {.env = {"DOCKER_CONFIG=" + dir() + "/docker"}});
  EXPECT_EQ(output.code, 254) << "rkt's own configuration comes first";
  EXPECT_TRUE(Contains(output.err, "the credentials were refused")) << output.err;
  RemoveAll(dir() + "/config-local/auth.d");
  WriteFile(dir() + "/auth.json",
            "{\"auths\":{\"" + registry_.host() + "/a\":{\"auth\":\"" + Base64("user:secret") + "\"}}}");
  RktOk({"fetch", Url("a:1")}, {.env = {"REGISTRY_AUTH_FILE=" + dir() + "/auth.json"}});
}

TEST_F(Docker, CredentialHelpersAreAsked) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.basic = "user:secret";
  MakeDirs(dir() + "/bin");
  auto helper = [&](const std::string& script) {
    WriteFile(dir() + "/bin/docker-credential-safe",
              "#!/bin/sh\ncat > " + dir() + "/asked; echo \"$*\" >> " + dir() + "/asked\n" + script + "\n", 0755);
  };
  const Options options{.env = {"REGISTRY_AUTH_FILE=" + dir() + "/auth.json", "PATH=" + dir() + "/bin:/usr/bin:/bin"}};
  const std::string answer = R"(echo '{"ServerURL":"x","Username":"user","Secret":"secret"}')";
  helper(answer);
  WriteFile(dir() + "/auth.json", "{\"credHelpers\":{\"" + registry_.host() + "\":\"safe\"}}");
  RktOk({"fetch", Url("a:1")}, options);
  EXPECT_EQ(ReadFile(dir() + "/asked"), registry_.host() + "get\n") << "the server on stdin, one argument";
  WriteFile(dir() + "/auth.json", R"({"credsStore":"safe"})");
  RktOk({"fetch", Url("a:1")}, options);
  EXPECT_EQ(ReadFile(dir() + "/asked"), registry_.host() + "get\n");

  // What goes wrong is told, and no secret with it.
  auto refused = [&](const std::string& text) {
    Output output = Rkt({"fetch", Url("a:1")}, options);
    EXPECT_EQ(output.code, 254);
    EXPECT_TRUE(Contains(output.err, text)) << "expected: " << text << "\n" << output.err;
    EXPECT_FALSE(Contains(output.err, "secret")) << output.err;
  };
  helper("echo 'credentials not found in native keychain'; exit 1");
  refused("it wants credentials, and there are none for it\n");
  helper("echo 'the safe is locked'; exit 3");
  refused("docker-credential-safe failed with exit status 3: the safe is locked");
  helper("echo secret");
  refused("docker-credential-safe answers with something that is no JSON object");
  helper(R"(echo '{"Username":"user","Secret":"wrong"}')");
  refused("the credentials were refused");
  WriteFile(dir() + "/auth.json", R"({"credsStore":"gone"})");
  refused("docker-credential-gone is not in PATH");
  WriteFile(dir() + "/auth.json", R"({"credsStore":"../bin/docker-credential-safe"})");
  refused("malformed name of a credential helper");
  // A helper that fails keeps nobody from what is for everybody.
  registry_.basic = "";
  RktOk({"fetch", Url("a:1")}, options);
}

TEST_F(Docker, RefreshTokensAreExchangedAtTheRegistrysRealm) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.realm = "self";
  registry_.refresh_token = "once%2Fmore";  // as it is written in a form
  const Options options{.env = {"REGISTRY_AUTH_FILE=" + dir() + "/auth.json", "PATH=" + dir() + "/bin:/usr/bin:/bin"}};
  WriteFile(dir() + "/auth.json",
            "{\"auths\":{\"" + registry_.host() + "\":{\"auth\":\"" + Base64("user:") + R"(","identitytoken":"once/more"}}})");
  RktOk({"fetch", Url("a:1")}, options);
  for (const HttpRequest& request : registry_.server().requests()) {
    EXPECT_FALSE(Contains(request.target, "more")) << "a secret in a URL ends up in logs";
    EXPECT_FALSE(Contains(request.Header("authorization"), "Basic"));
  }
  // From a helper, too.
  MakeDirs(dir() + "/bin");
  WriteFile(dir() + "/bin/docker-credential-safe", "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"once/more\"}'\n", 0755);
  WriteFile(dir() + "/auth.json", R"({"credsStore":"safe"})");
  RktOk({"fetch", Url("a:1")}, options);
  WriteFile(dir() + "/auth.json", "{\"auths\":{\"" + registry_.host() + R"(":{"identitytoken":"old"}}})");
  Output output = Rkt({"fetch", Url("a:1")}, options);
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "the credentials were refused")) << output.err;

  // A realm elsewhere does not get it.
  HttpServer elsewhere([](const HttpRequest&, Reply& reply) { reply.Send(200, {}, R"({"token":"good-token"})"); });
  registry_.realm = "http://" + elsewhere.host() + "/token";
  RktOk({"fetch", Url("a:1")}, options);
  ASSERT_FALSE(elsewhere.requests().empty());
  for (const HttpRequest& request : elsewhere.requests()) EXPECT_EQ(request.method + request.body, "GET");

  // A token that is ready to be used.
  registry_.realm = "self";
  registry_.server().Forget();
  WriteFile(dir() + "/auth.json", "{\"auths\":{\"" + registry_.host() + R"(":{"registrytoken":"good-token"}}})");
  RktOk({"fetch", Url("a:1")}, options);
  EXPECT_EQ(registry_.server().Count("/token"), 0);
}

TEST_F(Docker, ProgressOfLayers) {
  OciImage image;
  image.layers = {BaseLayer(), FileLayer("more", std::string(2000000, 'm'))};
  registry_.Push("a:1", image);
  Output output = RktOk({"fetch", Url("a:1")});
  for (const std::string& layer : image.layers) {
    std::string line = "Downloading " + Digest(layer).substr(0, 18) + " ";
    EXPECT_TRUE(Contains(output.err, line)) << output.err;
  }
  EXPECT_TRUE(Contains(output.err, " 2 MB / 2 MB\n")) << output.err;
  EXPECT_FALSE(Contains(output.err, "[")) << output.err;
  EXPECT_EQ(RktOk({"fetch", Url("a:1")}).err, "") << "nothing was downloaded";

  registry_.Push("b:1", {.layers = {BaseLayer(), FileLayer("more", std::string(2000000, 'n'))}});
  registry_.hook = [&](const HttpRequest& request, Reply&) {
    if (Contains(request.target, "/blobs/")) usleep(700000);
    return false;
  };
  Terminal terminal(RktArgs({"fetch", Url("b:1")}), {});
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
  EXPECT_TRUE(Contains(terminal.screen(), "=] 2 MB / 2 MB")) << terminal.screen();
}

TEST_F(Docker, ATokenIsFetchedWhereTheRegistryWantsOne) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.realm = "self";
  registry_.token_credentials = "user:secret";
  Output output = Rkt({"fetch", Url("a:1")});
  EXPECT_TRUE(Contains(output.err, "it wants credentials")) << output.err;
  WriteAuth(registry_.host(), "user", "secret");
  RktOk({"fetch", Url("a:1")});
  bool bearer = false;
  for (const HttpRequest& request : registry_.server().requests()) {
    bearer = bearer || request.Header("authorization") == "Bearer good-token";
    if (Contains(request.target, "/token")) {
      EXPECT_TRUE(Contains(request.target, "service=test")) << request.target;
      EXPECT_TRUE(Contains(request.target, "scope=repository%3Ax%3Apull")) << request.target;
    }
  }
  EXPECT_TRUE(bearer);
}

TEST_F(Docker, ARealmElsewhereGetsNoCredentialsOfTheRegistry) {
  HttpServer realm([](const HttpRequest&, Reply& reply) { reply.Send(200, {}, R"({"token":"good-token"})"); });
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.realm = "http://" + realm.host() + "/token";
  WriteAuth(registry_.host(), "user", "secret");
  RktOk({"fetch", Url("a:1")});
  ASSERT_FALSE(realm.requests().empty());
  for (const HttpRequest& request : realm.requests()) EXPECT_EQ(request.Header("authorization"), "");
}

TEST_F(Docker, ARedirectElsewhereGetsNoCredentials) {
  OciImage image;
  image.layers = {BaseLayer()};
  std::string blob = image.layers[0];
  HttpServer storage([&](const HttpRequest&, Reply& reply) { reply.Send(200, {}, blob); });
  registry_.Push("a:1", image);
  registry_.realm = "self";
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, LayerOf(image)) || request.Header("authorization").empty()) return false;
    reply.Send(307, {"Location: http://" + storage.host() + "/blob"}, "");
    return true;
  };
  RktOk({"fetch", Url("a:1")});
  ASSERT_EQ(storage.requests().size(), 1u);
  EXPECT_EQ(storage.requests()[0].Header("authorization"), "");
}

// --- registries that lie

TEST_F(Docker, ContentsThatAreNotWhatTheyAreCalledAreRefused) {
  OciImage image;
  image.layers = {BaseLayer()};
  BuiltImage built = Build(image);
  registry_.Push("a:1", image);
  std::string lie = "layer";
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    std::string body;
    if (lie == "layer" && Contains(request.target, LayerOf(image))) body = image.layers[0];
    if (lie == "config" && Contains(request.target, built.config_digest)) body = built.config;
    if (lie == "manifest" && Contains(request.target, "/manifests/sha256:")) body = built.manifest;
    if (body.empty()) return false;
    body[body.size() / 2] = static_cast<char>(body[body.size() / 2] ^ 1);
    reply.Send(200, {"Content-Type: " + built.manifest_type}, body);
    return true;
  };
  ExpectRefused("a:1", "another digest");
  lie = "config";
  ExpectRefused("a:1", "another digest");
  lie = "manifest";
  ExpectRefused("a@" + built.manifest_digest, "another digest");
}

TEST_F(Docker, BodiesThatAreTooShortOrEndlessAreRefused) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  bool endless = false;
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, LayerOf(image))) return false;
    if (endless) {
      std::string piece(65536, 'x');
      reply.Raw("HTTP/1.1 200 X\r\n\r\n" + image.layers[0]);
      for (int i = 0; i < 10000 && reply.Raw(piece); ++i) {
      }
    } else {
      reply.Send(200, {}, image.layers[0].substr(0, 1000));
    }
    reply.Close();
    return true;
  };
  ExpectRefused("a:1", "ends after 1000 of");
  EXPECT_LE(registry_.server().Count("/blobs/" + LayerOf(image)), 10);
  RemoveAll(data() + "/cas/partial");
  endless = true;
  ExpectRefused("a:1", "longer than");
}

TEST_F(Docker, RangesThatWereNotAskedForAreRefused) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a:1", image);
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, LayerOf(image))) return false;
    if (request.Header("range").empty()) {
      reply.Raw("HTTP/1.1 200 X\r\nContent-Length: " + std::to_string(image.layers[0].size()) + "\r\n\r\n" +
                image.layers[0].substr(0, 5000));
      reply.Close();
    } else {
      reply.Send(206, {"Content-Range: bytes 0-99/100"}, image.layers[0].substr(0, 100));
    }
    return true;
  };
  ExpectRefused("a:1", "instead of 5000-");
}

TEST_F(Docker, ABrokenTransferIsContinued) {
  OciImage image;
  image.layers = {BaseLayer()};
  image.config = Shell("echo whole");
  registry_.Push("a:1", image);
  int broken = 0;
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, LayerOf(image)) || broken++ > 0) return false;
    reply.Raw("HTTP/1.1 200 X\r\nContent-Length: " + std::to_string(image.layers[0].size()) + "\r\n\r\n" +
              image.layers[0].substr(0, 100000));
    reply.Close();
    return true;
  };
  EXPECT_EQ(Trim(AppText(RunOk({Url("a:1")}).out)), "whole");
  bool ranged = false;
  for (const HttpRequest& request : registry_.server().requests()) ranged = ranged || request.Header("range") == "bytes=100000-";
  EXPECT_TRUE(ranged);
}

TEST_F(Docker, AfterAKillTheNextFetchGoesOn) {
  OciImage image;
  image.layers = {BaseLayer()};
  image.config = Shell("echo whole");
  registry_.Push("a:1", image);
  std::atomic<bool> stall = true;
  registry_.hook = [&](const HttpRequest& request, Reply& reply) {
    if (!Contains(request.target, LayerOf(image)) || !stall) return false;
    reply.Raw("HTTP/1.1 200 X\r\nContent-Length: " + std::to_string(image.layers[0].size()) + "\r\n\r\n" +
              image.layers[0].substr(0, 600000));
    while (stall) SleepFor(0.01);
    reply.Close();
    return true;
  };
  std::string partial = data() + "/cas/partial/sha256-" + LayerOf(image).substr(7);
  for (bool ranges : {true, false}) {
    registry_.ranges = ranges;
    stall = true;
    {
      Background rkt = StartRkt({"fetch", Url("a:1")});
      struct stat st = {};
      for (double end = Now() + 20; Now() < end && (stat(partial.c_str(), &st) != 0 || st.st_size < 600000);) SleepFor(0.02);
      ASSERT_EQ(st.st_size, 600000);
      rkt.Kill(SIGKILL);
      rkt.Wait();
    }
    stall = false;
    registry_.server().Forget();
    EXPECT_EQ(Trim(AppText(RunOk({Url("a:1")}).out)), "whole");
    bool ranged = false;
    for (const HttpRequest& request : registry_.server().requests()) ranged = ranged || request.Header("range") == "bytes=600000-";
    EXPECT_TRUE(ranged);
    EXPECT_FALSE(Exists(partial));
    RktOk({"gc", "--grace-period=0s"});
    RktOk({"image", "rm", "127.0.0.1_" + std::to_string(registry_.server().port()) + "/a"});
    RktOk({"image", "gc", "--grace-period=0s"});
    EXPECT_TRUE(ListDir(data() + "/cas/layertree").empty());
  }
}

TEST_F(Docker, TenAtOnceDownloadOnce) {
  OciImage image;
  image.layers = {BaseLayer(), FileLayer("a", "a")};
  registry_.Push("a:1", image);
  std::vector<Background> fetches;
  for (int i = 0; i < 10; ++i) fetches.push_back(StartRkt({"fetch", "--full", Url("a:1")}));
  std::set<std::string> ids;
  for (Background& fetch : fetches) {
    Output output = fetch.Wait();
    EXPECT_EQ(output.code, 0) << output.All();
    ids.insert(output.out);
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(registry_.server().Count("/blobs/" + LayerOf(image)), 1);
}

TEST_F(Docker, ManifestsMeantToHarmAreRefused) {
  const char* type = "application/vnd.oci.image.manifest.v1+json";
  std::string good = Digest("x");
  auto manifest = [&](const std::string& digest) {
    return std::string("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a\",\"digest\":\"") + good +
           "\",\"size\":1},\"layers\":[{\"mediaType\":\"b\",\"digest\":" + JsonQuote(digest) + ",\"size\":1}]}";
  };
  for (const std::string& digest :
       {std::string("sha256:../../x"), std::string("sha256:") + std::string(63, 'a'), "md5:" + std::string(32, 'a'),
        "sha256:" + std::string(64, 'A'), std::string("../../../etc/passwd"), std::string(""),
        good + "/../../x"}) {
    registry_.PutManifest("bad:1", type, manifest(digest));
    ExpectRefused("bad:1", "malformed digest");
  }
  registry_.PutManifest("bad:1", type, std::string(1 << 20, '['));
  ExpectRefused("bad:1", "levels deep");
  registry_.PutManifest("bad:1", type, "{\"schemaVersion\":2,\"x\":\"" + std::string(8 << 20, 'x') + "\"}");
  ExpectRefused("bad:1", "more than the");
  registry_.PutManifest("bad:1", type, "{\"schemaVersion\":2,\"manifests\":[]}");
  ExpectRefused("bad:1", "manifests");
  registry_.PutManifest("bad:1", type, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}");
  ExpectRefused("bad:1", "but came as");
  registry_.PutManifest("bad:1", type, manifest(good).insert(1, "\"schemaVersion\":1,"));
  ExpectRefused("bad:1", "");
  for (const char* reference : {"docker:///x", "docker://Upper/x", "docker://h.example/../x", "docker://h.example/x:..", "docker://"}) {
    EXPECT_EQ(Rkt({"fetch", reference}).code, 254) << reference;
  }
}

TEST_F(Docker, ABombIsRefused) {
  // More than a gigabyte of zeros in some hundred kilobytes.
  OciImage image;
  image.layers = {RunProgram({"sh", "-c", "head -c 1100M /dev/zero | zstd -q -1"}).out};
  registry_.Push("bomb:1", image);
  ExpectRefused("bomb:1", "decompresses to more than");
}

TEST_F(Docker, HostileLayersHarmNothing) {
  std::string outside = dir() + "/outside";
  MakeDirs(outside);
  WriteFile(outside + "/victim", "v");
  auto refused = [&](const std::string& layer, const std::string& text) {
    OciImage image;
    image.layers = {BaseLayer(), layer};
    registry_.Push("evil:1", image);
    Output output = Rkt({"fetch", Url("evil:1")});
    EXPECT_EQ(output.code, 254) << output.All();
    EXPECT_TRUE(Contains(output.err, text)) << text << "\n" << output.err;
    EXPECT_EQ(ReadFile(outside + "/victim"), "v");
    EXPECT_EQ(ListDir(outside), std::vector<std::string>{"victim"});
  };
  refused(Tar().File("../evil", "x").Finish(), "../evil");
  refused(Tar().Symlink("l", outside).File("l/evil", "x").Finish(), "open \"l\"");
  refused(Tar().HardLink("h", "../" + outside + "/victim").Finish(), "h");
  refused(Tar().HardLink("h", "etc/low").Finish(), "etc/low");  // in a lower layer
  refused(Tar().File(".wh...", "").Finish(), ".wh...");
  refused(Tar().File("a/.wh..", "").Finish(), "a/.wh..");
  refused(Tar().File(".wh.", "").Finish(), ".wh.");
  // Whiteouts and opaque marks below a link reach nothing beyond it.
  refused(Tar().Symlink("l", outside).File("l/.wh.victim", "").Finish(), "l");
  refused(Tar().Symlink("l", outside).File("l/.wh..wh..opq", "").Finish(), "l");
}

// Names in the store have "_" for what names of images cannot have: no other reference may end up at the same one.
TEST_F(Docker, NoOtherReferenceHasTheSameNameInTheStore) {
  OciImage image;
  image.layers = {BaseLayer()};
  registry_.Push("a_b:1", image);
  RktOk({"fetch", Url("a_b:1")});
  RktOk({"fetch", "--pull-policy=never", Url("a_b:1")});
  std::string port = std::to_string(registry_.server().port());
  for (const std::string& other : {"127.0.0.1_" + port + "/a_b:1", "127.0.0.1:" + port + "/a:b:1", "127.0.0.1:" + port + "/a+b:1",
                                   "127.0.0.1:" + port + "/a__b:1", "127.0.0.1:" + port + "/A_b:1"}) {
    EXPECT_EQ(Rkt({"fetch", "--pull-policy=never", "docker://" + other}).code, 254) << other;
  }
}

TEST_F(Docker, DebiansRegistryWithTlsAndPasswords) {
  REQUIRE_FACILITY("docker-registry", RunProgram({"sh", "-c", "command -v docker-registry openssl htpasswd skopeo"}).code == 0,
                   "docker-registry, openssl, htpasswd and skopeo make the test's registry");
  ASSERT_EQ(RunProgram({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"},
                       {.directory = dir()}).code, 0);
  ASSERT_EQ(RunProgram({"htpasswd", "-Bbc", "htpasswd", "user", "secret"}, {.directory = dir()}).code, 0);
  int port = HttpServer([](const HttpRequest&, Reply&) {}).port();  // one that was free just now
  std::string host = "127.0.0.1:" + std::to_string(port);
  WriteFile(dir() + "/registry.yml",
            "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: " + dir() + "/registry}}\nhttp: {addr: '" +
                host + "', tls: {certificate: " + dir() + "/cert.pem, key: " + dir() + "/key.pem}}\n" +
                "auth: {htpasswd: {realm: r, path: " + dir() + "/htpasswd}}\n");
  Background server({"docker-registry", "serve", dir() + "/registry.yml"}, {}, dir() + "/server");
  OciImage image;
  image.layers = {BaseLayer(), FileLayer("hello", "from debian\n")};
  image.config = Shell("cat /hello");
  WriteLayout(dir() + "/layout", "v1", image);
  Output pushed;
  for (double end = Now() + 20; Now() < end && pushed.code != 0; SleepFor(0.1)) {
    pushed = RunProgram({"skopeo", "copy", "--dest-tls-verify=false", "--dest-creds=user:secret", "oci:" + dir() + "/layout:v1",
                         "docker://" + host + "/lib/img:v1"});
  }
  ASSERT_EQ(pushed.code, 0) << pushed.All();
  insecure_ = "image";
  Output output = Rkt({"fetch", "docker://" + host + "/lib/img:v1"});
  EXPECT_TRUE(Contains(output.err, "certificate")) << output.err;
  Options trust = {.env = {"SSL_CERT_FILE=" + dir() + "/cert.pem"}};
  output = Rkt({"fetch", "docker://" + host + "/lib/img:v1"}, trust);
  EXPECT_TRUE(Contains(output.err, "it wants credentials")) << output.err;
  WriteAuth(host, "user", "secret");
  EXPECT_EQ(Trim(AppText(RunOk({"docker://" + host + "/lib/img:v1"}, trust).out)), "from debian");
}

}  // namespace
}  // namespace rkt::test
