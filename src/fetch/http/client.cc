// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/http/client.h"

#include <curl/curl.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

#include "fetch/http/auth.h"

namespace rkt::fetch::http {

namespace {

constexpr const char* kCertificates = "/etc/ssl/certs";

const char* Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// One exchange of a request and an answer, without redirects.
struct Exchange {
  const Request& request;
  Response response;
  size_t header_bytes = 0;
  uint64_t body_bytes = 0;
  bool announced = false;
  std::optional<Error> error;  // why we broke it off
  bool enough = false;         // broken off because the rest does not matter

  bool IsRedirect() const {
    int status = response.status;
    return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
           request.method != "POST" && !response.Find("Location").empty();
  }
  bool Ok() const { return response.status >= 200 && response.status < 300; }

  bool Fail(Error why) {
    error = std::move(why);
    return false;
  }
  // The headers are complete.
  bool Announce() {
    if (announced) return true;
    announced = true;
    if (IsRedirect() || !request.on_response) return true;
    Status status = request.on_response(response);
    return status || Fail(std::move(status).error());
  }

  bool TakeHeader(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kMaxHeaders)
      return Fail(Err(Code::kInvalid, "the server's headers have no end"));
    line = Trim(line);
    if (line.starts_with("HTTP/")) {  // the answer, or an interim one before it
      response.headers.clear();
      size_t blank = line.find(' ');
      std::string_view rest = blank == std::string_view::npos ? "" : line.substr(blank + 1);
      response.status = static_cast<int>(ParseUint(rest.substr(0, rest.find(' '))).value_or(0));
      return true;
    }
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    response.headers.push_back(
        {std::string(Trim(line.substr(0, colon))), std::string(Trim(line.substr(colon + 1)))});
    return true;
  }

  bool TakeBody(std::string_view piece) {
    if (!Announce()) return false;
    body_bytes += piece.size();
    if (IsRedirect()) {
      enough = body_bytes > kMaxErrorBody;
      return !enough;
    }
    if (request.on_body && Ok()) {
      if (body_bytes > request.max_body) return Fail(TooLong());
      Status status = request.on_body(piece);
      return status || Fail(std::move(status).error());
    }
    if (request.on_body) {
      response.body.append(piece.substr(0, kMaxErrorBody - response.body.size()));
      enough = body_bytes > kMaxErrorBody;
      return !enough;
    }
    if (body_bytes > request.max_body) return Fail(TooLong());
    response.body.append(piece);
    return true;
  }
  Error TooLong() const {
    return Err(Code::kInvalid, "the server sends more than the ", request.max_body,
               " bytes that are accepted");
  }
};

size_t OnHeader(char* data, size_t, size_t size, void* exchange) {
  return static_cast<Exchange*>(exchange)->TakeHeader({data, size}) ? size : 0;
}

size_t OnBody(char* data, size_t, size_t size, void* exchange) {
  return static_cast<Exchange*>(exchange)->TakeBody({data, size}) ? size : CURL_WRITEFUNC_ERROR;
}

struct ListDeleter {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

// An empty header ends in a semicolon: that is how curl is told of it.
Status Append(List& list, const Header& header) {
  std::string line =
      header.value.empty() ? header.name + ";" : StrCat(header.name, ": ", header.value);
  for (unsigned char c : line) {
    if (c < ' ' && c != '\t')
      return Err(Code::kInvalid, "control characters in the header ", Quote(header.name));
  }
  curl_slist* longer = ::curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return Err(Code::kInternal, "out of memory");
  (void)list.release();
  list.reset(longer);
  return {};
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

// curl reads the environment itself, but for two habits of rkt: HTTP_PROXY counts in upper case too
// (unless we are a CGI program, where it would be a header of the request), and this machine needs
// no proxy to reach itself.
void SetProxy(CURL* curl, const Url& url) {
  if (IsLoopback(url.host)) {
    ::curl_easy_setopt(curl, CURLOPT_PROXY, "");
  } else if (!url.https() && Environment("http_proxy") == nullptr &&
             Environment("HTTP_PROXY") != nullptr && std::getenv("REQUEST_METHOD") == nullptr) {
    ::curl_easy_setopt(curl, CURLOPT_PROXY, Environment("HTTP_PROXY"));
  }
}

void SetTls(CURL* curl, bool skip_check) {
  const char* file = Environment("SSL_CERT_FILE");
  const char* directory = Environment("SSL_CERT_DIR");
  if (directory == nullptr) directory = kCertificates;
  // A directory is read certificate by certificate when one is needed; the bundle would cost 30 ms
  // a connection.
  ::curl_easy_setopt(curl, CURLOPT_CAINFO, file);
  ::curl_easy_setopt(curl, CURLOPT_CAPATH, directory);
  ::curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, file);
  ::curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, directory);
  ::curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, skip_check ? 0L : 1L);
  ::curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, skip_check ? 0L : 2L);
}

}  // namespace

std::string_view Response::Find(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name.size() == name.size() &&
        ::strncasecmp(header.name.data(), name.data(), name.size()) == 0) {
      return header.value;
    }
  }
  return "";
}

struct Client::State {
  ClientOptions options;
  CURL* curl = nullptr;

  ~State() {
    if (curl != nullptr) ::curl_easy_cleanup(curl);
  }
  Status Perform(const Url& url, bool at_origin, Exchange& exchange);
};

Client::Client(const ClientOptions& options) : state_(std::make_unique<State>()) {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
  state_->options = options;
  state_->curl = ::curl_easy_init();
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Status Client::State::Perform(const Url& url, bool at_origin, Exchange& exchange) {
  const Request& request = exchange.request;
  List headers;
  for (const Header& header : request.headers) TRY(Append(headers, header));
  if (at_origin) {
    std::vector<Header> secrets;
    if (request.authorize) secrets = request.authorize(request.method, url);
    if (secrets.empty() && !url.user.empty()) secrets.push_back(BasicFromUrl(url));
    for (const Header& header : secrets) TRY(Append(headers, header));
  }

  char why[CURL_ERROR_SIZE] = "";
  ::curl_easy_reset(curl);  // connections stay
  std::string text = url.Text();
  ::curl_easy_setopt(curl, CURLOPT_URL, text.c_str());
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
  ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, options.connect_timeout_s);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, options.slow_bytes_per_s);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, options.slow_s);
  ::curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  ::curl_easy_setopt(curl, CURLOPT_HEADEROPT,
                     static_cast<long>(CURLHEADER_SEPARATE));  // none of them for proxies
  ::curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (!request.user_agent.empty())
    ::curl_easy_setopt(curl, CURLOPT_USERAGENT, request.user_agent.c_str());
  if (request.method == "HEAD") {
    ::curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST") {
    ::curl_easy_setopt(curl, CURLOPT_POST, 1L);
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
  }
  SetTls(curl, request.skip_tls_check);
  SetProxy(curl, url);
  ::curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);

  CURLcode code = ::curl_easy_perform(curl);
  if (exchange.error) return std::move(*exchange.error);
  if (code != CURLE_OK && !exchange.enough) {
    return Err(Code::kNetwork, request.method, " ", text, ": ",
               *why != '\0' ? why : ::curl_easy_strerror(code));
  }
  if (!exchange.Announce()) return std::move(*exchange.error);
  return {};
}

Result<Response> Client::Do(const Request& request) {
  if (state_->curl == nullptr) return Err(Code::kInternal, "cannot initialize libcurl");
  Url url = TRY(ParseUrl(request.url));
  if (!url.https() && !request.allow_http) {
    return Err(Code::kPermission, "plain http is not allowed here: ", Quote(url.Text()));
  }
  const std::string origin = url.Origin();
  bool at_origin = true;  // and never again after leaving it
  for (int redirects = 0;; ++redirects) {
    Exchange exchange{.request = request};
    TRY(state_->Perform(url, at_origin, exchange));
    exchange.response.url = url.Text();
    if (!exchange.IsRedirect()) return std::move(exchange.response);
    if (redirects == kMaxRedirects) {
      return Err(Code::kNetwork, "stopped after ", kMaxRedirects, " redirects, the last one at ",
                 url.Text());
    }
    std::string_view location = exchange.response.Find("Location");
    Url next = TRY_CTX(ResolveUrl(url, location), "following a redirect from ", url.Text());
    next.user.clear();
    next.password.clear();
    if (url.https() && !next.https() && !request.allow_downgrade) {
      return Err(Code::kPermission, "refusing the redirect from ", url.Text(),
                 " to plain http: ", Quote(next.Text()));
    }
    at_origin = at_origin && next.Origin() == origin;
    if (at_origin) {
      next.user = url.user;
      next.password = url.password;
    }
    url = std::move(next);
  }
}

}  // namespace rkt::fetch::http
