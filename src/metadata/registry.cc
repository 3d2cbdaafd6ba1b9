// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "metadata/registry.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "metadata/hmac.h"

namespace rkt::metadata {

namespace {

constexpr size_t kKeySize = 64;
constexpr size_t kMaxToken = 256;
constexpr char kPodManifest[] = "pod";  // in a pod's directory

HttpReply Text(int status, std::string text) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(text);
  return reply;
}
HttpReply Json(std::string text) { return {200, "application/json", std::move(text)}; }
HttpReply NotFound() { return Text(404, "page not found\n"); }

bool IsTokenText(const std::string& text) {
  return !text.empty() && text.size() <= kMaxToken && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool IsLoopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

// Whether the host has the address on one of its interfaces.
bool IsOurs(const std::string& address) {
  if (IsLoopback(address)) return true;
  struct ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return false;
  bool found = false;
  for (struct ifaddrs* entry = list; entry != nullptr && !found; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (entry->ifa_addr->sa_family == AF_INET) {
      auto* v4 = reinterpret_cast<struct sockaddr_in*>(entry->ifa_addr);
      ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      auto* v6 = reinterpret_cast<struct sockaddr_in6*>(entry->ifa_addr);
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    }
    found = address == text;
  }
  ::freeifaddrs(list);
  return found;
}

std::string AnnotationsJson(const appc::Annotations& annotations) {
  json::Value list = json::Value::Array();
  for (const appc::Annotation& annotation : annotations) {
    list.Append(json::Value::Object({{"name", annotation.name}, {"value", annotation.value}}));
  }
  return json::Write(list);
}

HttpReply AnnotationReply(const appc::Annotations& annotations, std::string_view encoded) {
  auto name = PercentDecode(encoded);
  if (!name) return Text(400, "malformed name\n");
  const std::string* value = appc::FindAnnotation(annotations, *name);
  return value != nullptr ? Text(200, *value) : Text(404, StrCat("annotation ", Quote(*name), " not found\n"));
}

// The image's annotations with those that the pod has for the app in their place.
appc::Annotations Merge(const appc::Annotations& image, const appc::Annotations& app) {
  appc::Annotations merged = image;
  for (const appc::Annotation& annotation : app) {
    auto found = std::find_if(merged.begin(), merged.end(),
                              [&](const appc::Annotation& entry) { return entry.name == annotation.name; });
    if (found == merged.end()) {
      merged.push_back(annotation);
    } else {
      found->value = annotation.value;
    }
  }
  return merged;
}

// The first element of a path, which is then gone from it.
std::string_view TakeElement(std::string_view& path) {
  std::string_view element = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(path.size(), element.size() + 1));
  return element;
}

// The bytes of a UUID, which signatures begin with.
std::string UuidBytes(const std::string& uuid) {
  std::string bytes;
  int high = -1;
  for (char c : uuid) {
    if (c == '-') continue;
    int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  return bytes;
}

}  // namespace

std::string NormalAddress(const std::string& text) {
  unsigned char bytes[16];
  char normal[INET6_ADDRSTRLEN] = "";
  if (::inet_pton(AF_INET, text.c_str(), bytes) == 1) {
    ::inet_ntop(AF_INET, bytes, normal, sizeof normal);
  } else if (::inet_pton(AF_INET6, text.c_str(), bytes) == 1) {
    static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(bytes, kMapped, sizeof kMapped) == 0) {
      ::inet_ntop(AF_INET, bytes + sizeof kMapped, normal, sizeof normal);
    } else {
      ::inet_ntop(AF_INET6, bytes, normal, sizeof normal);
    }
  }
  return normal;
}

Result<Registry> Registry::Open(const std::string& directory, int port) {
  Registry registry;
  registry.directory_ = directory;
  registry.port_ = port;
  TRY(MakeDirs(directory, 0700));
  TRY(MakeDirs(StrCat(directory, "/pods"), 0700));
  std::string key_path = StrCat(directory, "/key");
  auto key = ReadFile(key_path, kKeySize + 1);
  if (key && key->size() == kKeySize) {
    registry.key_ = *std::move(key);
  } else {
    registry.key_.resize(kKeySize);
    if (::getrandom(registry.key_.data(), kKeySize, 0) != static_cast<ssize_t>(kKeySize)) return SysErr("getrandom");
    TRY(WriteFileAtomicAt(AT_FDCWD, key_path, registry.key_, 0600));
  }
  for (const DirEntry& entry : TRY(ListDirAt(AT_FDCWD, StrCat(directory, "/pods")))) {
    if (!IsUuid(entry.name)) continue;
    Status loaded = registry.Load(entry.name);
    if (!loaded) {
      Notice("metadata-service", StrCat("pod ", entry.name, " is forgotten: ", loaded.error().Text()));
      TRY(UnlinkAt(AT_FDCWD, StrCat(directory, "/pods/", entry.name)));
    }
  }
  registry.Index();
  return registry;
}

Status Registry::Load(const std::string& uuid) {
  json::Value value = TRY(json::Parse(TRY(ReadFile(StrCat(directory_, "/pods/", uuid)))));
  auto text = [&](const char* name) {
    const json::Value* member = value.Find(name);
    return member != nullptr && member->is_string() ? member->text() : std::string();
  };
  Pod pod;
  pod.uuid = uuid;
  pod.token = text("token");
  pod.path = text("path");
  pod.text = text("manifest");
  pod.host = text("host");
  if (!IsTokenText(pod.token)) return Err(Code::kCorrupt, "its record has no token");
  if (!pod.path.empty() && !Exists(pod.path)) return Err(Code::kNotFound, "it is gone");
  pod.manifest = TRY(appc::ParsePodManifest(pod.text));
  // Apps may have gone while no service ran.
  auto now = pod.path.empty() ? Result<std::string>(pod.text) : ReadFile(StrCat(pod.path, "/", kPodManifest));
  if (auto manifest = now ? appc::ParsePodManifest(*now) : Result<appc::PodManifest>(now.error()); manifest) {
    pod.text = *std::move(now);
    pod.manifest = *std::move(manifest);
  }
  const json::Value* images = value.Find("images");
  for (size_t i = 0; images != nullptr && images->is_object() && i < images->members().size(); ++i) {
    const json::Member& member = images->members()[i];
    if (!member.value.is_string()) return Err(Code::kCorrupt, "its record is damaged");
    if (pod.manifest.FindApp(member.key) == nullptr) continue;
    appc::ImageManifest manifest = TRY(appc::ParseImageManifest(member.value.text()));
    pod.images[member.key] = {member.value.text(), std::move(manifest)};
  }
  const json::Value* addresses = value.Find("addresses");
  pod.announced = addresses != nullptr && addresses->is_array();
  for (size_t i = 0; pod.announced && i < addresses->items().size(); ++i) {
    if (addresses->items()[i].is_string()) pod.addresses.insert(addresses->items()[i].text());
  }
  pods_[uuid] = std::move(pod);
  return {};
}

Status Registry::Save(const Pod& pod) const {
  json::Value images = json::Value::Object();
  for (const auto& [name, image] : pod.images) images.Set(name, image.text);
  json::Value value = json::Value::Object({{"token", pod.token},
                                           {"path", pod.path},
                                           {"manifest", pod.text},
                                           {"images", std::move(images)},
                                           {"host", pod.host}});
  if (pod.announced) {
    value.Set("addresses", json::Value::Array(std::vector<std::string>(pod.addresses.begin(), pod.addresses.end())));
  }
  return WriteFileAtomicAt(AT_FDCWD, StrCat(directory_, "/pods/", pod.uuid), json::Write(value), 0600);
}

void Registry::Index() {
  by_token_.clear();
  hosts_.clear();
  for (const auto& [uuid, pod] : pods_) {
    by_token_[pod.token] = uuid;
    if (!pod.host.empty() && !IsLoopback(pod.host)) hosts_.insert(pod.host);
  }
}

HttpReply Registry::Register(const HttpRequest& request) {
  std::string_view path = request.path;
  if (!path.starts_with("/pods/")) return NotFound();
  path.remove_prefix(strlen("/pods/"));
  auto uuid = NormalizeUuid(TakeElement(path));
  if (!uuid) return Text(400, "malformed UUID\n");
  HttpReply reply = NotFound();
  if (path.empty()) {
    if (request.method == "PUT") reply = PutPod(*uuid, request);
    if (request.method == "POST") reply = PostPod(*uuid, request);
    if (request.method == "DELETE") reply = DeletePod(*uuid);
  } else if (request.method == "PUT" && path.find('/') == std::string_view::npos) {
    reply = PutApp(*uuid, std::string(path), request);
  }
  Index();
  return reply;
}

HttpReply Registry::PutPod(const std::string& uuid, const HttpRequest& request) {
  auto query = ParseForm(request.query);
  const std::string* token = query ? FindField(*query, "token") : nullptr;
  if (token == nullptr || !IsTokenText(*token)) return Text(400, "token missing or malformed\n");
  auto owner = by_token_.find(*token);
  if (owner != by_token_.end() && owner->second != uuid) return Text(400, "the token is another pod's\n");
  const std::string* path = FindField(*query, "path");
  if (path != nullptr && !path->starts_with('/')) return Text(400, "path is not absolute\n");
  auto manifest = appc::ParsePodManifest(request.body);
  if (!manifest) return Text(400, StrCat("pod manifest: ", manifest.error().Text(), "\n"));

  // The same pod again with the same token: its manifest has changed. With another one it is a new start.
  auto known = pods_.find(uuid);
  Pod pod = known != pods_.end() && known->second.token == *token ? known->second : Pod();
  pod.uuid = uuid;
  pod.token = *token;
  if (path != nullptr) pod.path = *path;
  pod.text = request.body;
  pod.manifest = *std::move(manifest);
  // Apps that have gone.
  std::erase_if(pod.images, [&](const auto& image) { return pod.manifest.FindApp(image.first) == nullptr; });
  if (Status saved = Save(pod); !saved) return Text(500, StrCat(saved.error().Text(), "\n"));
  pods_[uuid] = std::move(pod);
  return Text(200, "");
}

HttpReply Registry::PutApp(const std::string& uuid, const std::string& app, const HttpRequest& request) {
  auto pod = pods_.find(uuid);
  if (pod == pods_.end()) return Text(404, "pod not found\n");
  if (pod->second.manifest.FindApp(app) == nullptr) return Text(404, "the pod has no such app\n");
  auto manifest = appc::ParseImageManifest(request.body);
  if (!manifest) return Text(400, StrCat("image manifest: ", manifest.error().Text(), "\n"));
  pod->second.images[app] = {request.body, *std::move(manifest)};
  if (Status saved = Save(pod->second); !saved) return Text(500, StrCat(saved.error().Text(), "\n"));
  return Text(200, "");
}

HttpReply Registry::PostPod(const std::string& uuid, const HttpRequest& request) {
  auto pod = pods_.find(uuid);
  if (pod == pods_.end()) return Text(409, "pod not registered\n");
  auto query = ParseForm(request.query);
  const std::string* given = query ? FindField(*query, "host") : nullptr;
  std::string host = given != nullptr ? NormalAddress(*given) : "";
  if (host.empty()) return Text(400, "host missing or malformed\n");
  if (!IsOurs(host)) return Text(400, StrCat("no interface of the host has the address ", host, "\n"));
  std::set<std::string> addresses;
  for (const auto& [name, value] : *query) {
    if (name != "address") continue;
    std::string address = NormalAddress(value);
    if (address.empty()) return Text(400, "malformed address\n");
    addresses.insert(address);
  }
  pod->second.announced = true;
  pod->second.addresses = std::move(addresses);
  pod->second.host = host;
  if (Status saved = Save(pod->second); !saved) return Text(500, StrCat(saved.error().Text(), "\n"));
  return Json(json::Write(json::Value::Object({{"port", port_}})));
}

HttpReply Registry::DeletePod(const std::string& uuid) {
  if (pods_.erase(uuid) == 0) return Text(404, "pod not found\n");
  Status removed = UnlinkAt(AT_FDCWD, StrCat(directory_, "/pods/", uuid));
  return removed ? Text(200, "") : Text(500, StrCat(removed.error().Text(), "\n"));
}

// A token is a secret of the pod; one that has come to others is of no use to them.
bool Registry::MayAsk(const Pod& pod, const std::string& peer) {
  if (!pod.announced) return true;  // stage1 is another's: the token alone counts
  if (pod.addresses.empty()) return IsLoopback(peer) || IsOurs(peer);
  return pod.addresses.count(peer) != 0;
}

HttpReply Registry::Answer(const HttpRequest& request, const std::string& peer) const {
  std::string_view path = request.path;
  path.remove_prefix(1);
  std::string token(TakeElement(path));
  if (TakeElement(path) != "acMetadata" || TakeElement(path) != "v1") return NotFound();
  auto found = by_token_.find(token);
  const Pod* pod = found != by_token_.end() ? &pods_.at(found->second) : nullptr;
  // The same words for both: whether a token is somebody's is not told.
  if (pod == nullptr || !MayAsk(*pod, peer)) return Text(401, "pod not found\n");
  if (request.method == "GET" || request.method == "HEAD") return Get(*pod, path);
  if (request.method == "POST") return Post(*pod, path, request);
  return NotFound();
}

HttpReply Registry::Get(const Pod& pod, std::string_view path) const {
  constexpr std::string_view kAnnotations = "annotations";
  constexpr std::string_view kOneAnnotation = "annotations/";
  std::string_view kind = TakeElement(path);
  if (kind == "pod") {
    if (path == kAnnotations) return Json(AnnotationsJson(pod.manifest.annotations));
    if (path.starts_with(kOneAnnotation)) {
      return AnnotationReply(pod.manifest.annotations, path.substr(kOneAnnotation.size()));
    }
    if (path == "manifest") return Json(pod.text);
    if (path == "uuid") return Text(200, pod.uuid);
    return NotFound();
  }
  if (kind != "apps") return NotFound();
  std::string name(TakeElement(path));
  const appc::RuntimeApp* app = pod.manifest.FindApp(name);
  auto image = pod.images.find(name);
  if (app == nullptr || image == pod.images.end()) return Text(404, "app not found\n");
  if (path == "image/manifest") return Json(image->second.text);
  if (path == "image/id") return Text(200, app->image.id);
  if (path == kAnnotations || path.starts_with(kOneAnnotation)) {
    appc::Annotations merged = Merge(image->second.manifest.annotations, app->annotations);
    if (path == kAnnotations) return Json(AnnotationsJson(merged));
    return AnnotationReply(merged, path.substr(kOneAnnotation.size()));
  }
  return NotFound();
}

HttpReply Registry::Post(const Pod& pod, std::string_view path, const HttpRequest& request) const {
  if (path != "pod/hmac/sign" && path != "pod/hmac/verify") return NotFound();
  auto form = ParseForm(request.query);
  if (request.content_type == "application/x-www-form-urlencoded" || request.content_type.empty()) {
    auto body = ParseForm(request.body);
    // What the body says counts before what the query says.
    if (form && body) {
      body->insert(body->end(), form->begin(), form->end());
      form = std::move(body);
    } else {
      form.reset();
    }
  } else if (!request.body.empty()) {
    return Text(415, "the form must be application/x-www-form-urlencoded\n");
  }
  const std::string* content = form ? FindField(*form, "content") : nullptr;
  if (content == nullptr) return Text(400, "content form value not found\n");
  if (path == "pod/hmac/sign") return Text(200, Base64Text(HmacSha512(key_, UuidBytes(pod.uuid) + *content)));

  const std::string* uuid_text = FindField(*form, "uuid");
  auto uuid = uuid_text != nullptr ? NormalizeUuid(*uuid_text) : std::nullopt;
  if (!uuid) return Text(400, "uuid form value missing or malformed\n");
  const std::string* signature = FindField(*form, "signature");
  if (signature == nullptr) return Text(400, "signature form value not found\n");
  bool good = SameText(Base64Text(HmacSha512(key_, UuidBytes(*uuid) + *content)), *signature);
  return good ? Text(200, "") : Text(403, "");
}

}  // namespace rkt::metadata
