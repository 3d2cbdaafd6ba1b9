// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/image_manifest.h"

#include "appc/reader.h"

namespace rkt::appc {

namespace {

void ReadDependency(Source& source, const json::Value& value, const Path& path, Dependency* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("imageName", CheckACIdentifier, &out->image_name);
  if (reader.Take("imageID")) reader.Checked("imageID", CheckImageId, &out->image_id);
  ReadLabels(reader, /*manifest_rules=*/true, &out->labels);
  reader.Uint("size", UINT64_MAX, &out->size);
  reader.Finish(&out->unknown);
}

json::Value ToJson(const Dependency& dependency) {
  json::Value out = json::Value::Object({{"imageName", dependency.image_name}});
  if (!dependency.image_id.empty()) out.Set("imageID", dependency.image_id);
  if (!dependency.labels.empty()) out.Set("labels", ToJson(dependency.labels));
  if (dependency.size > 0) out.Set("size", dependency.size);
  WriteUnknown(out, dependency.unknown);
  return out;
}

}  // namespace

std::string ImageManifest::version() const {
  const std::string* version = Find("version");
  return version ? *version : std::string();
}

Result<ImageManifest> ParseImageManifest(std::string_view text) {
  json::Value document = TRY(json::Parse(text, {.max_size = kMaxManifestSize}));
  Source source(text);
  Path root;
  ObjectReader reader(source, document, root);
  ImageManifest out;
  ReadKindAndVersion(reader, "ImageManifest", &out.ac_version);
  reader.Checked("name", CheckACIdentifier, &out.name);
  ReadLabels(reader, /*manifest_rules=*/true, &out.labels);
  if (const json::Value* app = reader.Take("app")) {
    ReadApp(source, *app, Path{&root, "app"}, &out.app.emplace());
  }
  ReadAnnotations(reader, &out.annotations);
  reader.Each("dependencies", [&](const json::Value& item, const Path& path) {
    ReadDependency(source, item, path, &out.dependencies.emplace_back());
  });
  reader.Strings("pathWhitelist", &out.path_whitelist);
  reader.Finish(&out.unknown);
  TRY(source.Finish());
  return out;
}

json::Value ToJson(const ImageManifest& manifest) {
  json::Value out = json::Value::Object(
      {{"acKind", "ImageManifest"}, {"acVersion", manifest.ac_version}, {"name", manifest.name}});
  if (!manifest.labels.empty()) out.Set("labels", ToJson(manifest.labels));
  if (manifest.app) out.Set("app", ToJson(*manifest.app));
  if (!manifest.annotations.empty()) out.Set("annotations", ToJson(manifest.annotations));
  if (!manifest.dependencies.empty()) {
    json::Value& list = out.Set("dependencies", json::Value::Array());
    for (const Dependency& dependency : manifest.dependencies) list.Append(ToJson(dependency));
  }
  if (!manifest.path_whitelist.empty()) {
    out.Set("pathWhitelist", json::Value::Array(manifest.path_whitelist));
  }
  WriteUnknown(out, manifest.unknown);
  return out;
}

std::string WriteImageManifest(const ImageManifest& manifest) {
  return json::Write(ToJson(manifest));
}

}  // namespace rkt::appc
