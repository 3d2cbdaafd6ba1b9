// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/http/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#include <algorithm>

#include "base/hash.h"

namespace rkt::fetch::http {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kService = "s3";

std::string Hmac(std::string_view key, std::string_view data) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest, &size);
  return std::string(reinterpret_cast<char*>(digest), size);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// As the signature wants it: everything but letters, digits and "-_.~" as %XX; '/' stays in paths.
std::string Escape(std::string_view text, bool path) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
        c == '_' || c == '.' || c == '~' || (path && c == '/')) {
      out += static_cast<char>(c);
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

std::string CanonicalQuery(std::string_view query) {
  if (query.empty()) return "";
  std::vector<std::string> pairs;
  for (const std::string& pair : Split(query, '&')) {
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string_view value =
        equals == std::string::npos ? "" : std::string_view(pair).substr(equals + 1);
    pairs.push_back(StrCat(Escape(Unescape(std::string_view(pair).substr(0, equals)), false), "=",
                           Escape(Unescape(value), false)));
  }
  std::sort(pairs.begin(), pairs.end());
  return Join(pairs, "&");
}

std::vector<Header> AwsHeaders(const config::Auth& auth, std::string_view method, const Url& url,
                               int64_t now_s) {
  time_t seconds = now_s;
  struct tm utc;
  ::gmtime_r(&seconds, &utc);
  char stamp[32];
  ::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
  const std::string_view date = std::string_view(stamp).substr(0, 8);
  const std::string region = auth.region.empty() ? RegionOfHost(url.host) : auth.region;

  std::string request = StrCat(method, "\n", Escape(Unescape(url.path), true), "\n",
                               CanonicalQuery(url.query), "\nhost:", url.HostPort(),
                               "\nx-amz-date:", stamp, "\n\nhost;x-amz-date\n", Sha256Hex(""));
  std::string scope = StrCat(date, "/", region, "/", kService, "/aws4_request");
  std::string to_sign = StrCat(kAlgorithm, "\n", stamp, "\n", scope, "\n", Sha256Hex(request));
  std::string key = Hmac(StrCat("AWS4", auth.secret_access_key), date);
  for (std::string_view part :
       {std::string_view(region), kService, std::string_view("aws4_request")})
    key = Hmac(key, part);
  std::string signature = Hmac(key, to_sign);
  return {{"X-Amz-Date", stamp},
          {"Authorization", StrCat(kAlgorithm, " Credential=", auth.access_key_id, "/", scope,
                                   ", SignedHeaders=host;x-amz-date, Signature=",
                                   HexEncode(signature.data(), signature.size()))}};
}

}  // namespace

std::string Base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int n = ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                            reinterpret_cast<const unsigned char*>(bytes.data()),
                            static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

Header BasicHeader(std::string_view user, std::string_view password) {
  return {"Authorization", StrCat("Basic ", Base64(StrCat(user, ":", password)))};
}

Header BasicFromUrl(const Url& url) {
  return BasicHeader(Unescape(url.user), Unescape(url.password));
}

std::vector<Header> AuthHeaders(const config::Auth& auth, std::string_view method, const Url& url,
                                int64_t now_s) {
  switch (auth.type) {
    case config::Auth::Type::kBasic:
      return {BasicHeader(auth.basic.user, auth.basic.password)};
    case config::Auth::Type::kOAuth:
      return {{"Authorization", StrCat("Bearer ", auth.token)}};
    case config::Auth::Type::kAws:
      return AwsHeaders(auth, method, url, now_s);
  }
  return {};
}

std::string RegionOfHost(std::string_view host) {
  constexpr std::string_view kDefault = "us-east-1", kDomain = ".amazonaws.com";
  if (!host.ends_with(kDomain)) return std::string(kDefault);
  host.remove_suffix(kDomain.size());
  std::vector<std::string> labels = Split(host, '.');
  const std::string& last = labels.back();
  if (last.starts_with("s3-") && last.size() > 3) return last.substr(3);
  if (labels.size() >= 2 && labels[labels.size() - 2] == "s3") return last;
  return std::string(kDefault);
}

}  // namespace rkt::fetch::http
