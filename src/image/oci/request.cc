// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/request.h"

#include "base/json.h"

namespace rkt::image::oci {

namespace {

struct KindName {
  Request::Kind kind;
  const char* name;
};
constexpr KindName kKinds[] = {{Request::Kind::kRegistry, "registry"},
                               {Request::Kind::kLayout, "layout"},
                               {Request::Kind::kOciArchive, "oci-archive"},
                               {Request::Kind::kDockerArchive, "docker-archive"}};

std::string Text(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  return value != nullptr && value->is_string() ? value->text() : std::string();
}
bool Flag(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  return value != nullptr && value->is_bool() && value->boolean();
}
std::vector<std::string> Texts(const json::Value& object, const char* key) {
  std::vector<std::string> texts;
  const json::Value* value = object.Find(key);
  if (value == nullptr || !value->is_array()) return texts;
  for (const json::Value& item : value->items()) {
    if (item.is_string()) texts.push_back(item.text());
  }
  return texts;
}

}  // namespace

std::string WriteRequest(const Request& request) {
  json::Value document = json::Value::Object();
  for (const KindName& kind : kKinds) {
    if (kind.kind == request.kind) document.Set("kind", kind.name);
  }
  document.Set("reference", request.reference);
  document.Set("render", request.render);
  document.Set("http", request.allow_http);
  document.Set("skipTls", request.skip_tls_check);
  document.Set("userAgent", request.user_agent);
  document.Set("authFiles", json::Value::Array(request.auth_files));
  json::Value& credentials = document.Set("credentials", json::Value::Object());
  for (const auto& [host, basic] : request.credentials) {
    credentials.Set(host, json::Value::Object({{"user", basic.user}, {"password", basic.password}}));
  }
  json::Value& registries = document.Set("registries", json::Value::Object());
  for (const auto& [host, registry] : request.registries) {
    registries.Set(host, json::Value::Object({{"mirrors", json::Value::Array(registry.mirrors)},
                                              {"endpoint", registry.endpoint}}));
  }
  return json::Write(document);
}

Result<Request> ParseRequest(std::string_view text) {
  json::Value document = TRY(json::Parse(text, {.max_size = 16u << 20, .max_depth = 16}));
  Request request;
  bool known = false;
  for (const KindName& kind : kKinds) {
    if (Text(document, "kind") != kind.name) continue;
    request.kind = kind.kind;
    known = true;
  }
  if (!known) return Err(Code::kInternal, "a request of an unknown kind");
  request.reference = Text(document, "reference");
  request.render = Flag(document, "render");
  request.allow_http = Flag(document, "http");
  request.skip_tls_check = Flag(document, "skipTls");
  request.user_agent = Text(document, "userAgent");
  request.auth_files = Texts(document, "authFiles");
  if (const json::Value* credentials = document.Find("credentials"); credentials != nullptr && credentials->is_object()) {
    for (const json::Member& member : credentials->members()) {
      request.credentials[member.key] = {Text(member.value, "user"), Text(member.value, "password")};
    }
  }
  if (const json::Value* registries = document.Find("registries"); registries != nullptr && registries->is_object()) {
    for (const json::Member& member : registries->members()) {
      request.registries[member.key] = {Text(member.value, "endpoint"), Texts(member.value, "mirrors")};
    }
  }
  return request;
}

}  // namespace rkt::image::oci
