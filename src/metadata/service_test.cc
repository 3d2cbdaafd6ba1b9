// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "metadata/hmac.h"
#include "metadata/http.h"
#include "metadata/registration.h"
#include "metadata/registry.h"

namespace rkt::metadata {
namespace {

using ::testing::ElementsAre;

std::string Hex(const std::string& bytes) { return HexEncode(bytes.data(), bytes.size()); }

TEST(Hmac, IsThatOfRfc4231) {
  EXPECT_EQ(Hex(HmacSha512(std::string(20, '\x0b'), "Hi There")),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f170"
            "2e696c203a126854");
  EXPECT_EQ(Hex(HmacSha512("Jefe", "what do ya want for nothing?")),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b"
            "636e070a38bce737");
  // A key longer than a block is hashed first.
  EXPECT_EQ(Hex(HmacSha512(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec"
            "8b915a985d786598");
}

TEST(Base64, IsThatOfRfc4648) {
  EXPECT_EQ(Base64Text(""), "");
  EXPECT_EQ(Base64Text("f"), "Zg==");
  EXPECT_EQ(Base64Text("fo"), "Zm8=");
  EXPECT_EQ(Base64Text("foo"), "Zm9v");
  EXPECT_EQ(Base64Text("\xff\xef\xbe"), "/+++");
}

// All requests of a stream that comes in pieces of that size, and how it ended.
std::vector<std::string> ReadAll(const std::string& stream, size_t piece, int* failure) {
  HttpReader reader(1000);
  std::vector<std::string> requests;
  for (size_t at = 0; at < stream.size(); at += piece) {
    reader.Feed(std::string_view(stream).substr(at, piece));
    while (auto request = reader.Next()) {
      requests.push_back(StrCat(request->method, " ", request->path, "?", request->query, " ", request->body,
                                request->keep_alive ? "" : " close"));
    }
  }
  *failure = reader.failure();
  return requests;
}

TEST(Http, RequestsComeWholeHoweverTheyArrive) {
  const std::string stream =
      "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /form HTTP/1.1\r\ncontent-length: 5\r\n\r\nab=cd"
      "\r\nPUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: t\r\n\r\n"
      "GET /last HTTP/1.0\r\n\r\n";
  for (size_t piece : {1, 2, 3, 7, 1000}) {
    int failure;
    EXPECT_THAT(ReadAll(stream, piece, &failure),
                ElementsAre("GET /a?b=c ", "POST /form? ab=cd", "PUT /chunks? abcd", "GET /last?  close"))
        << piece;
    EXPECT_EQ(failure, 0);
  }
}

TEST(Http, WhatTwoReadersWouldReadDifferentlyIsRefused) {
  struct Case {
    const char* head;
    int status;
  };
  for (const Case& c : {Case{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", 400},
                        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400},
                        {"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", 501},
                        {"GET / HTTP/1.1\r\nContent-Length: +1", 400},
                        {"GET / HTTP/1.1\r\nContent-Length: -1", 400},
                        {"GET / HTTP/1.1\r\nContent-Length: 1001", 413},
                        {"GET / HTTP/1.1\r\nName : x", 400},
                        {"GET / HTTP/1.1\r\n folded", 400},
                        {"GET / HTTP/2.0", 505},
                        {"GET  / HTTP/1.1", 400},
                        {"GET http://x/ HTTP/1.1", 400},
                        {"GET /", 400}}) {
    int failure;
    EXPECT_THAT(ReadAll(StrCat(c.head, "\r\n\r\nxx"), 1000, &failure), ElementsAre()) << c.head;
    EXPECT_EQ(failure, c.status) << c.head;
  }
  int failure;
  (void)ReadAll(StrCat("GET /", std::string(20000, 'a')), 100, &failure);
  EXPECT_EQ(failure, 431);
  (void)ReadAll("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n", 100, &failure);
  EXPECT_EQ(failure, 400);
  (void)ReadAll("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n", 100, &failure);
  EXPECT_EQ(failure, 413);
}

TEST(Http, DamagedRequestsAreAnswered) {
  const std::string good =
      "POST /pods/x?a=%20 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
      "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
  for (size_t i = 0; i < good.size(); ++i) {
    for (int change = 0; change < 256; change += 5) {
      std::string damaged = good;
      damaged[i] = static_cast<char>(change);
      int failure;
      for (const std::string& request : ReadAll(damaged, 11, &failure)) EXPECT_LT(request.size(), good.size());
    }
  }
}

TEST(Forms, AreDecoded) {
  auto form = ParseForm("a=b+c&d=%26%3D&e&=f&&a=second");
  ASSERT_TRUE(form);
  EXPECT_EQ(*FindField(*form, "a"), "b c");
  EXPECT_EQ(*FindField(*form, "d"), "&=");
  EXPECT_EQ(*FindField(*form, "e"), "");
  EXPECT_EQ(FindField(*form, "x"), nullptr);
  EXPECT_FALSE(ParseForm("a=%2"));
  EXPECT_FALSE(ParseForm("%zz=1"));
  EXPECT_EQ(PercentDecode(PercentEncode("a b/c%\xff+")), "a b/c%\xff+");
}

// In time that grows with their number and not with its square: one pod must not keep the service from the others.
TEST(HttpReader, TakesManySmallPieces) {
  constexpr size_t kCount = 1 << 20;
  std::string request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t i = 0; i < kCount; ++i) request += "1\r\nx\r\n";
  std::string lines;
  for (size_t i = 0; i < kCount; ++i) lines += "\r\n";
  HttpReader reader(kCount);
  reader.Feed(lines + request + "0\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
  auto first = reader.Next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->body, std::string(kCount, 'x'));
  auto second = reader.Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->path, "/second");
  EXPECT_FALSE(reader.Next());
}

class RegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/metadata-test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { (void)RemoveTreeAt(AT_FDCWD, directory_); }
  Registry Open() {
    auto registry = Registry::Open(directory_, 18112);
    EXPECT_TRUE(registry);
    return *std::move(registry);
  }
  static HttpRequest Request(const std::string& method, const std::string& target, const std::string& body = "") {
    HttpReader reader(100000);
    reader.Feed(StrCat(method, " ", target, " HTTP/1.1\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    return *reader.Next();
  }
  static std::string Uuid(char digit) { return StrCat(std::string(8, digit), "-1111-4111-8111-111111111111"); }
  static int Put(Registry& registry, char digit, const std::string& token, const std::string& more = "") {
    std::string pod = R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"a","image":{"id":"sha512-)" +
                      std::string(32, 'a') + "\"}}]}";
    return registry.Register(Request("PUT", StrCat("/pods/", Uuid(digit), "?token=", token, more), pod)).status;
  }
  static int Ask(const Registry& registry, const std::string& token, const std::string& peer) {
    return registry.Answer(Request("GET", StrCat("/", token, "/acMetadata/v1/pod/uuid")), peer).status;
  }
  std::string directory_;
};

TEST_F(RegistryTest, ATokenIsGoodFromThePodsAddressesOnly) {
  Registry registry = Open();
  ASSERT_EQ(Put(registry, '1', "one"), 200);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.9"), 200);  // nobody has said where it is
  std::string target = StrCat("/pods/", Uuid('1'), "?host=127.0.0.1&address=10.1.0.2&address=FD00:0::2");
  EXPECT_EQ(registry.Register(Request("POST", target)).body, R"({"port":18112})");
  EXPECT_EQ(Ask(registry, "one", "10.1.0.2"), 200);
  EXPECT_EQ(Ask(registry, "one", "fd00::2"), 200);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.9"), 401);
  EXPECT_EQ(Ask(registry, "one", "127.0.0.1"), 401);
  EXPECT_EQ(Ask(registry, "two", "10.1.0.2"), 401);
  // Without addresses of its own it is the host that asks.
  ASSERT_EQ(registry.Register(Request("POST", StrCat("/pods/", Uuid('1'), "?host=127.0.0.1"))).status, 200);
  EXPECT_EQ(Ask(registry, "one", "127.0.0.1"), 200);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.2"), 401);
}

TEST_F(RegistryTest, AddressesOfOthersAreNotListenedAt) {
  Registry registry = Open();
  ASSERT_EQ(Put(registry, '1', "one"), 200);
  auto post = [&](const std::string& query) {
    return registry.Register(Request("POST", StrCat("/pods/", Uuid('1'), "?", query))).status;
  };
  EXPECT_EQ(post("host=192.0.2.77"), 400);
  EXPECT_EQ(post("host=0.0.0.0"), 400);
  EXPECT_EQ(post("host=x"), 400);
  EXPECT_EQ(post("host=127.0.0.1&address=x"), 400);
  EXPECT_EQ(registry.Register(Request("POST", StrCat("/pods/", Uuid('2'), "?host=127.0.0.1"))).status, 409);
  EXPECT_TRUE(registry.hosts().empty());
}

TEST_F(RegistryTest, ComesBackAsItWasWithoutThePodsThatAreGone) {
  {
    Registry registry = Open();
    ASSERT_EQ(Put(registry, '1', "one", "&path=" + directory_), 200);
    ASSERT_EQ(Put(registry, '2', "two", "&path=/no/such/pod"), 200);
    ASSERT_EQ(Put(registry, '3', "three"), 200);
    ASSERT_EQ(registry.Register(Request("POST", StrCat("/pods/", Uuid('1'), "?host=127.0.0.1&address=10.1.0.2"))).status, 200);
    ASSERT_EQ(registry.Register(Request("DELETE", StrCat("/pods/", Uuid('3')))).status, 200);
  }
  ASSERT_TRUE(WriteFileAt(AT_FDCWD, StrCat(directory_, "/pods/", Uuid('4')), "{\"token\":", 0600));
  Registry registry = Open();
  EXPECT_EQ(registry.size(), 1u);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.2"), 200);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.3"), 401);
  EXPECT_EQ(Ask(registry, "two", "10.1.0.2"), 401);
}

TEST_F(RegistryTest, AnotherTokenIsAnotherStart) {
  Registry registry = Open();
  ASSERT_EQ(Put(registry, '1', "one"), 200);
  ASSERT_EQ(Put(registry, '1', "later"), 200);
  EXPECT_EQ(Ask(registry, "one", "10.1.0.2"), 401);
  EXPECT_EQ(Ask(registry, "later", "10.1.0.2"), 200);
  EXPECT_EQ(Put(registry, '2', "later"), 400);
}

TEST(Registration, TokensDifferAndUrlsHaveBrackets) {
  EXPECT_EQ(NewToken().size(), 32u);
  EXPECT_NE(NewToken(), NewToken());
  EXPECT_EQ(Url("10.1.0.1", 18112, "t"), "http://10.1.0.1:18112/t");
  EXPECT_EQ(Url("fd00::1", 1, "t"), "http://[fd00::1]:1/t");
  EXPECT_EQ(NormalAddress("::ffff:10.1.0.1"), "10.1.0.1");
}

}  // namespace
}  // namespace rkt::metadata
