// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/manifest.h"

#include <algorithm>

#include "appc/names.h"
#include "base/json.h"
#include "base/strings.h"
#include "image/oci/reference.h"

namespace rkt::image::oci {

namespace {

// What no index of images or manifest comes near.
constexpr json::ParseOptions kLimits = {.max_size = kMaxDocument, .max_depth = 64};

Error Malformed(std::string_view what) { return Err(Code::kInvalid, "malformed image manifest: ", what); }

Result<std::string> Text(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return Malformed(StrCat(key, " must be a string"));
  return value->text();
}

Result<const std::vector<json::Value>*> List(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  if (value == nullptr || !value->is_array()) return Malformed(StrCat(key, " must be an array"));
  if (value->items().size() > kMaxDescriptors) return Malformed(StrCat("too many ", key));
  return &value->items();
}

Result<Descriptor> ReadDescriptor(const json::Value& value, const char* what) {
  if (!value.is_object()) return Malformed(StrCat(what, " must be an object"));
  Descriptor descriptor;
  descriptor.media_type = TRY(Text(value, "mediaType"));
  descriptor.digest = TRY(Text(value, "digest"));
  if (!IsDigest(descriptor.digest)) {
    return Malformed(StrCat(what, ": malformed digest ", Quote(descriptor.digest.substr(0, 200))));
  }
  const json::Value* size = value.Find("size");
  auto bytes = size == nullptr ? std::nullopt : size->AsUint();
  if (!bytes) return Malformed(StrCat(what, ": no size"));
  descriptor.size = *bytes;
  if (const json::Value* platform = value.Find("platform"); platform != nullptr && platform->is_object()) {
    descriptor.platform.os = TRY(Text(*platform, "os"));
    descriptor.platform.architecture = TRY(Text(*platform, "architecture"));
    descriptor.platform.variant = TRY(Text(*platform, "variant"));
    descriptor.platform.os_version = TRY(Text(*platform, "os.version"));
  }
  if (const json::Value* annotations = value.Find("annotations"); annotations != nullptr && annotations->is_object()) {
    descriptor.ref_name = TRY(Text(*annotations, "org.opencontainers.image.ref.name"));
    descriptor.image_name = TRY(Text(*annotations, "io.containerd.image.name"));
  }
  return descriptor;
}

bool IsManifestType(std::string_view type) { return type == kOciManifest || type == kDockerManifest; }
bool IsSchema1Type(std::string_view type) { return type == kDockerSchema1 || type == kDockerSigned1; }
bool SaysNothing(std::string_view type) {
  return type.empty() || type == "text/plain" || type == "application/json" || type == "application/octet-stream";
}

Status RefuseMembers(const json::Value& document, std::initializer_list<const char*> members, const char* kind) {
  for (const char* member : members) {
    if (document.Find(member) != nullptr) return Malformed(StrCat("an ", kind, " with ", Quote(member)));
  }
  return {};
}

Result<Index> ReadIndex(const json::Value& document) {
  TRY(RefuseMembers(document, {"layers", "config", "fsLayers"}, "index"));
  Index index;
  for (const json::Value& item : *TRY(List(document, "manifests"))) {
    index.manifests.push_back(TRY(ReadDescriptor(item, "manifest of the index")));
  }
  return index;
}

Result<Manifest> ReadManifest(const json::Value& document) {
  TRY(RefuseMembers(document, {"manifests", "fsLayers"}, "image manifest"));
  const json::Value* config = document.Find("config");
  if (config == nullptr) return Malformed("no config");
  Manifest manifest;
  manifest.config = TRY(ReadDescriptor(*config, "config"));
  for (const json::Value& item : *TRY(List(document, "layers"))) {
    manifest.layers.push_back(TRY(ReadDescriptor(item, "layer")));
  }
  return manifest;
}

Result<Schema1> ReadSchema1(const json::Value& document) {
  TRY(RefuseMembers(document, {"manifests", "layers", "config"}, "old manifest"));
  Schema1 schema;
  schema.name = TRY(Text(document, "name"));
  schema.tag = TRY(Text(document, "tag"));
  schema.architecture = TRY(Text(document, "architecture"));
  const auto& layers = *TRY(List(document, "fsLayers"));
  const auto& history = *TRY(List(document, "history"));
  if (layers.empty() || layers.size() != history.size()) return Malformed("fsLayers and history differ in length");
  for (size_t i = layers.size(); i-- > 0;) {  // it has the topmost first
    std::string digest = TRY(Text(layers[i], "blobSum"));
    if (!IsDigest(digest)) return Malformed(StrCat("malformed digest ", Quote(digest.substr(0, 200))));
    schema.layers.push_back(std::move(digest));
    schema.history.push_back(TRY(Text(history[i], "v1Compatibility")));
  }
  return schema;
}

std::string PlatformText(const Platform& platform) {
  return StrCat(platform.os, "/", platform.architecture, platform.variant.empty() ? "" : "/", platform.variant);
}

}  // namespace

bool IsIndexType(std::string_view type) { return type == kOciIndex || type == kDockerList; }

Result<Document> ParseDocument(std::string_view text, std::string_view media_type) {
  std::string type = ToLower(Trim(media_type.substr(0, media_type.find(';'))));
  auto parsed = json::Parse(text, kLimits);
  if (!parsed) return std::move(parsed).error().Wrap("image manifest");
  if (!parsed->is_object()) return Malformed("it must be an object");
  std::string own = TRY(Text(*parsed, "mediaType"));
  if (SaysNothing(type)) {
    type = own;
  } else if (!own.empty() && own != type && !(IsSchema1Type(own) && IsSchema1Type(type))) {
    return Malformed(StrCat("it calls itself ", Quote(own.substr(0, 200)), ", but came as ", Quote(type.substr(0, 200))));
  }
  const json::Value* version = parsed->Find("schemaVersion");
  auto number = version == nullptr ? std::nullopt : version->AsInt();
  if (!number || (*number != 1 && *number != 2)) return Malformed("unknown schemaVersion");
  if (type.empty()) {
    // Old layouts say no type anywhere: then the members do, and there may be those of one kind only.
    type = *number == 1 ? kDockerSigned1 : parsed->Find("manifests") != nullptr ? kOciIndex : kOciManifest;
  }
  Document document{};
  if (IsSchema1Type(type) != (*number == 1)) return Malformed(StrCat("schemaVersion ", *number, " for ", Quote(type)));
  if (IsIndexType(type)) {
    document.kind = Document::Kind::kIndex;
    document.index = TRY(ReadIndex(*parsed));
  } else if (IsManifestType(type)) {
    document.kind = Document::Kind::kManifest;
    document.manifest = TRY(ReadManifest(*parsed));
  } else if (IsSchema1Type(type)) {
    document.kind = Document::Kind::kSchema1;
    document.schema1 = TRY(ReadSchema1(*parsed));
  } else {
    return Err(Code::kUnsupported, "image manifests of type ", Quote(type.substr(0, 200)), " are not supported");
  }
  return document;
}

Platform HostPlatform() {
  std::string_view arch = appc::HostArchitecture();
  if (arch == "aarch64") return {"linux", "arm64", "v8", {}};
  if (arch == "armv7l") return {"linux", "arm", "v7", {}};
  if (arch == "armv6l") return {"linux", "arm", "v6", {}};
  if (arch == "i386") return {"linux", "386", {}, {}};
  return {"linux", std::string(arch), {}, {}};
}

std::string AppcArchitecture(const Platform& platform) {
  const std::string& arch = platform.architecture;
  if (arch == "386") return "i386";
  if (arch == "arm64") return "aarch64";
  if (arch == "arm") return platform.variant == "v6" || platform.variant == "v5" ? "armv6l" : "armv7l";
  if (arch == "amd64" || arch == "ppc64le" || arch == "ppc64" || arch == "s390x") return arch;
  return {};
}

Result<Descriptor> ChoosePlatform(const Index& index) {
  Platform host = HostPlatform();
  const Descriptor* fits = nullptr;
  std::vector<std::string> there;
  for (const Descriptor& descriptor : index.manifests) {
    const Platform& platform = descriptor.platform;
    there.push_back(PlatformText(platform));
    if (platform.os != host.os || platform.architecture != host.architecture) continue;
    if (platform.variant == host.variant || platform.variant.empty()) {
      if (fits == nullptr || (fits->platform.variant != host.variant && platform.variant == host.variant)) {
        fits = &descriptor;
      }
    }
  }
  if (fits == nullptr && index.manifests.size() == 1 && index.manifests[0].platform.os.empty() &&
      index.manifests[0].platform.architecture.empty()) {
    fits = &index.manifests[0];
  }
  if (fits == nullptr) {
    std::string list = Join(there, ", ").substr(0, 512);
    return Err(Code::kNotFound, "the image is not made for ", PlatformText(host),
               list.empty() ? std::string() : StrCat(", only for ", list));
  }
  return *fits;
}

}  // namespace rkt::image::oci
