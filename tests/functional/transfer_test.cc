// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// Images from servers by URL: caching, resuming, credentials, proxies, signatures, what goes wrong
// on the way.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "functional/harness/fetch_test.h"

namespace rkt::test {
namespace {

// A small image whose archive has the given size at least, of bytes that do not compress.
std::string SmallImage(const ImageSpec& spec = {}, size_t size = 0) {
  Tar tar;
  tar.File("manifest", ManifestJson(spec)).Dir("rootfs").File("rootfs/text", "text\n");
  if (size > 0) {
    std::string bytes(size, '\0');
    unsigned state = 1;
    for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    tar.File("rootfs/bytes", bytes);
  }
  return tar.Finish();
}

class Transfers : public FetchTest {
 protected:
  // A second server, on another address.
  AciServer& Other(bool tls) { return FetchTest::Other(tls, 0, "127.0.0.2"); }
  std::string PartialFile(const std::string& url) {
    return data() + "/cas/tmp/" + KeyOf(url);
  }
  void Configure(const std::string& file, const std::string& json) {
    MakeDirs(dir() + "/config-local/auth.d");
    WriteFile(dir() + "/config-local/auth.d/" + file, json);
  }
  static size_t Count(const std::vector<std::string>& list, const std::string& item) {
    return static_cast<size_t>(std::count(list.begin(), list.end(), item));
  }
};

TEST_F(Transfers, ImageComesByHttps) {
  server().Put("/a.aci", SmallImage());
  Output output = Rkt({"fetch", server().Url("/a.aci")}, env_);
  ASSERT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(output.out), KeyOf(SmallImage()).substr(0, 39));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "User-Agent"), "rkt/2.0.0");
  EXPECT_EQ(ListDir(data() + "/cas/tree").size(), 1u) << "rendered at once";
}

TEST_F(Transfers, UrlRunsAsAPod) {
  server().Put("/judge.aci", JudgeTar());
  Output output = Run({server().Url("/judge.aci"), "--exec", "/bin/echo", "--", "by", "url"}, env_);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.out, "by url")) << output.All();
  server().Forget();
  RunOk({server().Url("/judge.aci"), "--exec", "/bin/true"}, env_);
  EXPECT_TRUE(server().Requests().empty()) << "the policy of run is new";
}

TEST_F(Transfers, PlainHttpUrlsNeedNoOption) {
  AciServer& plain = Other(/*tls=*/false);
  plain.Put("/a.aci", SmallImage());
  FetchOk(plain.Url("/a.aci"));
}

TEST_F(Transfers, UnknownCertificateIsRefusedUnlessAllowed) {
  server().Put("/a.aci", SmallImage());
  env_.env = {};
  Fails(server().Url("/a.aci"), "certificate");
  EXPECT_TRUE(server().Requests().empty());
  insecure_ = "image,tls";
  FetchOk(server().Url("/a.aci"));
}

TEST_F(Transfers, CertificateForAnotherHostIsRefused) {
  Other(/*tls=*/true).Put("/a.aci", SmallImage());
  AciServer wrong(dir() + "/wrong", &tls_, 0, "127.0.0.3");
  wrong.Put("/a.aci", SmallImage());
  Fails(wrong.Url("/a.aci"), "127.0.0.3");
  FetchOk(other_->Url("/a.aci"));
}

TEST_F(Transfers, CertificatesOfADirectory) {
  server().Put("/a.aci", SmallImage());
  ASSERT_EQ(RunProgram({"sh", "-ec",
                        "mkdir " + dir() + "/certs; cp " + tls_.ca + " " + dir() +
                            "/certs/; openssl rehash " + dir() + "/certs"})
                .code,
            0);
  env_.env = {"SSL_CERT_DIR=" + dir() + "/certs"};
  FetchOk(server().Url("/a.aci"));
}

TEST_F(Transfers, EtagIsAskedAboutAndNotModifiedGivesTheSameImage) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"etag": "\"one\""})");
  std::string id = FetchOk(server().Url("/a.aci"));
  server().Forget();
  EXPECT_EQ(FetchOk(server().Url("/a.aci")), id);
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "If-None-Match"), "\"one\"");
  // A new one replaces it.
  ImageSpec newer;
  newer.version = "2.0.0";
  server().Put("/a.aci", SmallImage(newer));
  server().Rule("/a.aci", R"({"etag": "\"two\""})");
  EXPECT_EQ(FetchOk(server().Url("/a.aci")), KeyOf(SmallImage(newer)));
  // And an image that is gone from the store is no image to keep.
  RktOk({"image", "rm", KeyOf(SmallImage(newer))});
  server().Forget();
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "If-None-Match"), "-");
}

TEST_F(Transfers, EtagThatNoHeaderCanHoldIsForgotten) {
  server().Put("/a.aci", SmallImage());
  for (const char* etag : {R"("\u0001")", R"("\u00e9")"}) {
    server().Rule("/a.aci", std::string("{\"etag\": ") + etag + "}");
    FetchOk(server().Url("/a.aci"));
    server().Forget();
    FetchOk(server().Url("/a.aci"));
    EXPECT_EQ(server().HeaderOf("GET /a.aci", "If-None-Match"), "-") << etag;
  }
}

TEST_F(Transfers, MaxAgeSparesRequests) {
  server().Put("/a.aci", SmallImage());
  const std::tuple<const char*, bool> cases[] = {
      {"max-age=1000", true},   {"no-store", false},           {"max-age=1000, no-cache", false},
      {"max-age=0100", false},  {"no-cache,max-age=50", true}, {"public", false},
      {"max-age=1000x", false},
  };
  for (const auto& [value, spared] : cases) {
    server().Rule("/a.aci", std::string(R"({"headers": {"Cache-Control": ")") + value + "\"}}");
    RktOk({"image", "gc", "--grace-period=0s"});
    std::string id = FetchOk(server().Url("/a.aci"));
    server().Forget();
    EXPECT_EQ(FetchOk(server().Url("/a.aci")), id);
    EXPECT_EQ(server().Requests().empty(), spared) << value;
    RktOk({"image", "rm", id});
  }
}

TEST_F(Transfers, MaxAgeEnds) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"headers": {"Cache-Control": "max-age=1"}})");
  FetchOk(server().Url("/a.aci"));
  server().Forget();
  SleepFor(1.2);
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().Requests().size(), 1u);
}

TEST_F(Transfers, PullPolicies) {
  server().Put("/a.aci", SmallImage());
  std::string url = server().Url("/a.aci");
  Fails(url, "unable to fetch image from URL", {"--pull-policy=never"});
  EXPECT_TRUE(server().Requests().empty());
  std::string id = FetchOk(url, {"--pull-policy=new"});
  server().Forget();
  EXPECT_EQ(FetchOk(url, {"--pull-policy=new"}), id);
  EXPECT_EQ(FetchOk(url, {"--pull-policy=never"}), id);
  EXPECT_EQ(FetchOk(url, {"--store-only"}), id);
  EXPECT_TRUE(server().Requests().empty());
  EXPECT_EQ(FetchOk(url), id) << "update is what fetch does";
  EXPECT_EQ(FetchOk(url, {"--no-store"}), id);
  EXPECT_EQ(server().Asked(), (Args{"GET /a.aci", "GET /a.aci"}));
  Fails(url + "?other", "unable to fetch", {"--pull-policy=never"});
}

TEST_F(Transfers, CimdUrl) {
  server().Put("/a.aci", SmallImage());
  std::string escaped;
  for (char c : server().Url("/a.aci"))
    escaped += c == '/' ? "%2F" : c == ':' ? "%3A" : std::string(1, c);
  EXPECT_EQ(FetchOk("cimd:aci-archive:v=0:" + escaped), KeyOf(SmallImage()));
}

TEST_F(Transfers, QueriesAreKept) {
  server().Put("/a.aci", SmallImage());
  insecure_ = "";
  server().Rule("/a.aci.asc", R"({"status": 404})");
  Fails(server().Url("/a.aci?token=x"), "bad HTTP status code: 404");
  EXPECT_EQ(server().Asked(), Args{"GET /a.aci.asc?token=x"});
}

TEST_F(Transfers, ErrorsOfTheServer) {
  Fails(server().Url("/missing.aci"), "bad HTTP status code: 404");
  server().Rule("/a.aci", R"({"status": 503})");
  Fails(server().Url("/a.aci"), "bad HTTP status code: 503");
  server().Rule("/a.aci", R"({"status": 202})");
  Fails(server().Url("/a.aci"), "202");
  server().Rule("/a.aci", R"({"status": 416})");
  Fails(server().Url("/a.aci"), "bad HTTP status code: 416");
  server().Rule("/a.aci", R"({"status": 304})");
  Fails(server().Url("/a.aci"), "unchanged");
  Fails("https://127.0.0.1:1/a.aci", "127.0.0.1");
}

TEST_F(Transfers, CutConnectionLeavesNothing) {
  server().Put("/a.aci", SmallImage({}, 1 << 20));
  server().Rule("/a.aci", R"({"cut": 500000})");
  Fails(server().Url("/a.aci"), "");
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
}

TEST_F(Transfers, HeadersWithoutEndAreCutOff) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"flood": true})");
  Fails(server().Url("/a.aci"), "headers");
}

TEST_F(Transfers, BodyWithoutEndFillsTheDiskAndLeavesNothing) {
  MakeDirs(data());
  SmallDisk disk(data(), "size=20m");
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"endless": true})");
  Fails(server().Url("/a.aci"), "no space left");
}

TEST_F(Transfers, SignatureWithoutEndIsCutOff) {
  insecure_ = "";
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", "x");
  server().Rule("/a.aci.asc", R"({"endless": true})");
  Fails(server().Url("/a.aci"), "more than the");
  EXPECT_EQ(server().Asked(), Args{"GET /a.aci.asc"});
}

TEST_F(Transfers, SeededDownloadIsGoneOnFrom) {
  std::string image = SmallImage({}, 300000);
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"ranges": true, "modified": 1000000000})");
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  WriteFile(PartialFile(url), image.substr(0, 100000));
  EXPECT_EQ(FetchOk(url), KeyOf(image));
  EXPECT_EQ(server().Asked(), (Args{"HEAD /a.aci", "GET /a.aci"}));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Range"), "bytes=100000-");
}

TEST_F(Transfers, WhatCannotBeGoneOnFromIsFetchedWhole) {
  std::string image = SmallImage({}, 300000);
  server().Put("/a.aci", image);
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"modified": 1000000000})", "cannot resume"},
      {R"({"ranges": true})", "cannot resume"},
      {R"({"ranges": true, "modified": 4000000000})", "cannot resume"},
      {R"({"ranges": true, "modified": 1000000000, "head": 405})", "cannot resume"},
  };
  for (const auto& [rule, notice] : cases) {
    server().Rule("/a.aci", rule);
    server().Forget();
    WriteFile(PartialFile(url), std::string(100000, 'x'));
    Output output = FetchImage(url);
    EXPECT_EQ(output.code, 0) << rule << output.All();
    EXPECT_EQ(Trim(output.out), KeyOf(image)) << rule;
    EXPECT_TRUE(Contains(output.err, notice)) << rule << output.err;
    EXPECT_EQ(server().HeaderOf("GET /a.aci", "Range"), "-") << rule;
  }
}

TEST_F(Transfers, EtagOfAPartTellsWhetherItStillFits) {
  std::string image = SmallImage({}, 300000);
  server().Put("/a.aci", image);
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  server().Rule("/a.aci", R"({"ranges": true, "etag": "\"now\""})");
  WriteFile(PartialFile(url), image.substr(0, 1000));
  WriteFile(PartialFile(url) + ".etag", "\"now\"");
  FetchOk(url);
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Range"), "bytes=1000-");
  RktOk({"image", "rm", KeyOf(image)});
  server().Forget();
  WriteFile(PartialFile(url), std::string(1000, 'x'));
  WriteFile(PartialFile(url) + ".etag", "\"then\"");
  EXPECT_EQ(FetchOk(url), KeyOf(image));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Range"), "-");
}

TEST_F(Transfers, RangeNotSatisfiableStartsAnew) {
  std::string image = SmallImage();
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"ranges": true, "modified": 1000000000})");
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  WriteFile(PartialFile(url), image + "and more");
  EXPECT_EQ(FetchOk(url), KeyOf(image));
  EXPECT_EQ(server().Asked(), (Args{"HEAD /a.aci", "GET /a.aci", "GET /a.aci"}));
}

TEST_F(Transfers, WholeDownloadOfAKilledImportIsNotFetchedAgain) {
  std::string image = SmallImage();
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"ranges": true, "modified": 1000000000})");
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  WriteFile(PartialFile(url), image);
  EXPECT_EQ(FetchOk(url), KeyOf(image));
  EXPECT_EQ(server().Asked(), Args{"HEAD /a.aci"});
}

TEST_F(Transfers, AnotherRangeThanAskedForIsRefused) {
  std::string image = SmallImage({}, 300000);
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"ranges": true, "modified": 1000000000, "range_lie": true})");
  std::string url = server().Url("/a.aci");
  MakeDirs(data() + "/cas/tmp");
  WriteFile(PartialFile(url), image.substr(0, 1000));
  Fails(url, "another range");
}

TEST_F(Transfers, KilledDownloadIsGoneOnFrom) {
  std::string image = SmallImage({}, 4 << 20);
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"ranges": true, "etag": "\"v\"", "rate": 1000000})");
  std::string url = server().Url("/a.aci");
  std::string partial = PartialFile(url);
  {
    Background rkt = StartRkt({"fetch", url}, env_);
    struct stat st;
    for (double end = Now() + 20;
         Now() < end && (stat(partial.c_str(), &st) != 0 || st.st_size < 500000);) {
      SleepFor(0.02);
    }
    rkt.Kill(SIGKILL);
    rkt.Wait();
  }
  ASSERT_TRUE(Exists(partial));
  SleepFor(0.2);
  size_t had = ReadFile(partial).size();
  RktOk({"image", "fsck"});
  RktOk({"image", "gc"});
  EXPECT_GE(had, 500000u);
  server().Rule("/a.aci", R"({"ranges": true, "etag": "\"v\""})");
  server().Forget();
  EXPECT_EQ(FetchOk(url), KeyOf(image));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Range"), "bytes=" + std::to_string(had) + "-");
}

TEST_F(Transfers, TenAtOnceDownloadOnce) {
  std::string image = SmallImage({}, 2 << 20);
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"rate": 2000000})");
  std::vector<Background> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(StartRkt({"fetch", "--full", server().Url("/a.aci")}, env_));
  size_t waited = 0;
  for (Background& rkt : all) {
    Output output = rkt.Wait();
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_EQ(Trim(output.out), KeyOf(image));
    waited += Contains(output.err, "another rkt instance is downloading this file, waiting...");
  }
  EXPECT_EQ(waited, 9u);
  EXPECT_EQ(server().Asked(), Args{"GET /a.aci"});
}

TEST_F(Transfers, WaitingOnesTakeOverWhenTheDownloaderIsKilled) {
  std::string image = SmallImage({}, 2 << 20);
  server().Put("/a.aci", image);
  server().Rule("/a.aci", R"({"rate": 1000000, "ranges": true, "etag": "\"e\""})");
  std::string url = server().Url("/a.aci");
  Background first = StartRkt({"fetch", "--full", url}, env_);
  ASSERT_TRUE(first.WaitForText("Downloading ACI") || Contains(first.err(), "Downloading"));
  Background second = StartRkt({"fetch", "--full", url}, env_);
  SleepFor(0.5);
  first.Kill(SIGKILL);
  first.Wait();
  Output output = second.Wait();
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(output.out), KeyOf(image));
}

TEST_F(Transfers, ProgressInPlainLines) {
  server().Put("/a.aci", SmallImage({}, 2500000));
  server().Rule("/a.aci", R"({"rate": 1000000})");
  Output output = FetchImage(server().Url("/a.aci"));
  std::vector<std::string> lines = Lines(output.err);
  ASSERT_GE(lines.size(), 3u) << output.err;
  EXPECT_LE(lines.size(), 6u) << output.err;
  EXPECT_EQ(lines[0], "Downloading ACI:  0 B/2.5 MB");
  EXPECT_EQ(lines.back(), "Downloading ACI:  2.5 MB/2.5 MB");
  EXPECT_FALSE(Contains(output.err, "[")) << output.err;
}

TEST_F(Transfers, ProgressOfUnknownLength) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"length": false})");
  Output output = FetchImage(server().Url("/a.aci"));
  EXPECT_EQ(output.code, 0);
  EXPECT_TRUE(Contains(output.err, "Downloading ACI: 0 B of an unknown total size\n"))
      << output.err;
}

TEST_F(Transfers, ProgressOnATerminal) {
  server().Put("/a.aci", SmallImage({}, 2500000));
  server().Rule("/a.aci", R"({"rate": 1000000})");
  Terminal terminal(RktArgs({"fetch", server().Url("/a.aci")}), env_);
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
  const std::string& screen = terminal.screen();
  EXPECT_TRUE(Contains(screen, "Downloading ACI: [=")) << screen;
  EXPECT_TRUE(Contains(screen, " B/2.5 MB\r")) << screen;
  EXPECT_TRUE(Contains(screen, "] 2.5 MB/2.5 MB")) << screen;
  EXPECT_TRUE(Contains(screen, "MB/s") || Contains(screen, "KB/s")) << screen;
  EXPECT_TRUE(Contains(screen, "s left\r")) << screen;
  for (const std::string& drawn : Split(Split(screen, '\n')[0], '\r')) {
    if (!drawn.empty()) {
      EXPECT_EQ(drawn.size(), 80u) << drawn;
    }
  }
}

TEST_F(Transfers, BasicCredentialsGoToTheirHost) {
  server().Put("/a.aci", SmallImage());
  Configure("a.json", R"({"rktKind":"auth","rktVersion":"v1","domains":[")" + server().HostPort() +
                          R"("],"type":"basic","credentials":{"user":"me","password":"secret"}})");
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Authorization"), "Basic bWU6c2VjcmV0");
}

TEST_F(Transfers, TokensGoToTheirHost) {
  server().Put("/a.aci", SmallImage());
  Configure("a.json", R"({"rktKind":"auth","rktVersion":"v1","domains":[")" + server().HostPort() +
                          R"("],"type":"oauth","credentials":{"token":"sometoken"}})");
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Authorization"), "Bearer sometoken");
}

TEST_F(Transfers, AwsRequestsAreSigned) {
  server().Put("/a.aci", SmallImage());
  Configure("a.json",
            R"({"rktKind":"auth","rktVersion":"v1","domains":[")" + server().HostPort() +
                R"("],"type":"aws","credentials":{"accessKeyID":"AKID","secretAccessKey":"k"}})");
  FetchOk(server().Url("/a.aci"));
  std::string authorization = server().HeaderOf("GET /a.aci", "Authorization");
  EXPECT_TRUE(StartsWith(authorization, "AWS4-HMAC-SHA256 Credential=AKID/2")) << authorization;
  EXPECT_TRUE(Contains(authorization,
                       "/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature="))
      << authorization;
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "X-Amz-Date").size(), 16u);
}

TEST_F(Transfers, CredentialsDoNotGoByPlainHttp) {
  AciServer& plain = Other(/*tls=*/false);
  plain.Put("/a.aci", SmallImage());
  Configure("a.json", R"({"rktKind":"auth","rktVersion":"v1","domains":[")" + plain.HostPort() +
                          R"("],"type":"oauth","credentials":{"token":"sometoken"}})");
  FetchOk(plain.Url("/a.aci"));
  EXPECT_EQ(plain.HeaderOf("GET /a.aci", "Authorization"), "-");
}

TEST_F(Transfers, CredentialsStayBehindOnRedirects) {
  AciServer& other = Other(/*tls=*/true);
  other.Put("/a.aci", SmallImage());
  other.Rule("/back.aci", "{\"redirect\": \"" + server().Url("/end.aci") + "\"}");
  server().Put("/end.aci", SmallImage());
  server().Rule("/a.aci", "{\"redirect\": \"" + other.Url("/a.aci") + "\"}");
  server().Rule("/round.aci", "{\"redirect\": \"" + other.Url("/back.aci") + "\"}");
  server().Rule("/here.aci", R"({"redirect": "/end.aci", "status": 307})");
  // Even where the other host has some of its own: a server does not say when they are used.
  for (const AciServer* one : {&server(), &other}) {
    Configure(std::to_string(one->port()) + ".json",
              R"({"rktKind":"auth","rktVersion":"v1","domains":[")" + one->HostPort() +
                  R"("],"type":"oauth","credentials":{"token":"sometoken"}})");
  }
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Authorization"), "Bearer sometoken");
  EXPECT_EQ(other.HeaderOf("GET /a.aci", "Authorization"), "-");
  EXPECT_EQ(other.HeaderOf("GET /a.aci", "User-Agent"), "rkt/2.0.0");
  FetchOk(server().Url("/round.aci"));
  EXPECT_EQ(server().HeaderOf("GET /end.aci", "Authorization"), "-");
  server().Forget();
  FetchOk(server().Url("/here.aci"));
  EXPECT_EQ(server().HeaderOf("GET /end.aci", "Authorization"), "Bearer sometoken");
}

TEST_F(Transfers, UserAndPasswordOfTheUrlStayBehindToo) {
  AciServer& other = Other(/*tls=*/true);
  other.Put("/a.aci", SmallImage());
  server().Rule("/a.aci", "{\"redirect\": \"" + other.Url("/a.aci") + "\"}");
  Output output =
      Rkt({"--debug", "fetch", "https://me:secret@" + server().HostPort() + "/a.aci"}, env_);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_FALSE(Contains(output.err, "secret")) << output.err;
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "Authorization"), "Basic bWU6c2VjcmV0");
  EXPECT_EQ(other.HeaderOf("GET /a.aci", "Authorization"), "-");
  for (const std::string& name : ListDir(data() + "/cas/remote"))
    EXPECT_FALSE(Contains(ReadFile(data() + "/cas/remote/" + name), "secret"));
}

TEST_F(Transfers, RedirectsFromHttpsToHttpAreRefused) {
  AciServer& plain = Other(/*tls=*/false);
  plain.Put("/a.aci", SmallImage());
  server().Rule("/a.aci", "{\"redirect\": \"" + plain.Url("/a.aci") + "\"}");
  Fails(server().Url("/a.aci"), "plain http");
  EXPECT_TRUE(plain.Requests().empty());
  insecure_ = "image,http";
  FetchOk(server().Url("/a.aci"));
}

TEST_F(Transfers, OtherSchemesAreNotFollowed) {
  WriteFile(dir() + "/secret.aci", SmallImage());
  server().Rule("/a.aci", "{\"redirect\": \"file://" + dir() + "/secret.aci\"}");
  Fails(server().Url("/a.aci"), "only URLs of http and https");
  server().Rule("/a.aci", R"({"redirect": "ftp://127.0.0.1/a.aci"})");
  Fails(server().Url("/a.aci"), "only URLs of http and https");
}

TEST_F(Transfers, RedirectsEnd) {
  server().Rule("/a.aci", R"({"redirect": "/a.aci"})");
  Fails(server().Url("/a.aci"), "10 redirects");
  EXPECT_EQ(server().Requests().size(), 11u);
}

TEST_F(Transfers, ProxyOfTheEnvironment) {
  AciServer& proxy = Other(/*tls=*/false);
  proxy.Put("/a.aci", SmallImage());
  for (const char* name : {"http_proxy", "HTTP_PROXY"}) {
    env_.env = {std::string(name) + "=" + proxy.Url("")};
    proxy.Forget();
    FetchOk("http://images.example/a.aci");
    EXPECT_EQ(proxy.Asked(), Args{"GET http://images.example/a.aci"}) << name;
  }
  for (const char* name : {"https_proxy", "HTTPS_PROXY"}) {
    env_.env = {std::string(name) + "=" + proxy.Url("")};
    proxy.Forget();
    insecure_ = "image,tls";
    EXPECT_EQ(FetchImage("https://images.example/a.aci").code, 254);
    EXPECT_EQ(proxy.Asked(), Args{"CONNECT images.example:443"}) << name;
  }
  env_.env = {"http_proxy=" + proxy.Url(""), "no_proxy=images.example"};
  proxy.Forget();
  EXPECT_EQ(FetchImage("http://images.example/a.aci").code, 254);
  EXPECT_TRUE(proxy.Requests().empty());
}

TEST_F(Transfers, NonRootFetches) {
  server().Put("/a.aci", SmallImage());
  ASSERT_EQ(RunProgram({"chmod", "-R", "a+rX", dir() + "/tls"}).code, 0);
  MakeDirs(dir() + "/own");
  ASSERT_EQ(chown((dir() + "/own").c_str(), 65534, 65534), 0);
  Options options = env_;
  options.uid = 65534;
  Output output =
      RunProgram({RktBinary(), "--dir=" + dir() + "/own/data", "--insecure-options=image", "fetch",
                  "--full", server().Url("/a.aci")},
                 options);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(Trim(output.out), KeyOf(SmallImage()));
  EXPECT_TRUE(ListDir(dir() + "/own/data/cas/tmp").empty());
}

TEST_F(Transfers, WhatIsNoImageLeavesNothing) {
  server().Put("/a.aci", "just text\n");
  Fails(server().Url("/a.aci"), "DetectFileType");
  EXPECT_FALSE(Exists(data() + "/cas/remote"));
}

// --- signatures ---

class SignedTransfers : public Transfers {
 protected:
  void SetUp() override {
    Transfers::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    insecure_ = "";
    gpg_ = dir() + "/g";
    MakeDirs(gpg_);
    chmod(gpg_.c_str(), 0700);
    Gpg("--quick-generate-key 'Tester <t@example.com>' ed25519 sign 0");
    WriteFile(dir() + "/pub.gpg", Gpg("--armor --export t@example.com"));
  }
  void TearDown() override {
    RunProgram({"gpgconf", "--kill", "all"}, {.env = {"GNUPGHOME=" + gpg_}});
    Transfers::TearDown();
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
  std::string Sign(const std::string& bytes) {
    WriteFile(dir() + "/signed", bytes);
    return Gpg("--armor --output - --detach-sign " + dir() + "/signed");
  }
  void Trust(const std::string& prefix) {
    RktOk({"trust", "--prefix=" + prefix, "--skip-fingerprint-review", dir() + "/pub.gpg"});
  }
  std::string gpg_;
};

TEST_F(SignedTransfers, SignatureComesFirstAndIsVerified) {
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", Sign(SmallImage()));
  Trust("example.com/judge");
  Output output = FetchImage(server().Url("/a.aci"));
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_TRUE(Contains(output.err, "image: signature verified:\n  Tester <t@example.com>\n"))
      << output.err;
  EXPECT_TRUE(Contains(output.err, "Downloading signature:  ")) << output.err;
  EXPECT_EQ(server().Asked(), (Args{"GET /a.aci.asc", "GET /a.aci"}));
  EXPECT_EQ(server().HeaderOf("GET /a.aci.asc", "User-Agent"), "rkt/2.0.0");
}

TEST_F(SignedTransfers, UnknownKeyIsRefused) {
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", Sign(SmallImage()));
  Fails(server().Url("/a.aci"), "openpgp: signature made by unknown entity");
  EXPECT_EQ(Trim(RktOk({"image", "list", "--format=json"}).out), "null");
  EXPECT_FALSE(Exists(data() + "/cas/remote"));
}

TEST_F(SignedTransfers, SignatureOverOtherBytesIsRefused) {
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", Sign("something else"));
  Trust("example.com/judge");
  Fails(server().Url("/a.aci"), "openpgp: invalid signature");
}

TEST_F(SignedTransfers, SignatureFileOfTheCommandLine) {
  server().Put("/a.aci", SmallImage());
  WriteFile(dir() + "/own.asc", Sign(SmallImage()));
  Trust("example.com/judge");
  Output output = Rkt({"fetch", server().Url("/a.aci"), "--signature=" + dir() + "/own.asc"}, env_);
  EXPECT_EQ(output.code, 0) << output.All();
  EXPECT_EQ(server().Asked(), Args{"GET /a.aci"});
}

TEST_F(SignedTransfers, DeferredSignatureIsAskedForAgain) {
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", Sign(SmallImage()));
  server().Rule("/a.aci.asc", R"({"status": [202, 200]})");
  Trust("example.com/judge");
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().Asked(), (Args{"GET /a.aci.asc", "GET /a.aci", "GET /a.aci.asc"}));
}

TEST_F(SignedTransfers, SignatureDeferredTwiceIsAnError) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci.asc", R"({"status": 202})");
  Fails(server().Url("/a.aci"), "202");
  EXPECT_EQ(server().Asked(), (Args{"GET /a.aci.asc", "GET /a.aci", "GET /a.aci.asc"}));
}

TEST_F(SignedTransfers, UnsignedCopyInTheStoreIsNotTakenForSigned) {
  server().Put("/a.aci", SmallImage());
  server().Rule("/a.aci", R"({"etag": "\"e\"", "headers": {"Cache-Control": "max-age=1000"}})");
  insecure_ = "image";
  FetchOk(server().Url("/a.aci"));
  insecure_ = "";
  Fails(server().Url("/a.aci"), "bad HTTP status code: 404");
  server().Put("/a.aci.asc", Sign(SmallImage()));
  Trust("example.com/judge");
  server().Forget();
  FetchOk(server().Url("/a.aci"));
  EXPECT_EQ(server().HeaderOf("GET /a.aci", "If-None-Match"), "-");
  server().Forget();
  FetchOk(server().Url("/a.aci"));
  EXPECT_TRUE(server().Requests().empty());
}

TEST_F(SignedTransfers, KeyFromAUrl) {
  server().Put("/pub.gpg", ReadFile(dir() + "/pub.gpg"));
  RktOk({"trust", "--prefix=example.com", "--skip-fingerprint-review", server().Url("/pub.gpg")},
        env_);
  server().Put("/a.aci", SmallImage());
  server().Put("/a.aci.asc", Sign(SmallImage()));
  FetchOk(server().Url("/a.aci"));
  env_.env = {};
  Output output =
      Rkt({"trust", "--prefix=example.com", "--skip-fingerprint-review", server().Url("/pub.gpg")});
  EXPECT_EQ(output.code, 254) << "a key from an unverified peer";
}

TEST_F(SignedTransfers, KeyByHttpNeedsTheFlagEvenAfterARedirect) {
  AciServer& plain = Other(/*tls=*/false);
  plain.Put("/pub.gpg", ReadFile(dir() + "/pub.gpg"));
  server().Rule("/pub.gpg", "{\"redirect\": \"" + plain.Url("/pub.gpg") + "\"}");
  for (const std::string& url : {plain.Url("/pub.gpg"), server().Url("/pub.gpg")}) {
    Args command = {"trust", "--root", "--skip-fingerprint-review", url};
    EXPECT_EQ(Rkt(command, env_).code, 254) << url;
    EXPECT_TRUE(plain.Requests().empty());
    command.push_back("--insecure-allow-http");
    RktOk(command, env_);
    plain.Forget();
  }
}

TEST_F(SignedTransfers, KeyFromHttpsNeedsNoReviewWhereAllowed) {
  server().Put("/pub.gpg", ReadFile(dir() + "/pub.gpg"));
  EXPECT_EQ(Rkt({"trust", "--root", server().Url("/pub.gpg")}, env_).code, 254);
  RktOk({"--trust-keys-from-https", "trust", "--root", server().Url("/pub.gpg")}, env_);
}

}  // namespace
}  // namespace rkt::test
