// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/oci/registry_v1.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "base/json.h"
#include "fetch/http/auth.h"
#include "fetch/oci/credentials.h"
#include "store/image_layers.h"

namespace rkt::fetch::oci {

namespace {

using image::oci::kMaxDocument;

// Ids become parts of URLs and annotations.
bool IsImageId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

class RegistryV1 : public BlobSource {
 public:
  RegistryV1(const image::oci::Request& request, const image::oci::RegistryReference& image, http::Url base,
             const http::ClientOptions& options)
      : request_(request), image_(image), base_(std::move(base)), images_at_(base_), options_(options) {}

  Result<FoundImage> Find() {
    TRY(Ping());
    TRY(Introduce());
    std::string id = TRY(TopOf(image_.tag));
    std::vector<std::string> ancestry = TRY(Ancestry(id));
    FoundImage found;
    std::string config = TRY(GetText(StrCat("/v1/images/", id, "/json")));
    found.config = TRY_CTX(image::oci::ParseV1Config(config), "image ", id);
    if (found.config.platform.os.empty()) found.config.platform.os = "linux";
    for (auto layer = ancestry.rbegin(); layer != ancestry.rend(); ++layer) found.layers.push_back({{}, 0, false, *layer});
    found.origin.host = image_.host;
    found.origin.repository = image_.repository;
    found.origin.original_name = image_.original;
    found.origin.tag = image_.tag;
    found.origin.image_id = id;
    found.origin.schema1 = true;
    found.latest = image_.default_tag;
    return found;
  }

  Status Read(const Blob& blob, uint64_t have, const Sink& sink) override {
    if (have != 0) return Err(Code::kInternal, "layers of old registries come whole");
    http::Request request = NewRequest(images_at_, StrCat("/v1/images/", blob.place, "/layer"));
    request.max_body = UINT64_MAX;  // the sink counts
    request.on_body = sink;
    http::Client client(options_);
    auto response = TRY(client.Do(request));
    return response.status == 200 ? Status() : BadStatus(response, StrCat("layer ", blob.place));
  }

 private:
  http::Request NewRequest(const http::Url& base, const std::string& path) const {
    std::string prefix = base.Text();
    while (prefix.ends_with('/')) prefix.pop_back();
    http::Request request;
    request.url = prefix + path;
    request.user_agent = request_.user_agent;
    request.allow_http = !base.https();
    request.skip_tls_check = request_.skip_tls_check;
    if (!token_.empty()) {
      request.authorize = [token = token_](const std::string&, const http::Url&) {
        return std::vector<http::Header>{{"Authorization", StrCat("Token ", token)}};
      };
    }
    return request;
  }

  Error BadStatus(const http::Response& response, std::string_view what) const {
    Code code = response.status == 404   ? Code::kNotFound
                : response.status == 401 || response.status == 403 ? Code::kPermission
                                                                   : Code::kNetwork;
    return Err(code, what, ": registry ", base_.HostPort(), " (docker's protocol 1): bad HTTP status code: ", response.status);
  }

  Status Ping() {
    http::Client client(options_);
    auto response = TRY(client.Do(NewRequest(base_, "/v1/_ping")));
    if (response.status == 200) return {};
    return Err(Code::kNetwork, base_.HostPort(), " is no registry: bad HTTP status code: ", response.status);
  }

  // Gets a token for all that follows, and learns where the images are.
  Status Introduce() {
    http::Request request = NewRequest(base_, StrCat("/v1/repositories/", image_.repository, "/images"));
    request.headers = {{"X-Docker-Token", "true"}};
    request.max_body = kMaxDocument;
    Found found = TRY(FindCredentials(request_, image_.host, image_.repository));
    if (found.basic) {
      request.authorize = [&](const std::string&, const http::Url&) {
        return std::vector<http::Header>{http::BasicHeader(found.basic->user, found.basic->password)};
      };
    }
    http::Client client(options_);
    auto response = TRY(client.Do(request));
    if (response.status != 200) return BadStatus(response, image_.original);
    std::string token(response.Find("X-Docker-Token"));
    for (char c : token) {
      if (c < ' ' || c > '~') return Err(Code::kInvalid, base_.HostPort(), " answers with a malformed token");
    }
    token_ = std::move(token);
    std::string_view endpoints = response.Find("X-Docker-Endpoints");
    if (std::string_view first = Trim(endpoints.substr(0, endpoints.find(','))); !first.empty()) {
      auto url = http::ParseUrl(StrCat(base_.scheme, "://", first));
      if (!url || url->HostPort() != ToLower(first)) {
        return Err(Code::kInvalid, base_.HostPort(), " names a bad endpoint: ", Quote(first.substr(0, 100)));
      }
      images_at_ = *std::move(url);
    }
    return {};
  }

  Result<std::string> GetText(const std::string& path) {
    http::Request request = NewRequest(images_at_, path);
    request.max_body = kMaxDocument;
    http::Client client(options_);
    auto response = TRY(client.Do(request));
    if (response.status != 200) return BadStatus(response, path);
    return std::move(response.body);
  }

  Result<json::Value> GetJson(const std::string& path) {
    std::string text = TRY(GetText(path));
    return TRY_CTX(json::Parse(text, {.max_size = kMaxDocument, .max_depth = 16}), path, " of registry ", base_.HostPort());
  }

  // The id of the topmost layer of a tag.
  Result<std::string> TopOf(const std::string& tag) {
    json::Value tags = TRY(GetJson(StrCat("/v1/repositories/", image_.repository, "/tags")));
    const json::Value* id = tags.Find(tag);
    if (id == nullptr) return Err(Code::kNotFound, image_.original, " has no tag ", Quote(tag), " in registry ", base_.HostPort());
    if (!id->is_string() || !IsImageId(id->text())) return MalformedId(*id);
    return id->text();
  }

  // All ids, the topmost first.
  Result<std::vector<std::string>> Ancestry(const std::string& id) {
    json::Value list = TRY(GetJson(StrCat("/v1/images/", id, "/ancestry")));
    if (!list.is_array() || list.items().size() > store::kMaxImageLayers) {
      return Err(Code::kInvalid, "the ancestry of image ", id, " is no list of at most ", store::kMaxImageLayers, " ids");
    }
    std::vector<std::string> ids;
    std::unordered_set<std::string> seen;
    for (const json::Value& item : list.items()) {
      if (!item.is_string() || !IsImageId(item.text())) return MalformedId(item);
      if (!seen.insert(item.text()).second) return Err(Code::kInvalid, "image ", item.text(), " is its own ancestor");
      ids.push_back(item.text());
    }
    if (ids.empty() || ids.front() != id) return Err(Code::kInvalid, "the ancestry of image ", id, " does not begin with it");
    return ids;
  }

  Error MalformedId(const json::Value& value) const {
    return Err(Code::kInvalid, "registry ", base_.HostPort(), ": malformed id of an image: ",
               value.is_string() ? Quote(value.text().substr(0, 100)) : "no text");
  }

  const image::oci::Request request_;
  const image::oci::RegistryReference image_;
  const http::Url base_;
  http::Url images_at_;
  const http::ClientOptions options_;
  std::string token_;
};

}  // namespace

Result<OpenImage> OpenRegistryV1(const image::oci::Request& request, const image::oci::RegistryReference& image,
                                 const http::Url& base, const http::ClientOptions& options) {
  if (!image.digest.empty()) {
    return Err(Code::kUnsupported, "docker's protocol 1 has no digests, and cannot be asked for ", image.digest);
  }
  auto registry = std::make_unique<RegistryV1>(request, image, base, options);
  FoundImage found = TRY(registry->Find());
  return OpenImage{std::move(registry), std::move(found)};
}

}  // namespace rkt::fetch::oci
