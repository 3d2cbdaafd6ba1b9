// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Images by name: the pages that tell where they are, the checks of what comes from there, keys,
// dependencies. Servers listen on the ports 443 and 80 of this test's own network namespace;
// 127.0.0.1 is a host of many names.

#include <sys/stat.h>

#include <algorithm>

#include "functional/harness/fetch_test.h"

namespace rkt::test {
namespace {

std::string Image(const std::string& name, const std::string& version = "1.0.0",
                  const std::string& dependencies = "") {
  ImageSpec spec;
  spec.name = name;
  spec.version = version;
  spec.dependencies = dependencies;
  return Tar()
      .File("manifest", ManifestJson(spec))
      .Dir("rootfs")
      .File("rootfs/" + name.substr(10), "x\n")
      .Finish();
}

std::string MetaTag(const std::string& content, const std::string& name = "ac-discovery") {
  return "<meta name=\"" + name + "\" content=\"" + content + "\">";
}
std::string Page(const std::string& tags) {
  return "<html><head>" + tags + "</head><body>hello</body></html>";
}

class Discovering : public FetchTest {
 protected:
  Discovering() : FetchTest(443) {}
  AciServer& Plain() { return Other(/*tls=*/false, 80, "127.0.0.1"); }
  // The page of a path: JSON strings are close enough to C strings.
  static void Serve(AciServer& server, const std::string& path, const std::string& page) {
    server.Rule(path + "?ac-discovery=1", "{\"body\": " + JsonQuote(page) + "}");
  }
  void Serve(const std::string& path, const std::string& page) { Serve(*server_, path, page); }
  // Serves images and a page for all names below localhost.
  void ServeImages(const std::map<std::string, std::string>& images) {
    for (const auto& [name, bytes] : images) server_->Put("/" + name + ".aci", bytes);
    server_->Rule("*", "{}");
    for (const auto& [name, bytes] : images) {
      size_t slash = name.find('/');
      Serve(name.substr(slash), Page(MetaTag("localhost https://localhost/{name}.{ext}")));
    }
  }
};

TEST_F(Discovering, PagesOfParentsAreAskedInTurn) {
  Serve("/",
        Page(MetaTag("localhost https://localhost/images/{name}-{version}-{os}-{arch}.{ext}")));
  server().Rule("/a/b/c?ac-discovery=1", R"({"status": 404})");
  std::string image = Image("localhost/a/b/c", "2.0");
  server().Put("/images/localhost/a/b/c-2.0-linux-amd64.aci", image);
  Output output = Rkt({"--debug", "fetch", "--full", "localhost/a/b/c:2.0"}, env_);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(output.out), KeyOf(image));
  EXPECT_EQ(server().Asked(),
            (Args{"GET /a/b/c?ac-discovery=1", "GET /a/b?ac-discovery=1", "GET /a?ac-discovery=1",
                  "GET /?ac-discovery=1", "GET /images/localhost/a/b/c-2.0-linux-amd64.aci"}));
  EXPECT_EQ(server().HeaderOf("GET /a/b/c?ac-discovery=1", "User-Agent"), "-");
  EXPECT_EQ(server().HeaderOf("GET /images/localhost/a/b/c-2.0-linux-amd64.aci", "User-Agent"),
            "rkt/2.0.0");
}

TEST_F(Discovering, LabelsGoIntoTemplatesAndOpenOnesAreSkipped) {
  Serve("/a",
        Page(MetaTag("localhost https://localhost/{name}/{nothing}.{ext}") +
             MetaTag("elsewhere.example https://localhost/wrong.{ext}") + MetaTag("localhost") +
             MetaTag("localhost/a   https://localhost/{channel}/{version}.{ext}") +
             MetaTag("localhost https://localhost/never.{ext}")));
  server().Put("/stable/{os}.aci", Image("localhost/a"));
  // What a label says is not a template.
  FetchOk("localhost/a:{os},channel=stable");
}

TEST_F(Discovering, WithoutAVersionTheLatestIsAskedForAndMarked) {
  Serve("/a", Page(MetaTag("localhost https://localhost/{version}.{ext}")));
  server().Put("/latest.aci", Image("localhost/a", "1.0.0"));
  server().Put("/2.0.0.aci", Image("localhost/a", "2.0.0"));
  std::string latest = FetchOk("localhost/a");
  EXPECT_EQ(latest, KeyOf(Image("localhost/a", "1.0.0")));
  FetchOk("localhost/a:2.0.0");
  EXPECT_TRUE(Contains(RktOk({"image", "cat-manifest", "localhost/a"}).out, "\"1.0.0\""))
      << "latest goes before newer";
}

TEST_F(Discovering, FailureIsOneLineAndDebugTellsMore) {
  Output output = FetchImage("localhost/a");
  EXPECT_EQ(output.code, 254);
  EXPECT_EQ(output.err, "fetch: discovery failed for localhost/a\n");
  output = Rkt({"--debug", "fetch", "localhost/a"}, env_);
  EXPECT_TRUE(Contains(output.err, "https://localhost/a?ac-discovery=1")) << output.err;
  EXPECT_TRUE(Contains(output.err, "https://localhost?ac-discovery=1")) << output.err;
  EXPECT_FALSE(Contains(output.err, "http://localhost")) << output.err;
  Fails("sha512-1234567890", "discovery failed");
}

TEST_F(Discovering, PlainHttpOnlyWithTheOption) {
  AciServer& plain = Plain();
  Serve(plain, "/a", Page(MetaTag("localhost http://localhost/a.{ext}")));
  plain.Put("/a.aci", Image("localhost/a"));
  Fails("localhost/a", "discovery failed");
  server_.reset();
  Fails("localhost/a", "discovery failed");
  EXPECT_TRUE(plain.Requests().empty());
  insecure_ = "image,http";
  FetchOk("localhost/a");
  EXPECT_EQ(plain.Asked(), (Args{"GET /a?ac-discovery=1", "GET /a.aci"}));
}

TEST_F(Discovering, RedirectsAndTemplatesToPlainHttpNeedTheOption) {
  AciServer& plain = Plain();
  Serve(plain, "/a", Page(MetaTag("localhost http://localhost/a.{ext}")));
  plain.Put("/a.aci", Image("localhost/a"));
  server().Rule("/a?ac-discovery=1", R"({"redirect": "http://localhost/a?ac-discovery=1"})");
  Fails("localhost/a", "discovery failed");
  Serve("/b", Page(MetaTag("localhost http://localhost/a.{ext}")));
  Fails("localhost/b", "plain http");
  EXPECT_TRUE(plain.Requests().empty());
  insecure_ = "image,http";
  FetchOk("localhost/a");
}

TEST_F(Discovering, CredentialsGoWithTheQuestion) {
  MakeDirs(dir() + "/config-local/auth.d");
  WriteFile(
      dir() + "/config-local/auth.d/a.json",
      R"({"rktKind":"auth","rktVersion":"v1","domains":["localhost"],"type":"oauth","credentials":{"token":"t"}})");
  Serve("/a", Page(MetaTag("localhost https://localhost/a.{ext}")));
  server().Put("/a.aci", Image("localhost/a"));
  FetchOk("localhost/a");
  EXPECT_EQ(server().HeaderOf("GET /a?ac-discovery=1", "Authorization"), "Bearer t");
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Authorization"), "Bearer t");
  // By plain http where the user allows that, and there for the question only.
  server_.reset();
  AciServer& plain = Plain();
  Serve(plain, "/a", Page(MetaTag("localhost http://localhost/a.{ext}")));
  plain.Put("/a.aci", Image("localhost/a"));
  insecure_ = "image,http";
  FetchOk("localhost/a");
  EXPECT_EQ(plain.HeaderOf("GET /a?ac-discovery=1", "Authorization"), "Bearer t");
  EXPECT_EQ(plain.HeaderOf("GET /a.aci", "Authorization"), "-");
}

TEST_F(Discovering, CredentialsDoNotFollowARedirectOfTheQuestion) {
  MakeDirs(dir() + "/config-local/auth.d");
  WriteFile(
      dir() + "/config-local/auth.d/a.json",
      R"({"rktKind":"auth","rktVersion":"v1","domains":["localhost","127.0.0.2"],"type":"oauth","credentials":{"token":"t"}})");
  AciServer other(dir() + "/second", &tls_, 443, "127.0.0.2");
  server().Rule("/a?ac-discovery=1", R"({"redirect": "https://127.0.0.2/a?ac-discovery=1"})");
  Serve(other, "/a", Page(MetaTag("localhost https://localhost/a.{ext}")));
  server().Put("/a.aci", Image("localhost/a"));
  FetchOk("localhost/a");
  EXPECT_EQ(other.HeaderOf("GET /a?ac-discovery=1", "Authorization"), "-");
}

TEST_F(Discovering, HostilePagesAreSurvived) {
  std::string deep = "<html><head>";
  for (int i = 0; i < 20000; ++i) deep += "<div a='";
  for (const std::string& page :
       {deep, std::string(1 << 20, '<'), std::string("<meta name=\"ac-discovery\" content=\""),
        std::string("<meta name=ac-discovery content=") + std::string(100000, 'x'),
        Page(MetaTag("localhost ftp://localhost/a.{ext}")),
        Page(MetaTag("localhost file:///etc/passwd.{ext}")),
        Page(MetaTag("localhost https://localhost/a b.{ext}")),
        Page("<!-- " + MetaTag("localhost https://localhost/a.{ext}") + " -->"),
        Page("<script>" + MetaTag("localhost https://localhost/a.{ext}") + "</script>"),
        "<html><head></head><body>" + MetaTag("localhost https://localhost/a.{ext}")}) {
    server().Put("/a", page);
    Fails("localhost/a", "");
  }
  server().Rule("/a", R"({"endless": true})");
  Fails("localhost/a", "discovery failed");
}

TEST_F(Discovering, PullPoliciesByName) {
  ServeImages({{"localhost/a", Image("localhost/a")}});
  Fails("localhost/a", "unable to fetch image from image name", {"--pull-policy=never"});
  EXPECT_TRUE(server().Requests().empty());
  std::string id = FetchOk("localhost/a", {"--pull-policy=new"});
  server().Forget();
  EXPECT_EQ(FetchOk("localhost/a", {"--pull-policy=new"}), id);
  EXPECT_EQ(FetchOk("localhost/a", {"--pull-policy=never"}), id);
  EXPECT_EQ(FetchOk("localhost/a", {"--pull-policy=bogus"}), id);
  EXPECT_TRUE(server().Requests().empty());
  FetchOk("localhost/a");
  EXPECT_EQ(server().Asked(), (Args{"GET /a?ac-discovery=1", "GET /localhost/a.aci"}));
}

TEST_F(Discovering, CimdName) {
  Serve("/a", Page(MetaTag("localhost https://localhost/{version}.{ext}")));
  server().Put("/3.aci", Image("localhost/a", "3"));
  EXPECT_EQ(FetchOk("cimd:appc:v=0:localhost/a?version=3&os=linux"),
            KeyOf(Image("localhost/a", "3")));
}

TEST_F(Discovering, DependenciesComeByNameEachOnce) {
  std::string base = Image("localhost/base");
  std::string left = Image("localhost/left", "1.0.0", R"([{"imageName":"localhost/base"}])");
  std::string right = Image("localhost/right", "1.0.0", R"([{"imageName":"localhost/base"}])");
  std::string top = Image("localhost/top", "1.0.0",
                          R"([{"imageName":"localhost/left"},{"imageName":"localhost/right"}])");
  ServeImages({{"localhost/base", base},
               {"localhost/left", left},
               {"localhost/right", right},
               {"localhost/top", top}});
  std::string id = FetchOk("localhost/top");
  EXPECT_EQ(id, KeyOf(top));
  std::vector<std::string> asked = server().Asked();
  EXPECT_EQ(asked.size(), 8u);
  std::sort(asked.begin(), asked.end());
  EXPECT_EQ(std::unique(asked.begin(), asked.end()), asked.end()) << "each once";
  EXPECT_EQ(Lines(RktOk({"image", "list", "--no-legend"}).out).size(), 4u);
  RktOk({"image", "render", id, dir() + "/out"});
  EXPECT_TRUE(Exists(dir() + "/out/rootfs/base"));
  server().Forget();
  FetchOk("localhost/top", {"--pull-policy=new"});
  EXPECT_TRUE(server().Requests().empty()) << "stored ones are not asked for under new";
}

TEST_F(Discovering, DependenciesUnderTheirPolicies) {
  std::string base = WriteImage("base.aci", Image("localhost/base"));
  std::string top =
      WriteImage("top.aci", Image("localhost/top", "1.0.0", R"([{"imageName":"localhost/base"}])"));
  Fails(top, "unable to fetch image from image name", {"--pull-policy=never"});
  Fetch(base);
  FetchOk(top, {"--pull-policy=new"});
  FetchOk(top, {"--pull-policy=never"});
  EXPECT_TRUE(server().Requests().empty());
  Fails(top, "discovery failed");
  EXPECT_EQ(server().Asked()[0], "GET /base?ac-discovery=1");
}

TEST_F(Discovering, DependencyMustBeTheOneWithItsId) {
  std::string base = Image("localhost/base");
  std::string dependency = R"([{"imageName":"localhost/base","imageID":")";
  ServeImages({{"localhost/base", base}});
  std::string good = WriteImage(
      "good.aci",
      Image("localhost/good", "1", dependency + KeyOf(base) + std::string(64, '0') + "\"}]"));
  FetchOk(good);
  std::string bad = WriteImage(
      "bad.aci",
      Image("localhost/bad", "1", dependency + "sha512-" + std::string(128, 'a') + "\"}]"));
  Fails(bad, "was fetched");
}

TEST_F(Discovering, CyclesAreRefused) {
  ServeImages({{"localhost/a", Image("localhost/a", "1", R"([{"imageName":"localhost/b"}])")},
               {"localhost/b", Image("localhost/b", "1", R"([{"imageName":"localhost/a"}])")}});
  for (const char* policy : {"update", "new"}) {
    Fails("localhost/a", "cycle: \"localhost/a\" -> \"localhost/b\" -> \"localhost/a\"",
          {std::string("--pull-policy=") + policy});
  }
  EXPECT_EQ(Run({"localhost/a"}, env_).code, 254);
}

TEST_F(Discovering, ChainWithoutEndEnds) {
  // Each image depends on the one of the next version, for ever.
  Serve("/n", Page(MetaTag("localhost https://localhost/{version}.{ext}")));
  for (int i = 0; i < 12; ++i) {
    server().Put("/" + std::to_string(i) + ".aci",
                 Image("localhost/n", std::to_string(i),
                       R"([{"imageName":"localhost/n","labels":[{"name":"version","value":")" +
                           std::to_string(i + 1) + "\"}]}]"));
  }
  Fails("localhost/n:0", "bad HTTP status code: 404");
}

// --- with signatures ---

class SignedDiscovering : public Discovering {
 protected:
  void SetUp() override {
    Discovering::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    insecure_ = "";
    gpg_ = dir() + "/g";
    MakeDirs(gpg_);
    chmod(gpg_.c_str(), 0700);
    Gpg("--quick-generate-key 'Tester <t@example.com>' ed25519 sign 0");
    key_ = Gpg("--armor --export t@example.com");
    server().Put("/pub.gpg", key_);
  }
  void TearDown() override {
    RunProgram({"gpgconf", "--kill", "all"}, {.env = {"GNUPGHOME=" + gpg_}});
    Discovering::TearDown();
  }
  std::string Gpg(const std::string& arguments) {
    Output output =
        RunProgram({"sh", "-c",
                    "gpg --batch --yes --no-tty --quiet --passphrase '' --pinentry-mode loopback " +
                        arguments},
                   {.env = {"GNUPGHOME=" + gpg_}});
    EXPECT_EQ(output.code, 0) << arguments << output.All();
    return output.out;
  }
  void PutSigned(const std::string& path, const std::string& bytes) {
    server().Put(path + ".aci", bytes);
    WriteFile(dir() + "/signed", bytes);
    server().Put(path + ".aci.asc", Gpg("--armor --output - --detach-sign " + dir() + "/signed"));
  }
  std::string Tags() {
    return MetaTag("localhost https://localhost/{version}.{ext}") +
           MetaTag("localhost https://localhost/pub.gpg", "ac-discovery-pubkeys");
  }
  std::string KeyFiles() { return dir() + "/config-local/trustedkeys/prefix.d"; }
  void TrustKey(const std::string& prefix) {
    WriteFile(dir() + "/pub.gpg", key_);
    RktOk({"trust", "--prefix=" + prefix, "--skip-fingerprint-review", dir() + "/pub.gpg"});
  }
  std::string gpg_, key_;
};

TEST_F(SignedDiscovering, NameAndLabelsAreChecked) {
  TrustKey("localhost");
  Serve("/a", Page(Tags()));
  PutSigned("/1.0", Image("localhost/a", "1.0"));
  PutSigned("/2.0", Image("localhost/a", "1.0"));
  PutSigned("/3.0", Image("localhost/b", "3.0"));
  FetchOk("localhost/a:1.0");
  RktOk({"image", "rm", KeyOf(Image("localhost/a", "1.0"))});
  Fails("localhost/a:2.0",
        "requested value for label \"version\": \"2.0\" differs from fetched aci label value: "
        "\"1.0\"");
  Fails("localhost/a:3.0", "calls itself \"localhost/b\"");
  Fails("localhost/a:1.0,channel=x",
        "requested label \"channel\" not provided by the image manifest");
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  insecure_ = "image";
  FetchOk("localhost/a:2.0");
}

TEST_F(SignedDiscovering, KeptAnswersAreCheckedToo) {
  TrustKey("localhost");
  Serve("/a", Page(MetaTag("localhost https://localhost/a.{ext}")));
  PutSigned("/a", Image("localhost/a", "1.0"));
  server().Rule("/a.aci", R"({"headers": {"Cache-Control": "max-age=1000"}})");
  FetchOk("localhost/a:1.0");
  Fails("localhost/a:2.0", "requested value for label \"version\"");
}

TEST_F(SignedDiscovering, KeysAreDiscoveredAndTrustedFromHttps) {
  Serve("/a", Page(Tags()));
  PutSigned("/latest", Image("localhost/a"));
  Output output = FetchImage("localhost/a");
  EXPECT_EQ(output.code, 254) << "nobody to ask";
  EXPECT_TRUE(Contains(output.err, "unknown entity")) << output.err;
  EXPECT_FALSE(Exists(KeyFiles()));
  output = Rkt({"--trust-keys-from-https", "fetch", "--full", "localhost/a"}, env_);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(output.out), KeyOf(Image("localhost/a"))) << "the ID alone";
  EXPECT_EQ(ListDir(KeyFiles() + "/localhost/a").size(), 1u);
  server().Forget();
  FetchOk("localhost/a");
  for (const std::string& asked : server().Asked()) EXPECT_FALSE(Contains(asked, "pub.gpg"));
}

TEST_F(SignedDiscovering, KeysAreAskedForOnATerminal) {
  Serve("/a", Page(Tags()));
  PutSigned("/latest", Image("localhost/a"));
  {
    Terminal terminal(RktArgs({"fetch", "localhost/a"}), env_);
    ASSERT_TRUE(terminal.Expect("trust this key (yes/no)?")) << terminal.screen();
    terminal.Type("no\n");
    EXPECT_EQ(terminal.Wait(), 254) << terminal.screen();
    EXPECT_FALSE(Exists(KeyFiles()));
  }
  Terminal terminal(RktArgs({"fetch", "localhost/a"}), env_);
  ASSERT_TRUE(terminal.Expect("trust this key (yes/no)?")) << terminal.screen();
  terminal.Type("yes\n");
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
}

TEST_F(SignedDiscovering, KeysAreNotSoughtFromUnverifiedPeers) {
  Serve("/a", Page(Tags()));
  PutSigned("/latest", Image("localhost/a"));
  insecure_ = "tls";
  Output output = Rkt({"--trust-keys-from-https", "fetch", "localhost/a"});
  EXPECT_EQ(output.code, 254) << output.All();
  EXPECT_FALSE(Exists(KeyFiles()));
  for (const std::string& asked : server().Asked()) EXPECT_FALSE(Contains(asked, "pub.gpg"));
  insecure_ = "tls,pubkey";
  RktOk({"--trust-keys-from-https", "fetch", "localhost/a"});
}

TEST_F(SignedDiscovering, TrustFindsTheKeysOfAPrefix) {
  Serve("/", Page(Tags()));
  RktOk({"trust", "--prefix=localhost/some/app", "--skip-fingerprint-review"}, env_);
  EXPECT_EQ(ListDir(KeyFiles() + "/localhost/some/app").size(), 1u);
  EXPECT_EQ(server().Asked().front(), "GET /some/app?ac-discovery=1");
  EXPECT_EQ(server().Asked().back(), "GET /pub.gpg");
  server().ClearRules();
  Output output = Rkt({"trust", "--prefix=localhost/other", "--skip-fingerprint-review"}, env_);
  EXPECT_EQ(output.code, 254);
  EXPECT_TRUE(Contains(output.err, "discovery failed")) << output.err;
}

TEST_F(SignedDiscovering, KeysByHttpAreNotDiscovered) {
  AciServer& plain = Plain();
  plain.Put("/pub.gpg", key_);
  Serve("/", Page(MetaTag("localhost http://localhost/pub.gpg", "ac-discovery-pubkeys")));
  Output output = Rkt({"trust", "--prefix=localhost/a", "--skip-fingerprint-review"}, env_);
  EXPECT_EQ(output.code, 254) << output.All();
  server().Rule("/pub.gpg", R"({"redirect": "http://localhost/pub.gpg"})");
  Serve("/", Page(Tags()));
  EXPECT_EQ(Rkt({"trust", "--prefix=localhost/a", "--skip-fingerprint-review"}, env_).code, 254);
  EXPECT_TRUE(plain.Requests().empty());
  RktOk({"trust", "--prefix=localhost/a", "--skip-fingerprint-review", "--insecure-allow-http"},
        env_);
}

}  // namespace
}  // namespace rkt::test
