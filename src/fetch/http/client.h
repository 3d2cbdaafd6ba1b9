// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// An HTTP client over libcurl (fenced in client.cc) for servers that are not trusted: only http and
// https, redirects followed by hand so that no secret leaves the host it belongs to, everything
// bounded. One request at a time; a client keeps its connections, so several requests should share
// one. A client belongs to one thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rkt::fetch::http {

struct Header {
  std::string name;
  std::string value;
};

// A URL of http or https in its parts.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string user;    // what stands before '@', not decoded; empty where nothing does
  std::string password;
  std::string host;   // lower case, IPv6 addresses in brackets
  std::string port;   // as written, empty where it was not
  std::string path;   // as written, at least "/"
  std::string query;  // without '?'

  bool https() const { return scheme == "https"; }
  // host[:port] as the URL has it: what credentials are configured for.
  std::string HostPort() const;
  // Scheme, host and port number: what a secret may not leave.
  std::string Origin() const;
  // The whole, without user and password.
  std::string Text() const;
};
// kInvalid where it is no URL, or one of another scheme.
Result<Url> ParseUrl(std::string_view text);
// A reference (as in "Location:") seen from a URL.
Result<Url> ResolveUrl(const Url& base, std::string_view reference);

struct Response {
  int status = 0;
  std::string url;              // the last one, after redirects; without user and password
  std::vector<Header> headers;  // of the last answer
  // Without a receiver for it: the body. With one: the body of answers that are not 2xx, at most
  // kMaxErrorBody of it.
  std::string body;

  // The (first) value of a header, "" where there is none. Names in any case.
  std::string_view Find(std::string_view name) const;
};

inline constexpr size_t kMaxErrorBody = 64u << 10;
inline constexpr size_t kMaxHeaders = 256u << 10;  // of one answer
inline constexpr int kMaxRedirects = 10;

struct Request {
  std::string method = "GET";  // GET, HEAD, POST
  std::string url;
  std::string user_agent;  // empty: none is sent
  std::vector<Header>
      headers;       // sent wherever redirects lead: Accept, Range and the like, never secrets
  std::string body;  // of a POST
  // The headers that prove who sends the request, asked for again for each URL of the same origin
  // (scheme, host and port) as the first. They are sent nowhere else, whatever redirects say; nor
  // are user and password of the URL.
  std::function<std::vector<Header>(const std::string& method, const Url& url)> authorize;

  bool allow_http = false;       // a URL of plain http, and redirects from http to http
  bool allow_downgrade = false;  // redirects from https to http
  bool skip_tls_check = false;   // any certificate will do

  // Bytes of the body that are accepted, of whatever length the server speaks; more is kInvalid.
  uint64_t max_body = 4u << 20;
  // Called once with the last answer, before its body (response.body is empty then). An error ends
  // the request.
  std::function<Status(const Response& response)> on_response;
  // Receives the body of a 2xx answer piece by piece. An error ends the request.
  std::function<Status(std::string_view piece)> on_body;
};

struct ClientOptions {
  long connect_timeout_s = 20;
  // A transfer that stays below this many bytes a second for so long is given up.
  long slow_bytes_per_s = 64;
  long slow_s = 60;
};

class Client {
 public:
  explicit Client(const ClientOptions& options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // The last answer, whatever its status: only what is no answer at all is an error (kNetwork), as
  // are kPermission for http where it is not allowed, kInvalid for what exceeds its bounds, and the
  // errors of the callbacks. Certificates: /etc/ssl/certs, or what SSL_CERT_FILE and SSL_CERT_DIR
  // name. Proxies: http_proxy, https_proxy and no_proxy, in lower or upper case.
  Result<Response> Do(const Request& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rkt::fetch::http
