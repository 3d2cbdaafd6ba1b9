// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/registry.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "base/hash.h"
#include "base/json.h"
#include "fetch/http/auth.h"
#include "fetch/oci/credentials.h"
#include "fetch/oci/registry_v1.h"
#include "image/oci/reference.h"
#include "store/image_layers.h"

namespace rkt::fetch::oci {

namespace {

using image::oci::Descriptor;
using image::oci::Document;
using image::oci::kMaxDocument;

constexpr char kAccept[] =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json";
// Broken transfers are continued that often.
constexpr int kAttempts = 4;
// A token is not used in its last seconds.
constexpr int64_t kTokenMargin = 10;
constexpr int64_t kTokenLife = 60;  // where the server says none
constexpr size_t kMaxToken = 1u << 20;

int64_t Seconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

std::string QueryEscape(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                 c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += StrCat("%", ToUpper(HexEncode(&c, 1)));
    }
  }
  return out;
}

// What a registry says about an error, for people.
std::string ErrorText(const http::Response& response) {
  std::string text;
  if (auto document = json::Parse(response.body, {.max_size = http::kMaxErrorBody, .max_depth = 16})) {
    if (const json::Value* errors = document->Find("errors"); errors != nullptr && errors->is_array()) {
      for (const json::Value& error : errors->items()) {
        if (const json::Value* message = error.Find("message"); message != nullptr && message->is_string()) {
          text = message->text().substr(0, 200);
          break;
        }
      }
    }
  }
  return text.empty() ? std::string() : StrCat(" (", TerminalSafe(text), ")");
}

// The ways to prove to one endpoint who we are. Used by several threads.
class Authorizer {
 public:
  Authorizer(const image::oci::Request& request, http::Url base, std::string host, std::string repository,
             const http::ClientOptions& options)
      : request_(request), base_(std::move(base)), host_(std::move(host)), repository_(std::move(repository)),
        client_(options) {}

  std::vector<http::Header> Headers() {
    std::lock_guard lock(mutex_);
    if (header_.empty() || (expires_ != 0 && Seconds() >= expires_)) return {};
    return {{"Authorization", header_}};
  }

  // After 401: what the answer asks for. `used` is the header that was refused; another thread may have got a better one.
  Status Answer(const http::Response& response, const std::string& used) {
    std::lock_guard lock(mutex_);
    if (!header_.empty() && header_ != used && (expires_ == 0 || Seconds() < expires_)) return {};
    std::vector<Challenge> challenges;
    for (const http::Header& header : response.headers) {
      if (ToLower(header.name) != "www-authenticate") continue;
      std::vector<Challenge> more = ParseChallenges(header.value);
      challenges.insert(challenges.end(), more.begin(), more.end());
    }
    Found found = TRY(FindCredentials(request_, host_, repository_));
    hint_ = found.hint;
    for (const Challenge& challenge : challenges) {
      if (challenge.scheme != "bearer") continue;
      if (!found.registry_token.empty() && IsToken(found.registry_token)) {
        std::string header = StrCat("Bearer ", found.registry_token);
        if (header == used) return Refused(kCredentialsRefused);
        header_ = std::move(header);
        expires_ = 0;
        return {};
      }
      return GetToken(challenge, found);
    }
    for (const Challenge& challenge : challenges) {
      if (challenge.scheme != "basic" || !found.basic) continue;
      std::string header = http::BasicHeader(found.basic->user, found.basic->password).value;
      if (header == used) break;
      header_ = std::move(header);
      expires_ = 0;
      return {};
    }
    return Refused(found.any() ? kCredentialsRefused : kNoCredentials);
  }

 private:
  static constexpr char kCredentialsRefused[] = "the credentials were refused";
  static constexpr char kNoCredentials[] = "it wants credentials, and there are none for it";

  // What a header may hold.
  static bool IsToken(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  }

  Error Refused(std::string_view what) const {
    return Err(Code::kPermission, "registry ", host_, ": ", what, hint_.empty() ? "" : "; ", hint_);
  }

  Status GetToken(const Challenge& challenge, Found found) {
    auto realm = http::ParseUrl(challenge.realm);
    if (!realm) return std::move(realm).error().Wrap(StrCat("registry ", host_, " names a bad realm"));
    if (!realm->https() && base_.https()) {
      return Err(Code::kPermission, "registry ", host_, " names a realm without TLS: ", Quote(realm->Text()));
    }
    if (!IsRealmOf(*realm, base_)) {
      // Another host gets what is configured for it, and nothing that is for the registry.
      found = TRY(FindCredentials(request_, realm->HostPort(), {}));
    }
    std::string scope = challenge.scope.empty() ? StrCat("repository:", repository_, ":pull") : challenge.scope;
    std::string question = StrCat("scope=", QueryEscape(scope));
    if (!challenge.service.empty()) question += StrCat("&service=", QueryEscape(challenge.service));
    http::Request request;
    request.url = StrCat(realm->Text(), realm->query.empty() ? "?" : "&", question);
    if (!found.refresh_token.empty()) {
      // OAuth 2 (RFC 6749, section 6), as registries do it: a secret in the body of a POST, which no redirect takes along.
      request.method = "POST";
      request.url = realm->Text();
      request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
      request.body = StrCat("grant_type=refresh_token&client_id=rkt&", question, "&refresh_token=",
                            QueryEscape(found.refresh_token));
    }
    request.user_agent = request_.user_agent;
    request.allow_http = !realm->https();
    request.skip_tls_check = request_.skip_tls_check;
    request.max_body = kMaxToken;
    if (found.basic && found.refresh_token.empty()) {
      request.authorize = [&](const std::string&, const http::Url&) {
        return std::vector<http::Header>{http::BasicHeader(found.basic->user, found.basic->password)};
      };
    }
    auto response = TRY_CTX(client_.Do(request), "asking for a token");
    if (response.status == 401 || response.status == 403) {
      return Refused(found.any() ? kCredentialsRefused : kNoCredentials);
    }
    if (response.status != 200) {
      return Err(Code::kNetwork, "asking ", realm->HostPort(), " for a token: bad HTTP status code: ", response.status);
    }
    json::Value document = TRY_CTX(json::Parse(response.body, {.max_size = kMaxToken, .max_depth = 16}), "token");
    const json::Value* token = document.Find("token");
    if (token == nullptr || !token->is_string() || token->text().empty()) token = document.Find("access_token");
    if (token == nullptr || !token->is_string() || token->text().empty()) {
      return Err(Code::kInvalid, realm->HostPort(), " answers without a token");
    }
    if (!IsToken(token->text())) return Err(Code::kInvalid, realm->HostPort(), " answers with a malformed token");
    const json::Value* life = document.Find("expires_in");
    int64_t seconds = life != nullptr ? life->AsInt().value_or(kTokenLife) : kTokenLife;
    header_ = StrCat("Bearer ", token->text());
    // One that is over as it comes is used for the next request all the same.
    expires_ = Seconds() + std::clamp<int64_t>(seconds - kTokenMargin, 1, 24 * 3600);
    return {};
  }

  const image::oci::Request& request_;
  const http::Url base_;
  const std::string host_, repository_;
  std::mutex mutex_;
  http::Client client_;
  std::string header_, hint_;
  int64_t expires_ = 0;
};

class Registry : public BlobSource {
 public:
  // `location` is HOST[:PORT] or a URL; the scheme decides.
  static Result<std::unique_ptr<Registry>> Create(image::oci::Request request, const image::oci::RegistryReference& image,
                                                  const std::string& location, const http::ClientOptions& options) {
    bool has_scheme = location.find("://") != std::string::npos;
    http::Url base = TRY(http::ParseUrl(has_scheme ? location : StrCat("https://", location)));
    return std::unique_ptr<Registry>(new Registry(std::move(request), image, std::move(base), options));
  }

  bool remote() const override { return true; }

  const http::Url& base() const { return base_; }

  // Whether it speaks the protocol at all; kUnsupported where something else answers.
  Status Ping(bool* answered) {
    http::Request request = NewRequest("/v2/");
    // The answer may be 401, with the way to authenticate in it; that is settled when something is asked for.
    auto response = TRY(Client().Do(request));
    *answered = true;
    if (response.status == 200 || response.status == 401) return {};
    return Err(response.status == 404 ? Code::kUnsupported : Code::kNetwork, base_.HostPort(),
               " is no registry: bad HTTP status code: ", response.status);
  }

  Result<OpenImage> Find(std::unique_ptr<Registry> self) {
    std::string type;
    std::string text = TRY(GetManifest(image_.Object(), &type, 0));
    std::string digest = StrCat("sha256:", Sha256Hex(text));
    if (!image_.digest.empty()) {
      store::LayerDigest check(image_.digest);
      check.Update(text);
      std::string id = check.Id();
      id[6] = ':';
      if (id != image_.digest) return Err(Code::kCorrupt, "manifest ", image_.digest, " has another digest");
      digest = image_.digest;
    }
    bool first = true;
    auto chosen = TRY(ChooseManifest({type, digest, text.size()}, [&](const Descriptor& wanted) -> Result<std::string> {
      if (std::exchange(first, false)) return text;
      return GetByDescriptor(wanted);
    }));
    FoundImage found;
    if (chosen.document.kind == Document::Kind::kSchema1) {
      found = TRY(FromSchema1(chosen.document.schema1));
    } else {
      found = TRY(FindByManifest(*this, chosen.document.manifest, chosen.digest));
    }
    found.origin.host = image_.host;
    found.origin.repository = image_.repository;
    found.origin.original_name = image_.original;
    if (image_.digest.empty()) found.origin.tag = image_.tag;
    found.latest = image_.digest.empty() && image_.default_tag;
    return OpenImage{std::move(self), std::move(found)};
  }

  Status Read(const Blob& blob, uint64_t have, const Sink& sink) override {
    uint64_t position = have;
    for (int attempt = 1;; ++attempt) {
      uint64_t before = position;
      bool by_sink = false;
      Status status = ReadFrom(blob, &position, &by_sink, sink);
      if (status) return status;
      // What fails on this side fails again; a server that never gets on is given up.
      if (by_sink || status.error().code() != Code::kNetwork || attempt >= kAttempts) return status;
      if (position != before) attempt = 0;
      if (++continued_ > kMaxContinued) return status;
    }
  }

 private:
  static constexpr int kMaxContinued = 100;  // of all transfers, so that one byte at a time gets nobody far

  Registry(image::oci::Request request, const image::oci::RegistryReference& image, http::Url base,
           const http::ClientOptions& options)
      : request_(std::move(request)), image_(image), base_(std::move(base)), options_(options),
        // The registry itself goes by the name in the reference, a mirror by its own.
        authorizer_(request_, base_, base_.HostPort() == ToLower(image.host) ? image.host : base_.HostPort(),
                    image.repository, options) {}

  // A client of the calling thread, kept for its connections.
  http::Client& Client() {
    thread_local std::unique_ptr<http::Client> client;
    thread_local const Registry* owner = nullptr;
    if (owner != this) {
      client = std::make_unique<http::Client>(options_);
      owner = this;
    }
    return *client;
  }

  http::Request NewRequest(const std::string& path) const {
    std::string prefix = base_.Text();
    while (prefix.ends_with('/')) prefix.pop_back();
    http::Request request;
    request.url = prefix + path;
    request.user_agent = request_.user_agent;
    request.allow_http = !base_.https();
    request.skip_tls_check = request_.skip_tls_check;
    return request;
  }

  // With authentication: asks again after 401, once for each thing that may be missing.
  Result<http::Response> Do(http::Request& request) {
    for (int attempt = 0;; ++attempt) {
      std::vector<http::Header> secrets = authorizer_.Headers();
      request.authorize = [&](const std::string&, const http::Url&) { return secrets; };
      auto response = TRY(Client().Do(request));
      if (response.status != 401) return response;
      if (attempt == 2) return Err(Code::kPermission, "registry ", base_.HostPort(), " refuses us again and again");
      TRY(authorizer_.Answer(response, secrets.empty() ? std::string() : secrets[0].value));
    }
  }

  Error BadStatus(const http::Response& response, std::string_view what) const {
    std::string text = ErrorText(response);
    if (response.status == 404) {
      return Err(Code::kNotFound, what, " is not in registry ", base_.HostPort(), text);
    }
    Code code = response.status == 403 ? Code::kPermission : response.status == 416 ? Code::kCorrupt : Code::kNetwork;
    return Err(code, what, ": registry ", base_.HostPort(), ": bad HTTP status code: ", response.status, text);
  }

  Result<std::string> GetManifest(const std::string& object, std::string* type, uint64_t size) {
    http::Request request = NewRequest(StrCat("/v2/", image_.repository, "/manifests/", object));
    request.headers = {{"Accept", kAccept}};
    request.max_body = size == 0 ? kMaxDocument : size;
    auto response = TRY(Do(request));
    if (response.status != 200) return BadStatus(response, StrCat(image_.original, ":", object));
    *type = std::string(response.Find("Content-Type"));
    return std::move(response.body);
  }

  Result<std::string> GetByDescriptor(const Descriptor& wanted) {
    if (wanted.size == 0 || wanted.size > kMaxDocument) {
      return Err(Code::kInvalid, "a manifest of ", wanted.size, " bytes (at most ", kMaxDocument, ")");
    }
    std::string type, text = TRY(GetManifest(wanted.digest, &type, wanted.size));
    store::LayerDigest digest(TRY(image::oci::DigestId(wanted.digest)));
    digest.Update(text);
    if (text.size() != wanted.size || !digest.Matches()) {
      return Err(Code::kCorrupt, "manifest ", wanted.digest, " has another size or digest");
    }
    return text;
  }

  Result<FoundImage> FromSchema1(const image::oci::Schema1& schema) {
    if (!image_.digest.empty()) {
      return Err(Code::kUnsupported, "old docker manifests cannot be checked against a digest: ", image_.digest);
    }
    if (schema.name != image_.repository || schema.tag != image_.tag) {
      return Err(Code::kInvalid, "the registry answers with the manifest of ", Quote(schema.name), ":",
                 Quote(schema.tag));
    }
    FoundImage found;
    found.config = TRY(image::oci::ParseV1Config(schema.history.back()));
    if (found.config.platform.os.empty()) found.config.platform.os = "linux";
    if (found.config.platform.architecture.empty()) found.config.platform.architecture = schema.architecture;
    for (const std::string& digest : schema.layers) found.layers.push_back({digest, 0, false, {}});
    found.origin.image_id = found.config.id;
    found.origin.schema1 = true;
    return found;
  }

  Status ReadFrom(const Blob& blob, uint64_t* position, bool* by_sink, const Sink& sink) {
    http::Request request = NewRequest(StrCat("/v2/", image_.repository, "/blobs/", blob.digest));
    if (!image::oci::IsDigest(blob.digest)) return Err(Code::kInvalid, "malformed digest ", Quote(blob.digest));
    const uint64_t from = *position;
    if (from != 0) request.headers.push_back({"Range", StrCat("bytes=", from, "-")});
    request.max_body = UINT64_MAX;  // the sink counts, and knows what it wants
    uint64_t skip = 0;
    request.on_response = [&](const http::Response& response) -> Status {
      if (response.status == 200) {
        skip = from;  // it does not do ranges: what we have comes again
      } else if (response.status == 206) {
        std::string_view range = response.Find("Content-Range");
        if (from == 0 || !range.starts_with(StrCat("bytes ", from, "-"))) {
          return Err(Code::kCorrupt, "the server sends the range ", Quote(range.substr(0, 100)), " instead of ", from,
                     "-");
        }
      }
      return {};
    };
    request.on_body = [&](std::string_view piece) -> Status {
      size_t left_out = static_cast<size_t>(std::min<uint64_t>(skip, piece.size()));
      skip -= left_out;
      piece.remove_prefix(left_out);
      if (piece.empty()) return {};
      *position += piece.size();
      Status taken = sink(piece);
      *by_sink = !taken;
      return taken;
    };
    auto response = TRY(Do(request));
    if (response.status != 200 && response.status != 206) return BadStatus(response, StrCat("blob ", blob.digest));
    if (blob.known_size && *position < blob.size) {
      return Err(Code::kNetwork, "blob ", blob.digest, " ends after ", *position, " of ", blob.size, " bytes");
    }
    return {};
  }

  const image::oci::Request request_;
  const image::oci::RegistryReference image_;
  const http::Url base_;
  const http::ClientOptions options_;
  Authorizer authorizer_;
  std::atomic<int> continued_ = 0;
};

}  // namespace

std::vector<Challenge> ParseChallenges(std::string_view header) {
  std::vector<Challenge> challenges;
  size_t at = 0;
  auto blanks = [&] {
    while (at < header.size() && (header[at] == ' ' || header[at] == '\t' || header[at] == ',')) ++at;
  };
  auto token = [&] {
    size_t begin = at;
    while (at < header.size() && header[at] != ' ' && header[at] != '=' && header[at] != ',' && header[at] != '"') ++at;
    return header.substr(begin, at - begin);
  };
  for (blanks(); at < header.size(); blanks()) {
    std::string_view word = token();
    if (at == header.size() || header[at] != '=') {
      if (word.empty()) break;  // a stray quote or the like: what follows cannot be understood
      challenges.push_back({ToLower(word), {}, {}, {}});
      continue;
    }
    ++at;
    std::string value;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size()) ++at;
        value += header[at];
      }
      ++at;
    } else {
      value = std::string(token());
    }
    if (challenges.empty()) break;
    std::string name = ToLower(word);
    Challenge& challenge = challenges.back();
    if (name == "realm") challenge.realm = std::move(value);
    if (name == "service") challenge.service = std::move(value);
    if (name == "scope") challenge.scope = std::move(value);
    if (at > header.size()) break;
  }
  return challenges;
}

bool IsRealmOf(const http::Url& realm, const http::Url& registry) {
  if (realm.Origin() == registry.Origin()) return true;
  // Docker's own registry has its realm on a host beside it.
  return registry.https() && realm.https() && registry.HostPort() == image::oci::kDefaultRegistry &&
         realm.HostPort() == "auth.docker.io";
}

Result<OpenImage> OpenRegistry(const image::oci::Request& request, const http::ClientOptions& options) {
  auto image = TRY(image::oci::ParseRegistryReference(request.reference));
  std::vector<std::string> locations;
  std::string own = image.host;
  if (auto configured = request.registries.find(image.host); configured != request.registries.end()) {
    locations = configured->second.mirrors;
    if (!configured->second.endpoint.empty()) own = configured->second.endpoint;
  }
  const size_t mirrors = locations.size();
  locations.push_back(own);
  if (request.allow_http && own.find("://") == std::string::npos) locations.push_back(StrCat("http://", own));
  std::optional<Error> error;
  for (size_t i = 0; i < locations.size(); ++i) {
    bool answered = false;
    auto find = [&]() -> Result<OpenImage> {
      auto registry = TRY(Registry::Create(request, image, locations[i], options));
      const http::Url base = registry->base();
      auto open = [&]() -> Result<OpenImage> {
        TRY(registry->Ping(&answered));
        Registry* self = registry.get();
        return self->Find(std::move(registry));
      };
      auto opened = open();
      // Where there is something, but not this image by this protocol, the first protocol of docker may have it. What cannot
      // be had by either is told as the newer one tells it.
      bool old = answered && i >= mirrors && image.digest.empty() && !opened &&
                 (opened.error().code() == Code::kNotFound || opened.error().code() == Code::kUnsupported);
      if (!old) return opened;
      auto from_old = OpenRegistryV1(request, image, base, options);
      return from_old || from_old.error().code() != Code::kNetwork ? std::move(from_old) : std::move(opened);
    };
    auto found = find();
    if (found) return found;
    // Plain http is for registries that speak no TLS, not for those that said no.
    bool next = i < mirrors || found.error().code() == Code::kNetwork;
    // What the registry itself says, counts most; where it says nothing, the first attempt to reach it.
    if (!error || i == mirrors || answered) error = std::move(found).error();
    if (!next) break;
  }
  return *std::move(error);
}

}  // namespace rkt::fetch::oci
