// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/pod_manifest.h"

#include <algorithm>
#include <unordered_set>

#include "appc/image_manifest.h"
#include "appc/reader.h"

namespace rkt::appc {

namespace {

Status CheckAddress(std::string_view text) {
  if (!IsIpAddress(text)) return Err(Code::kInvalid, "must be an IP address: ", Shown(text));
  return {};
}

void ReadImage(Source& source, const json::Value& value, const Path& path, RuntimeImage* out) {
  ObjectReader reader(source, value, path);
  if (reader.Take("name")) reader.Checked("name", CheckACIdentifier, &out->name);
  if (reader.Take("id")) reader.Checked("id", CheckImageId, &out->id);
  ReadLabels(reader, /*manifest_rules=*/false, &out->labels);
  reader.Finish(&out->unknown);
}

void ReadMount(Source& source, const json::Value& value, const Path& path, Mount* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("volume", CheckACName, &out->volume);
  reader.String("path", &out->path);
  if (const json::Value* volume = reader.Take("appVolume")) {
    ReadVolume(source, *volume, Path{&path, "appVolume"}, &out->app_volume.emplace());
  }
  reader.Finish(&out->unknown);
}

void ReadRuntimeApp(Source& source, const json::Value& value, const Path& path, RuntimeApp* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("name", CheckACName, &out->name);
  if (const json::Value* image = reader.Require("image")) {
    ReadImage(source, *image, Path{&path, "image"}, &out->image);
  }
  if (const json::Value* app = reader.Take("app")) {
    ReadApp(source, *app, Path{&path, "app"}, &out->app.emplace());
  }
  reader.Bool("readOnlyRootFS", &out->read_only_root_fs);
  reader.Each("mounts", [&](const json::Value& item, const Path& here) {
    ReadMount(source, item, here, &out->mounts.emplace_back());
  });
  ReadAnnotations(reader, &out->annotations);
  reader.Finish(&out->unknown);
}

void ReadExposedPort(Source& source, const json::Value& value, const Path& path, ExposedPort* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("name", CheckACName, &out->name);
  reader.Uint32("hostPort", 65535, &out->host_port);
  // Go writes the missing address as "".
  const json::Value* address = reader.Take("hostIP");
  if (address && *address != json::Value("")) {
    reader.Checked("hostIP", CheckAddress, &out->host_ip);
  }
  if (const json::Value* port = reader.Take("podPort")) {
    ReadPort(source, *port, Path{&path, "podPort"}, &out->pod_port.emplace());
  }
  reader.Finish(&out->unknown);
}

json::Value ToJson(const Mount& mount) {
  json::Value out = json::Value::Object({{"volume", mount.volume}, {"path", mount.path}});
  if (mount.app_volume) out.Set("appVolume", ToJson(*mount.app_volume));
  WriteUnknown(out, mount.unknown);
  return out;
}

json::Value ToJson(const RuntimeApp& app) {
  json::Value out = json::Value::Object({{"name", app.name}});
  json::Value& image = out.Set("image", json::Value::Object());
  if (!app.image.name.empty()) image.Set("name", app.image.name);
  if (!app.image.id.empty()) image.Set("id", app.image.id);
  if (!app.image.labels.empty()) image.Set("labels", ToJson(app.image.labels));
  WriteUnknown(image, app.image.unknown);
  if (app.app) out.Set("app", ToJson(*app.app));
  if (app.read_only_root_fs) out.Set("readOnlyRootFS", true);
  if (!app.mounts.empty()) {
    json::Value& list = out.Set("mounts", json::Value::Array());
    for (const Mount& mount : app.mounts) list.Append(ToJson(mount));
  }
  if (!app.annotations.empty()) out.Set("annotations", ToJson(app.annotations));
  WriteUnknown(out, app.unknown);
  return out;
}

json::Value ToJson(const ExposedPort& port) {
  json::Value out = json::Value::Object({{"name", port.name}, {"hostPort", port.host_port}});
  if (!port.host_ip.empty()) out.Set("hostIP", port.host_ip);
  if (port.pod_port) out.Set("podPort", ToJson(*port.pod_port));
  WriteUnknown(out, port.unknown);
  return out;
}

bool IsAnyAddress(const std::string& ip) { return ip.empty() || ip == "0.0.0.0" || ip == "::"; }

}  // namespace

const RuntimeApp* PodManifest::FindApp(std::string_view name) const {
  for (const RuntimeApp& app : apps) {
    if (app.name == name) return &app;
  }
  return nullptr;
}

const Volume* PodManifest::FindVolume(std::string_view name) const {
  for (const Volume& volume : volumes) {
    if (volume.name == name) return &volume;
  }
  return nullptr;
}

bool PodManifest::IsMutable() const {
  const std::string* value = FindAnnotation(annotations, kMutableAnnotation);
  return value && *value == "true";
}

Result<PodManifest> ParsePodManifest(std::string_view text) {
  json::Value document = TRY(json::Parse(text, {.max_size = kMaxManifestSize}));
  Source source(text);
  Path root;
  ObjectReader reader(source, document, root);
  PodManifest out;
  ReadKindAndVersion(reader, "PodManifest", &out.ac_version);
  std::unordered_set<std::string> names;
  reader.Each("apps", [&](const json::Value& item, const Path& path) {
    RuntimeApp& app = out.apps.emplace_back();
    ReadRuntimeApp(source, item, path, &app);
    if (!source.failed() && !names.insert(app.name).second) {
      source.Fail(item, path, StrCat("duplicate app name ", Shown(app.name)));
    }
  });
  names.clear();
  reader.Each("volumes", [&](const json::Value& item, const Path& path) {
    Volume& volume = out.volumes.emplace_back();
    ReadVolume(source, item, path, &volume);
    if (!source.failed() && !names.insert(volume.name).second) {
      source.Fail(item, path, StrCat("duplicate volume name ", Shown(volume.name)));
    }
  });
  ReadIsolators(reader, &out.isolators);
  ReadAnnotations(reader, &out.annotations);
  reader.Each("ports", [&](const json::Value& item, const Path& path) {
    ReadExposedPort(source, item, path, &out.ports.emplace_back());
  });
  ReadStringMap(reader, "userAnnotations", &out.user_annotations);
  ReadStringMap(reader, "userLabels", &out.user_labels);
  reader.Finish(&out.unknown);
  TRY(source.Finish());
  return out;
}

json::Value ToJson(const PodManifest& manifest) {
  json::Value out =
      json::Value::Object({{"acVersion", manifest.ac_version}, {"acKind", "PodManifest"}});
  json::Value& apps = out.Set("apps", json::Value::Array());
  for (const RuntimeApp& app : manifest.apps) apps.Append(ToJson(app));
  json::Value& volumes = out.Set("volumes", json::Value());
  for (const Volume& volume : manifest.volumes) volumes.Append(ToJson(volume));
  out.Set("isolators", manifest.isolators.empty() ? json::Value() : ToJson(manifest.isolators));
  out.Set("annotations",
          manifest.annotations.empty() ? json::Value() : ToJson(manifest.annotations));
  json::Value& ports = out.Set("ports", json::Value::Array());
  for (const ExposedPort& port : manifest.ports) ports.Append(ToJson(port));
  if (!manifest.user_annotations.empty())
    out.Set("userAnnotations", ToJson(manifest.user_annotations));
  if (!manifest.user_labels.empty()) out.Set("userLabels", ToJson(manifest.user_labels));
  WriteUnknown(out, manifest.unknown);
  return out;
}

std::string WritePodManifest(const PodManifest& manifest) { return json::Write(ToJson(manifest)); }

namespace {

// ", only: a, b", for messages.
std::string DeclaredPorts(const PodManifest& manifest) {
  constexpr size_t kMax = 10;
  std::vector<std::string> names;
  for (const RuntimeApp& app : manifest.apps) {
    if (!app.app) continue;
    for (const Port& port : app.app->ports) names.push_back(Shown(port.name));
  }
  if (names.empty()) return ", none is";
  if (names.size() > kMax) {
    names.resize(kMax);
    names.push_back("...");
  }
  return StrCat(", only: ", Join(names, ", "));
}

}  // namespace

Result<std::vector<ForwardedPort>> ResolvePorts(const PodManifest& manifest) {
  std::vector<ForwardedPort> out;
  for (const ExposedPort& exposed : manifest.ports) {
    const Port* target = exposed.pod_port ? &*exposed.pod_port : nullptr;
    int found = target ? 1 : 0;
    if (!target) {
      for (const RuntimeApp& app : manifest.apps) {
        if (!app.app) continue;
        for (const Port& port : app.app->ports) {
          if (port.name != exposed.name) continue;
          target = &port;
          ++found;
        }
      }
    }
    if (found == 0) {
      return Err(Code::kInvalid, "port name ", Shown(exposed.name), " is not declared by any app", DeclaredPorts(manifest));
    }
    if (found > 1) {
      return Err(Code::kInvalid, "port name ", Shown(exposed.name), " is declared ", found,
                 " times");
    }
    if (exposed.host_port == 0 || exposed.host_port + target->count > 65536) {
      return Err(Code::kInvalid, "port ", Shown(exposed.name), ": host port ", exposed.host_port,
                 " is out of range");
    }
    ForwardedPort port{exposed.name,  target->protocol,  target->port,
                       target->count, exposed.host_port, exposed.host_ip};
    for (const ForwardedPort& other : out) {
      bool same_address = port.host_ip == other.host_ip || IsAnyAddress(port.host_ip) ||
                          IsAnyAddress(other.host_ip);
      bool overlap = port.host_port < other.host_port + other.count &&
                     other.host_port < port.host_port + port.count;
      if (port.protocol == other.protocol && same_address && overlap) {
        return Err(Code::kInvalid, "ports ", Shown(other.name), " and ", Shown(port.name),
                   " both want host port ", std::max(port.host_port, other.host_port), "/",
                   port.protocol);
      }
    }
    out.push_back(std::move(port));
  }
  return out;
}

}  // namespace rkt::appc
