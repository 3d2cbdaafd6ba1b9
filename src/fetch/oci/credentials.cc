// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/credentials.h"

#include <unistd.h>

#include <array>

#include "base/file.h"
#include "base/json.h"
#include "fetch/oci/credential_helper.h"
#include "image/oci/reference.h"

namespace rkt::fetch::oci {

namespace {

constexpr size_t kMaxAuthFile = 1u << 20;
constexpr char kDockersServer[] = "https://index.docker.io/v1/";

std::string Text(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  return value != nullptr && value->is_string() ? value->text() : std::string();
}

// Names that an entry may have, the most specific first.
std::vector<std::string> Keys(const std::string& host, const std::string& repository) {
  std::vector<std::string> keys;
  for (std::string path = repository; !path.empty();) {
    keys.push_back(StrCat(host, "/", path));
    size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
  std::vector<std::string> hosts = {host};
  if (host == image::oci::kDefaultRegistry) hosts.insert(hosts.end(), {"docker.io", "index.docker.io"});
  for (const std::string& name : hosts) {
    for (const char* form : {"", "/v1/", "/v2/", "/"}) keys.push_back(StrCat(name, form));
    for (const char* form : {"", "/v1/", "/v2/", "/"}) keys.push_back(StrCat("https://", name, form));
  }
  return keys;
}

}  // namespace

std::optional<std::string> Base64Decode(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  size_t padding = 0;
  for (char c : text) {
    int digit;
    if (c >= 'A' && c <= 'Z') {
      digit = c - 'A';
    } else if (c >= 'a' && c <= 'z') {
      digit = c - 'a' + 26;
    } else if (c >= '0' && c <= '9') {
      digit = c - '0' + 52;
    } else if (c == '+') {
      digit = 62;
    } else if (c == '/') {
      digit = 63;
    } else if (c == '=') {
      if (++padding > 2) return std::nullopt;
      continue;
    } else {
      return std::nullopt;
    }
    if (padding != 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out += static_cast<char>(bits >> have & 0xff);
    }
  }
  return out;
}

Result<FileEntry> FindInAuthFile(std::string_view text, const std::string& host, const std::string& repository) {
  json::Value document = TRY(json::Parse(text, {.max_size = kMaxAuthFile, .max_depth = 32}));
  const json::Value* auths = document.Find("auths");
  const json::Value* helpers = document.Find("credHelpers");
  for (const std::string& key : Keys(host, repository)) {
    if (std::string helper = helpers != nullptr ? Text(*helpers, key.c_str()) : ""; !helper.empty()) {
      return FileEntry{{}, std::move(helper), key};
    }
    const json::Value* entry = auths != nullptr ? auths->Find(key) : nullptr;
    if (entry == nullptr) continue;
    Found found;
    found.refresh_token = Text(*entry, "identitytoken");
    found.registry_token = Text(*entry, "registrytoken");
    std::string user = Text(*entry, "username"), password = Text(*entry, "password");
    if (std::string auth = Text(*entry, "auth"); !auth.empty()) {
      auto pair = Base64Decode(auth);
      size_t colon = pair ? pair->find(':') : std::string::npos;
      if (colon == std::string::npos) return Err(Code::kInvalid, "malformed auth of ", Quote(key));
      user = pair->substr(0, colon);
      password = pair->substr(colon + 1);
      password.resize(password.find_last_not_of('\0') + 1);
    }
    // Beside a refresh token there is a user without a password.
    if (!user.empty() && found.refresh_token.empty()) found.basic = config::Basic{user, password};
    if (found.any()) return FileEntry{std::move(found), {}, {}};
  }
  // Docker keeps the credentials for its own registry under the name that this once had.
  return FileEntry{{}, Text(document, "credsStore"), host == image::oci::kDefaultRegistry ? kDockersServer : host};
}

Result<Found> FindCredentials(const image::oci::Request& request, const std::string& host,
                              const std::string& repository) {
  Found found;
  if (auto own = request.credentials.find(host); own != request.credentials.end()) {
    found.basic = own->second;
    return found;
  }
  for (const std::string& path : request.auth_files) {
    auto text = ReadFile(path, kMaxAuthFile);
    if (!text) {
      // Nobody's home, or somebody else's: then these are no credentials of ours.
      if (text.error().code() == Code::kNotFound || text.error().code() == Code::kPermission ||
          text.error().err() == ENOTDIR) {
        continue;
      }
      return std::move(text).error();
    }
    FileEntry entry = TRY_CTX(FindInAuthFile(*text, host, repository), "reading ", path);
    if (entry.found.any()) return std::move(entry.found);
    if (entry.helper.empty()) continue;
    auto answer = AskCredentialHelper(entry.helper, entry.server);
    if (!answer) {
      if (found.hint.empty()) found.hint = StrCat(path, ": ", answer.error().message());
      continue;
    }
    if (!*answer) continue;
    if ((*answer)->is_refresh_token) {
      found.refresh_token = std::move((*answer)->secret);
    } else {
      found.basic = config::Basic{std::move((*answer)->user), std::move((*answer)->secret)};
    }
    return found;
  }
  return found;
}

}  // namespace rkt::fetch::oci
