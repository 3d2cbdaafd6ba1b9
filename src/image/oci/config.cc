// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/config.h"

#include <algorithm>
#include <set>

#include "appc/image_manifest.h"
#include "base/json.h"
#include "base/strings.h"
#include "image/oci/reference.h"

namespace rkt::image::oci {

namespace {

constexpr json::ParseOptions kLimits = {.max_size = kMaxDocument, .max_depth = 64};
constexpr char kPrefix[] = "appc.io/docker/";

Error Malformed(std::string_view what) { return Err(Code::kInvalid, "malformed image configuration: ", what); }

Result<std::string> Text(const json::Value& object, const char* key) {
  const json::Value* value = object.Find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) return Malformed(StrCat(key, " must be a string"));
  if (value->text().find('\0') != std::string::npos) return Malformed(StrCat("a NUL in ", key));
  return value->text();
}

// Also a lone string, as some builders write.
Result<std::vector<std::string>> Texts(const json::Value& object, const char* key) {
  std::vector<std::string> texts;
  const json::Value* value = object.Find(key);
  if (value == nullptr || value->is_null()) return texts;
  if (value->is_string()) return std::vector<std::string>{value->text()};
  if (!value->is_array()) return Malformed(StrCat(key, " must be an array"));
  for (const json::Value& item : value->items()) {
    if (!item.is_string()) return Malformed(StrCat(key, " must have strings only"));
    if (item.text().find('\0') != std::string::npos) return Malformed(StrCat("a NUL in ", key));
    texts.push_back(item.text());
  }
  return texts;
}

// The names of an object's members: a set, as Go writes one.
Result<std::vector<std::string>> Names(const json::Value& object, const char* key) {
  std::vector<std::string> names;
  const json::Value* value = object.Find(key);
  if (value == nullptr || value->is_null()) return names;
  if (!value->is_object()) return Malformed(StrCat(key, " must be an object"));
  for (const json::Member& member : value->members()) names.push_back(member.key);
  std::sort(names.begin(), names.end());
  return names;
}

Status ReadSettings(const json::Value& settings, ImageConfig* config) {
  config->user = TRY(Text(settings, "User"));
  config->env = TRY(Texts(settings, "Env"));
  config->entrypoint = TRY(Texts(settings, "Entrypoint"));
  config->cmd = TRY(Texts(settings, "Cmd"));
  config->exposed_ports = TRY(Names(settings, "ExposedPorts"));
  config->volumes = TRY(Names(settings, "Volumes"));
  config->working_dir = TRY(Text(settings, "WorkingDir"));
  config->stop_signal = TRY(Text(settings, "StopSignal"));
  for (const std::string& name : TRY(Names(settings, "Labels"))) {
    config->labels[name] = TRY(Text(*settings.Find("Labels"), name.c_str()));
  }
  return {};
}

Result<ImageConfig> ReadConfig(std::string_view text, json::Value* document) {
  auto parsed = json::Parse(text, kLimits);
  if (!parsed) return std::move(parsed).error().Wrap("image configuration");
  if (!parsed->is_object()) return Malformed("it must be an object");
  ImageConfig config;
  config.platform.os = TRY(Text(*parsed, "os"));
  config.platform.architecture = TRY(Text(*parsed, "architecture"));
  config.platform.variant = TRY(Text(*parsed, "variant"));
  config.created = TRY(Text(*parsed, "created"));
  config.author = TRY(Text(*parsed, "author"));
  if (const json::Value* settings = parsed->Find("config"); settings != nullptr && settings->is_object()) {
    TRY(ReadSettings(*settings, &config));
  }
  *document = *std::move(parsed);
  return config;
}

void Annotate(appc::Annotations& annotations, std::string_view name, std::string_view value) {
  if (!value.empty()) appc::SetAnnotation(annotations, name, value);
}

void AddEnvironment(const std::vector<std::string>& env, appc::App* app) {
  for (const std::string& variable : env) {
    size_t equals = variable.find('=');
    if (equals == std::string::npos) continue;
    std::string_view name = std::string_view(variable).substr(0, equals);
    // What no manifest may hold cannot be asked for either.
    if (!appc::IsVariableName(name)) continue;
    appc::SetVariable(app->environment, name, std::string_view(variable).substr(equals + 1));
  }
}

// "80/tcp", "80", "8000-8010/udp"
Result<appc::Port> ConvertPort(const std::string& text) {
  auto invalid = [&] { return Malformed(StrCat("exposed port ", Quote(text.substr(0, 200)))); };
  size_t slash = text.find('/');
  std::string_view numbers = std::string_view(text).substr(0, slash);
  size_t dash = numbers.find('-');
  auto first = ParseUint(numbers.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : ParseUint(numbers.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > 65535 || *last < *first) return invalid();
  appc::Port port;
  port.protocol = slash == std::string::npos ? "tcp" : ToLower(std::string_view(text).substr(slash + 1));
  port.name = StrCat(numbers, "-", port.protocol);
  if (!appc::IsACName(port.name)) return invalid();
  port.port = static_cast<uint32_t>(*first);
  port.count = static_cast<uint32_t>(*last - *first + 1);
  return port;
}

Status AddVolumes(const std::vector<std::string>& volumes, appc::App* app) {
  std::set<std::string> taken;
  for (const std::string& path : volumes) {
    auto base = appc::SanitizeACName(path);
    std::string name = base ? StrCat("volume-", *base) : "volume";
    std::string unique = name;
    for (int number = 1; !taken.insert(unique).second; ++number) unique = StrCat(name, "-", number);
    appc::MountPoint mount;
    mount.name = std::move(unique);
    mount.path = path;
    app->mount_points.push_back(std::move(mount));
  }
  return {};
}

std::string JsonList(const std::vector<std::string>& list) { return json::Write(json::Value::Array(list)); }

}  // namespace

Result<ImageConfig> ParseImageConfig(std::string_view text) {
  json::Value document;
  ImageConfig config = TRY(ReadConfig(text, &document));
  const json::Value* rootfs = document.Find("rootfs");
  if (rootfs == nullptr || !rootfs->is_object()) return Malformed("no rootfs");
  if (TRY(Text(*rootfs, "type")) != "layers") return Malformed("its rootfs is not made of layers");
  config.diff_ids = TRY(Texts(*rootfs, "diff_ids"));
  for (const std::string& id : config.diff_ids) {
    if (!IsDigest(id)) return Malformed(StrCat("malformed digest ", Quote(id.substr(0, 200)), " of a layer"));
  }
  return config;
}

Result<ImageConfig> ParseV1Config(std::string_view text) {
  json::Value document;
  ImageConfig config = TRY(ReadConfig(text, &document));
  config.id = TRY(Text(document, "id"));
  config.parent = TRY(Text(document, "parent"));
  return config;
}

Result<std::string> ConvertName(const ImageOrigin& origin) {
  return appc::SanitizeACIdentifier(origin.host.empty() ? origin.repository
                                                        : StrCat(origin.host, "/", origin.repository));
}

Result<std::string> ConvertConfig(const ImageConfig& config, const ImageOrigin& origin) {
  appc::ImageManifest manifest;
  manifest.ac_version = appc::kSpecVersion;
  manifest.name = TRY(ConvertName(origin));
  std::string arch = AppcArchitecture(config.platform);
  if (arch.empty() && !config.platform.architecture.empty()) {
    return Err(Code::kUnsupported, "images for the architecture ", Quote(config.platform.architecture.substr(0, 64)),
               " are not supported");
  }
  if (!arch.empty()) manifest.labels.push_back({"arch", arch});
  if (!config.platform.os.empty()) manifest.labels.push_back({"os", config.platform.os});
  if (!origin.tag.empty()) manifest.labels.push_back({"version", origin.tag});
  TRY(appc::CheckManifestLabels(manifest.labels));

  appc::App app;
  app.exec = config.entrypoint;
  app.exec.insert(app.exec.end(), config.cmd.begin(), config.cmd.end());
  size_t colon = config.user.find(':');
  app.user = config.user.substr(0, colon);
  if (app.user.empty()) app.user = "0";
  app.group = colon == std::string::npos ? app.user : config.user.substr(colon + 1);
  if (app.group.empty()) app.group = app.user;
  AddEnvironment(config.env, &app);
  app.working_directory = config.working_dir;
  if (!app.working_directory.empty() && app.working_directory[0] != '/') app.working_directory.insert(0, "/");
  TRY(AddVolumes(config.volumes, &app));
  for (const std::string& port : config.exposed_ports) app.ports.push_back(TRY(ConvertPort(port)));
  app.user_labels = {config.labels.begin(), config.labels.end()};

  appc::Annotations& annotations = manifest.annotations;
  // A time that the specification would refuse says nothing.
  if (appc::CheckAnnotationValue("created", config.created)) Annotate(annotations, "created", config.created);
  Annotate(annotations, origin.schema1 ? "authors" : "author", config.author);
  auto docker = [&](const char* name, std::string_view value) { Annotate(annotations, StrCat(kPrefix, name), value); };
  docker("originalname", origin.original_name);
  docker("registryurl", origin.host);
  // Always there: it tells that the image was converted (user without group, volumes that start with the image's content).
  docker("repository", origin.repository);
  docker("imageid", origin.image_id);
  if (origin.schema1) docker("parentimageid", config.parent);
  docker("manifesthash", origin.manifest_hash);
  if (!config.entrypoint.empty()) docker("entrypoint", JsonList(config.entrypoint));
  if (!config.cmd.empty()) docker("cmd", JsonList(config.cmd));
  if (origin.schema1) docker("tag", origin.tag);
  docker("stopsignal", config.stop_signal);
  manifest.app = std::move(app);
  std::string text = appc::WriteImageManifest(manifest);
  // What comes out must be what every reader accepts.
  TRY_CTX(appc::ParseImageManifest(text), "converting the image's configuration");
  return text;
}

}  // namespace rkt::image::oci
