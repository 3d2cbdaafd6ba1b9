// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// URLs, credentials, dates, and the client against a server of a few lines.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"
#include "fetch/http/auth.h"
#include "fetch/http/client.h"
#include "fetch/http/date.h"

namespace rkt::fetch::http {
namespace {

TEST(Url, IsTakenApartAsWritten) {
  Url url = ParseUrl("HTTPS://me:pa%20ss@Example.COM:8443/a/../b.aci?x=1&y=%2f#frag").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.user, "me");
  EXPECT_EQ(url.password, "pa%20ss");
  EXPECT_EQ(url.HostPort(), "example.com:8443");
  EXPECT_EQ(url.Text(), "https://example.com:8443/a/../b.aci?x=1&y=%2f");
  EXPECT_EQ(ParseUrl("http://h")->Text(), "http://h/");
  EXPECT_EQ(ParseUrl("http://h")->Origin(), ParseUrl("http://h:80/x")->Origin());
  EXPECT_NE(ParseUrl("http://h")->Origin(), ParseUrl("https://h")->Origin());
  EXPECT_EQ(ParseUrl("https://[::1]:9/")->HostPort(), "[::1]:9");
}

TEST(Url, OthersAreRefused) {
  for (const char* text :
       {"", "ftp://h/", "file:///etc/passwd", "http://", "https:///x", "http://h:99999/",
        "javascript:x", "http://h/a b", "http://h/\r\nX: y", "gopher://h", "/relative"}) {
    EXPECT_FALSE(ParseUrl(text)) << text;
  }
}

TEST(Url, ReferencesAreResolved) {
  Url base = ParseUrl("https://me:secret@h:1/a/b?q").value();
  EXPECT_EQ(ResolveUrl(base, "/c")->Text(), "https://h:1/c");
  EXPECT_EQ(ResolveUrl(base, "c?d")->Text(), "https://h:1/a/c?d");
  EXPECT_EQ(ResolveUrl(base, "//other/c")->Text(), "https://other/c");
  EXPECT_EQ(ResolveUrl(base, "http://other/")->user, "");
  EXPECT_FALSE(ResolveUrl(base, "file:///etc/passwd"));
}

TEST(Auth, BasicAndOauth) {
  config::Auth auth;
  auth.basic = {"Aladdin", "open sesame"};
  Url url = ParseUrl("https://h/").value();
  EXPECT_EQ(AuthHeaders(auth, "GET", url, 0)[0].value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  auth.type = config::Auth::Type::kOAuth;
  auth.token = "t";
  EXPECT_EQ(AuthHeaders(auth, "GET", url, 0)[0].value, "Bearer t");
  EXPECT_EQ(BasicFromUrl(ParseUrl("http://a%40b:c%3Ad@h/").value()).value,
            BasicHeader("a@b", "c:d").value);
}

TEST(Auth, RegionOfAHost) {
  EXPECT_EQ(RegionOfHost("s3-eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(RegionOfHost("bucket.s3-eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(RegionOfHost("bucket.s3.eu-central-1.amazonaws.com"), "eu-central-1");
  EXPECT_EQ(RegionOfHost("s3.amazonaws.com"), "us-east-1");
  EXPECT_EQ(RegionOfHost("images.example"), "us-east-1");
}

TEST(Auth, AwsSignsHostAndDate) {
  config::Auth auth;
  auth.type = config::Auth::Type::kAws;
  auth.access_key_id = "AKIDEXAMPLE";
  auth.secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  auth.region = "eu-west-1";
  auto headers = AuthHeaders(
      auth, "GET", ParseUrl("https://example.amazonaws.com/a%20b?y=2&x=1").value(), 1440938160);
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].name, "X-Amz-Date");
  EXPECT_EQ(headers[0].value, "20150830T123600Z");
  // Computed with Python's hmac and hashlib from the description of the signature.
  EXPECT_EQ(headers[1].value,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/s3/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=1160ce1b428cae67aad280521b4eebf0b8e677cce09814adc266631d7984a195");
  auto same = AuthHeaders(
      auth, "GET", ParseUrl("https://example.amazonaws.com/a%20b?x=1&y=2").value(), 1440938160);
  EXPECT_EQ(same[1].value, headers[1].value) << "the query is put in order";
  auto head = AuthHeaders(
      auth, "HEAD", ParseUrl("https://example.amazonaws.com/a%20b?x=1&y=2").value(), 1440938160);
  EXPECT_NE(head[1].value, headers[1].value);
}

TEST(Date, OfHeaders) {
  EXPECT_EQ(ParseDate("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_FALSE(ParseDate(""));
  EXPECT_FALSE(ParseDate("soon"));
  EXPECT_FALSE(ParseDate(std::string(1000, '1')));
}

// Answers each connection with the next of these texts, byte for byte. One that hangs keeps the connection open, and sends
// a character of `trickle` every tenth of a second.
class Canned {
 public:
  explicit Canned(std::vector<std::string> answers, bool hang = false, std::string trickle = "")
      : answers_(std::move(answers)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<struct sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), any, size), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    ::getsockname(listener_.get(), any, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, hang, trickle] {
      for (const std::string& answer : answers_) {
        Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection) return;
        std::string request;
        char c;
        while (!request.ends_with("\r\n\r\n") && ::read(connection.get(), &c, 1) == 1) request += c;
        requests_.push_back(request);
        (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        // 200 seconds are more than a client may have.
        for (size_t i = 0; i < 2000 && !trickle.empty(); ++i) {
          if (::send(connection.get(), &trickle[i % trickle.size()], 1, MSG_NOSIGNAL) != 1) break;
          ::usleep(100'000);
        }
        // Reads to the end: the client goes first.
        while (hang && ::read(connection.get(), &c, 1) == 1) {
        }
      }
    });
  }
  ~Canned() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string Url(const std::string& path = "/") const {
    return StrCat("http://127.0.0.1:", port_, path);
  }
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  std::vector<std::string> answers_, requests_;
  Fd listener_;
  int port_ = 0;
  std::thread thread_;
};

Request Plain(const std::string& url) { return {.url = url, .allow_http = true}; }

TEST(Client, GivesStatusHeadersAndBody) {
  Canned server(
      {"HTTP/1.1 100 Continue\r\nX: no\r\n\r\nHTTP/1.1 404 Not Found\r\nX-Some:  thing "
       "\r\nContent-Length: 3\r\n"
       "Connection: close\r\n\r\nabc"});
  Client client;
  auto response = client.Do(Plain(server.Url("/p?q")));
  ASSERT_TRUE(response) << response.error().Text();
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->Find("x-some"), "thing");
  EXPECT_EQ(response->Find("X"), "");
  EXPECT_EQ(response->body, "abc");
  EXPECT_TRUE(server.requests()[0].starts_with("GET /p?q HTTP/1.1\r\n")) << server.requests()[0];
  EXPECT_EQ(server.requests()[0].find("User-Agent"), std::string::npos);
}

TEST(Client, PlainHttpNeedsLeave) {
  Client client;
  EXPECT_EQ(client.Do({.url = "http://127.0.0.1:1/"}).error().code(), Code::kPermission);
}

TEST(Client, StreamsGoodBodiesAndKeepsThoseOfErrors) {
  for (int status : {200, 500}) {
    Canned server(
        {StrCat("HTTP/1.1 ", status, " X\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")});
    std::string streamed;
    int announced = 0;
    Request request = Plain(server.Url());
    request.on_response = [&](const Response& response) -> Status {
      announced = response.status;
      EXPECT_TRUE(streamed.empty());
      return {};
    };
    request.on_body = [&](std::string_view piece) -> Status {
      streamed += piece;
      return {};
    };
    Client client;
    auto response = client.Do(request);
    ASSERT_TRUE(response);
    EXPECT_EQ(announced, status);
    EXPECT_EQ(streamed, status == 200 ? "abc" : "");
    EXPECT_EQ(response->body, status == 200 ? "" : "abc");
  }
}

TEST(Client, ErrorsOfCallbacksEndTheRequest) {
  Canned server({"HTTP/1.1 200 X\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"});
  Request request = Plain(server.Url());
  request.on_body = [](std::string_view) -> Status { return Err(Code::kBusy, "enough"); };
  Client client;
  EXPECT_EQ(client.Do(request).error().message(), "enough");
}

TEST(Client, BoundsAreHeld) {
  std::string headers = "HTTP/1.1 200 X\r\n";
  for (int i = 0; i < 100; ++i) headers += StrCat("X-", i, ": ", std::string(4000, 'x'), "\r\n");
  Canned server(
      {"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + std::string(200, 'a'), headers + "\r\n"});
  Client client;
  Request request = Plain(server.Url());
  request.max_body = 100;
  EXPECT_EQ(client.Do(request).error().code(), Code::kInvalid);
  EXPECT_EQ(client.Do(request).error().code(), Code::kInvalid);
}

TEST(Client, ShortBodyIsAnError) {
  Canned server({"HTTP/1.1 200 X\r\nContent-Length: 30\r\nConnection: close\r\n\r\nabc"});
  Client client;
  EXPECT_EQ(client.Do(Plain(server.Url())).error().code(), Code::kNetwork);
}

TEST(Client, SilentServersAreGivenUp) {
  Canned server({"HTTP/1.1 200 X\r\nContent-Length: 30\r\n\r\nabc"}, /*hang=*/true);
  Client client({.connect_timeout_s = 2, .slow_bytes_per_s = 64, .slow_s = 1});
  EXPECT_EQ(client.Do(Plain(server.Url())).error().code(), Code::kNetwork);
}

TEST(Client, ServersThatTrickleAreGivenUp) {
  // Never silent for long, and never getting anywhere: in the headers, in a body of known and of unknown length, behind
  // interim answers.
  for (const auto& [begin, trickle] : std::vector<std::pair<std::string, std::string>>{
           {"HTTP/1.1 200 X\r\n", "X-A: b\r\n"},
           {"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n", "x"},
           {"HTTP/1.1 200 X\r\n\r\n", "x"},
           {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
           {"", "HTTP/1.1 102 Processing\r\n\r\n"}}) {
    Canned server({begin}, /*hang=*/true, trickle);
    Client client({.connect_timeout_s = 2, .slow_bytes_per_s = 64, .slow_s = 1});
    time_t started = ::time(nullptr);
    auto response = client.Do(Plain(server.Url()));
    ASSERT_FALSE(response) << begin;
    EXPECT_EQ(response.error().code(), Code::kNetwork) << begin;
    EXPECT_LT(::time(nullptr) - started, 60) << begin;
  }
}

TEST(Client, SecretsStayAtTheirOrigin) {
  Canned other({"HTTP/1.1 200 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"});
  Canned server(
      {"HTTP/1.1 302 X\r\nLocation: /here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
       StrCat("HTTP/1.1 302 X\r\nLocation: ", other.Url("/there"),
              "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")});
  Request request = Plain(server.Url());
  request.headers = {{"Accept", "text/x"}};
  request.authorize = [](const std::string&, const Url& url) {
    return std::vector<Header>{{"X-Auth-Token", "secret for " + url.path}};
  };
  Client client;
  auto response = client.Do(request);
  ASSERT_TRUE(response) << response.error().Text();
  EXPECT_EQ(response->url, other.Url("/there"));
  EXPECT_NE(server.requests()[0].find("X-Auth-Token: secret for /\r\n"), std::string::npos);
  EXPECT_NE(server.requests()[1].find("X-Auth-Token: secret for /here\r\n"), std::string::npos);
  EXPECT_EQ(other.requests()[0].find("secret"), std::string::npos)
      << "another port is another origin";
  EXPECT_NE(other.requests()[0].find("Accept: text/x"), std::string::npos);
}

TEST(Client, BodiesOfPostsAreNotRedirected) {
  Canned server(
      {"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: "
       "close\r\n\r\n"});
  Request request = Plain(server.Url());
  request.method = "POST";
  request.body = "password=x";
  Client client;
  auto response = client.Do(request);
  ASSERT_TRUE(response) << response.error().Text();
  EXPECT_EQ(response->status, 307);
}

TEST(Client, HeadersCannotBeSmuggledIn) {
  Request request = Plain("http://127.0.0.1:1/");
  request.headers = {{"X", "a\r\nY: b"}};
  Client client;
  EXPECT_EQ(client.Do(request).error().code(), Code::kInvalid);
}

}  // namespace
}  // namespace rkt::fetch::http
