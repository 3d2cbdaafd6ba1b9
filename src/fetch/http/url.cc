// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <curl/curl.h>

#include <memory>

#include "fetch/http/client.h"

namespace rkt::fetch::http {

namespace {

constexpr size_t kMaxUrl = 16u << 10;

struct UrlDeleter {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, UrlDeleter>;

std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (::curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  std::string copy = text;
  ::curl_free(text);
  return copy;
}

// The dots of a path stay as they are: what a server means by them is its own affair.
constexpr unsigned kFlags = CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS;

Result<Url> Take(CURLU* handle, std::string_view text) {
  Url url;
  url.scheme = ToLower(Part(handle, CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    return Err(Code::kInvalid, "only URLs of http and https are fetched, and ", Quote(text),
               " is none");
  }
  url.user = Part(handle, CURLUPART_USER);
  url.password = Part(handle, CURLUPART_PASSWORD);
  url.host = ToLower(Part(handle, CURLUPART_HOST));
  url.port = Part(handle, CURLUPART_PORT);
  url.path = Part(handle, CURLUPART_PATH);
  url.query = Part(handle, CURLUPART_QUERY);
  if (url.host.empty()) return Err(Code::kInvalid, "the URL ", Quote(text), " names no host");
  if (url.path.empty()) url.path = "/";
  return url;
}

Result<Url> Parse(std::string_view base, std::string_view text) {
  Handle handle(::curl_url());
  if (!handle) return Err(Code::kInternal, "out of memory");
  if (text.size() > kMaxUrl) return Err(Code::kInvalid, "a URL of more than ", kMaxUrl, " bytes");
  for (unsigned char c : text) {
    if (c <= ' ' || c == 0x7f)
      return Err(Code::kInvalid, "the URL ", Quote(text), " has blanks or control characters");
  }
  // libcurl would take the first part of the path for the host.
  size_t scheme = text.find("://");
  if ((scheme == 4 || scheme == 5) && text.substr(scheme + 3).starts_with('/') &&
      ToLower(text.substr(0, 4)) == "http") {
    return Err(Code::kInvalid, "the URL ", Quote(text), " names no host");
  }
  if (!base.empty() &&
      ::curl_url_set(handle.get(), CURLUPART_URL, std::string(base).c_str(), kFlags) != CURLUE_OK) {
    return Err(Code::kInvalid, "malformed URL ", Quote(base));
  }
  CURLUcode code = ::curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), kFlags);
  if (code != CURLUE_OK) {
    return Err(Code::kInvalid, "malformed URL ", Quote(text), ": ",
               ToLower(::curl_url_strerror(code)));
  }
  return Take(handle.get(), text);
}

}  // namespace

std::string Url::HostPort() const { return port.empty() ? host : StrCat(host, ":", port); }

std::string Url::Origin() const {
  return StrCat(scheme, "://", host, ":", !port.empty() ? port : https() ? "443" : "80");
}

std::string Url::Text() const {
  return StrCat(scheme, "://", HostPort(), path, query.empty() ? "" : "?", query);
}

Result<Url> ParseUrl(std::string_view text) { return Parse("", text); }

Result<Url> ResolveUrl(const Url& base, std::string_view reference) {
  return Parse(base.Text(), reference);
}

}  // namespace rkt::fetch::http
