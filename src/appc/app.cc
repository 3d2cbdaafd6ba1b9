// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/app.h"

#include <algorithm>
#include <unordered_set>

#include "appc/reader.h"

namespace rkt::appc {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool IsVolumeMode(std::string_view text) {
  return text.size() >= 3 && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; }) &&
         *ParseOctal(text) <= 07777;
}

// Two digits at `at` as a number, or -1.
int TwoDigits(std::string_view text, size_t at) {
  if (at + 2 > text.size() || !IsDigit(text[at]) || !IsDigit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

// YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM|-HH:MM), RFC 3339 section 5.6.
bool IsRfc3339(std::string_view text) {
  if (text.size() < 20) return false;
  for (size_t at : {0, 1, 2, 3}) {
    if (!IsDigit(text[at])) return false;
  }
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':') {
    return false;
  }
  int month = TwoDigits(text, 5), day = TwoDigits(text, 8), hour = TwoDigits(text, 11),
      minute = TwoDigits(text, 14), second = TwoDigits(text, 17);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60) {
    return false;
  }
  size_t at = 19;
  if (text[at] == '.') {
    size_t begin = ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    if (at == begin) return false;
  }
  if (at == text.size()) return false;
  if (text[at] == 'Z' || text[at] == 'z') return at + 1 == text.size();
  if (text[at] != '+' && text[at] != '-') return false;
  return text.size() == at + 6 && text[at + 3] == ':' && TwoDigits(text, at + 1) >= 0 &&
         TwoDigits(text, at + 1) < 24 && TwoDigits(text, at + 4) >= 0 &&
         TwoDigits(text, at + 4) < 60;
}

bool IsHttpUrl(std::string_view text) {
  std::string lower = ToLower(text.substr(0, 8));
  size_t scheme = lower.starts_with("http://") ? 7 : lower.starts_with("https://") ? 8 : 0;
  return scheme > 0 && text.size() > scheme && text[scheme] != '/' &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

// Reports the second use of a name.
class Unique {
 public:
  Unique(Source& source, std::string_view what) : source_(source), what_(what) {}
  void Add(const std::string& name, const json::Value& at, const Path& path) {
    if (!seen_.insert(name).second) {
      source_.Fail(at, path, StrCat("duplicate ", what_, " ", Shown(name)));
    }
  }

 private:
  Source& source_;
  std::string_view what_;
  std::unordered_set<std::string> seen_;
};

// {"name": ..., "value": ...} with a free value: a label, an annotation, a variable.
template <typename Pair>
bool ReadPair(Source& source, const json::Value& item, const Path& path,
              Status (*check)(std::string_view), Pair* out) {
  ObjectReader reader(source, item, path);
  reader.Checked("name", check, &out->name);
  reader.String("value", &out->value);
  reader.Finish(&out->unknown);
  return !source.failed();
}

Status CheckVariableName(std::string_view name) {
  if (!IsVariableName(name)) {
    return Err(Code::kInvalid,
               "must be letters, digits, '_', '.' and '-', not beginning with a digit, "
               "'.' or '-': ",
               Shown(name));
  }
  return {};
}

Status CheckEventName(std::string_view name) {
  if (name != "pre-start" && name != "post-stop") {
    return Err(Code::kInvalid, "must be pre-start or post-stop: ", Shown(name));
  }
  return {};
}

template <typename T>
auto* FindByName(T& list, std::string_view name) {
  auto it = std::find_if(list.begin(), list.end(),
                         [name](const auto& item) { return item.name == name; });
  return it == list.end() ? nullptr : &*it;
}

template <typename Pair>
json::Value PairsToJson(const std::vector<Pair>& pairs) {
  json::Value out = json::Value::Array();
  for (const Pair& pair : pairs) {
    WriteUnknown(out.Append(json::Value::Object({{"name", pair.name}, {"value", pair.value}})),
                 pair.unknown);
  }
  return out;
}

json::Value ToJson(const EventHandler& handler) {
  json::Value out =
      json::Value::Object({{"name", handler.name}, {"exec", json::Value::Array(handler.exec)}});
  WriteUnknown(out, handler.unknown);
  return out;
}

json::Value ToJson(const MountPoint& point) {
  json::Value out = json::Value::Object({{"name", point.name}, {"path", point.path}});
  if (point.read_only) out.Set("readOnly", true);
  WriteUnknown(out, point.unknown);
  return out;
}

template <typename T>
json::Value ListToJson(const std::vector<T>& list) {
  json::Value out = json::Value::Array();
  for (const T& item : list) out.Append(ToJson(item));
  return out;
}

}  // namespace

Status CheckAnnotationValue(std::string_view name, std::string_view value) {
  if (name == "created" && !IsRfc3339(value)) {
    return Err(Code::kInvalid, "must be a date as RFC 3339 has it: ", Shown(value));
  }
  if ((name == "homepage" || name == "documentation") && !IsHttpUrl(value)) {
    return Err(Code::kInvalid, "must be an http or https URL: ", Shown(value));
  }
  return {};
}

bool IsVariableName(std::string_view text) {
  if (text.empty() || !(IsLetter(text[0]) || text[0] == '_')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return IsLetter(c) || IsDigit(c) || c == '_' || c == '.' || c == '-';
  });
}

const std::string* FindAnnotation(const Annotations& annotations, std::string_view name) {
  const Annotation* found = FindByName(annotations, name);
  return found ? &found->value : nullptr;
}

void SetAnnotation(Annotations& annotations, std::string_view name, std::string_view value) {
  if (Annotation* found = FindByName(annotations, name)) {
    found->value = value;
  } else {
    annotations.push_back({std::string(name), std::string(value)});
  }
}

const std::string* FindVariable(const Environment& environment, std::string_view name) {
  const EnvironmentVariable* found = FindByName(environment, name);
  return found ? &found->value : nullptr;
}

void SetVariable(Environment& environment, std::string_view name, std::string_view value) {
  if (EnvironmentVariable* found = FindByName(environment, name)) {
    found->value = value;
  } else {
    environment.push_back({std::string(name), std::string(value)});
  }
}

uint32_t Volume::ModeBits() const {
  return mode ? static_cast<uint32_t>(ParseOctal(*mode).value_or(0755)) : 0755;
}

Status CheckVolume(const Volume& volume) {
  if (Status status = CheckACName(volume.name); !status) {
    return Err(Code::kInvalid, "volume name ", status.error().message());
  }
  if (volume.kind == Volume::Kind::kHost) {
    if (!volume.source.starts_with('/')) {
      return Err(Code::kInvalid,
                 "source of a host volume must be an absolute path: ", Shown(volume.source));
    }
    if (volume.mode || volume.uid || volume.gid) {
      return Err(Code::kInvalid, "a host volume cannot have mode, uid or gid");
    }
    return {};
  }
  if (!volume.source.empty()) return Err(Code::kInvalid, "an empty volume cannot have a source");
  if (volume.mode && !IsVolumeMode(*volume.mode)) {
    return Err(Code::kInvalid, "mode of a volume must be octal digits: ", Shown(*volume.mode));
  }
  return {};
}

void ReadKindAndVersion(ObjectReader& reader, std::string_view kind, std::string* version) {
  if (const json::Value* value = reader.Require("acKind")) {
    if (!value->is_string() || value->text() != kind) {
      reader.Fail(*value, "acKind", StrCat("must be ", Quote(kind)));
    }
  }
  const json::Value* value = reader.Require("acVersion");
  if (!value) return;
  if (!value->is_string() || !IsSemVer(value->text())) {
    return reader.Fail(*value, "acVersion", "must be a version such as \"0.8.11\"");
  }
  if (value->text() == "0.0.0") return reader.Fail(*value, "acVersion", "must not be 0.0.0");
  *version = value->text();
}

void ReadLabels(ObjectReader& reader, bool manifest_rules, std::vector<Label>* out) {
  Source& source = reader.source();
  Unique unique(source, "label");
  const json::Value* list = reader.value().Find("labels");
  reader.Each("labels", [&](const json::Value& item, const Path& path) {
    Label& label = out->emplace_back();
    if (!ReadPair(source, item, path, CheckACIdentifier, &label)) return;
    if (label.name == "name") source.Fail(item, path, "\"name\" cannot be a label");
    unique.Add(label.name, item, path);
  });
  if (!manifest_rules || !list || source.failed()) return;
  if (Status status = CheckManifestLabels(*out); !status) {
    reader.Fail(*list, "labels", status.error().message());
  }
}

void ReadAnnotations(ObjectReader& reader, Annotations* out) {
  Source& source = reader.source();
  Unique unique(source, "annotation");
  reader.Each("annotations", [&](const json::Value& item, const Path& path) {
    Annotation& annotation = out->emplace_back();
    if (!ReadPair(source, item, path, CheckACIdentifier, &annotation)) return;
    unique.Add(annotation.name, item, path);
    if (Status status = CheckAnnotationValue(annotation.name, annotation.value); !status) {
      const json::Value* value = item.Find("value");
      source.Fail(value ? *value : item, Path{&path, "value"}, status.error().message());
    }
  });
}

void ReadIsolators(ObjectReader& reader, Isolators* out) {
  Source& source = reader.source();
  reader.Each("isolators", [&](const json::Value& item, const Path& path) {
    ObjectReader fields(source, item, path);
    Isolator& isolator = out->emplace_back();
    fields.Checked("name", CheckACIdentifier, &isolator.name);
    if (const json::Value* value = fields.Take("value")) isolator.value = *value;
    fields.Finish(&isolator.unknown);
    const json::Value* where = nullptr;
    if (Status status = CheckIsolator(isolator, &where); !status) {
      bool has_value = where != &isolator.value || item.Find("value");
      source.Fail(has_value ? *where : item, Path{&path, "value"}, status.error().message());
    }
  });
}

void ReadStringMap(ObjectReader& reader, std::string_view key, StringMap* out) {
  const json::Value* value = reader.Take(key);
  if (!value) return;
  if (!value->is_object()) return reader.Fail(*value, key, "must be an object");
  Path here{&reader.path(), key};
  for (const json::Member& member : value->members()) {
    ReadString(reader.source(), member.value, Path{&here, member.key}, &(*out)[member.key]);
  }
}

void ReadVolume(Source& source, const json::Value& value, const Path& path, Volume* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("name", CheckACName, &out->name);
  if (const json::Value* kind = reader.Require("kind")) {
    if (!kind->is_string() || (kind->text() != "host" && kind->text() != "empty")) {
      reader.Fail(*kind, "kind", "must be \"host\" or \"empty\"");
    } else {
      out->kind = kind->text() == "host" ? Volume::Kind::kHost : Volume::Kind::kEmpty;
    }
  }
  reader.String("source", &out->source);
  if (reader.Take("readOnly")) reader.Bool("readOnly", &out->read_only.emplace());
  if (reader.Take("recursive")) reader.Bool("recursive", &out->recursive.emplace());
  if (reader.Take("mode")) reader.String("mode", &out->mode.emplace());
  if (reader.Take("uid")) reader.Uint32("uid", UINT32_MAX - 1, &out->uid.emplace());
  if (reader.Take("gid")) reader.Uint32("gid", UINT32_MAX - 1, &out->gid.emplace());
  reader.Finish(&out->unknown);
  if (source.failed()) return;
  if (Status status = CheckVolume(*out); !status)
    source.Fail(value, path, status.error().message());
}

void ReadPort(Source& source, const json::Value& value, const Path& path, Port* out) {
  ObjectReader reader(source, value, path);
  reader.Checked("name", CheckACName, &out->name);
  reader.String("protocol", &out->protocol);
  const json::Value* port = reader.Require("port");
  if (port) {
    uint64_t number = port->AsUint().value_or(0);
    if (number < 1 || number > 65535) reader.Fail(*port, "port", "must be between 1 and 65535");
    out->port = static_cast<uint32_t>(number);
  }
  reader.Uint32("count", 65535, &out->count);
  if (out->count == 0) out->count = 1;  // as where it is missing
  if (port && out->port + out->count > 65536) {
    reader.Fail(*port, "port", "port and count reach beyond 65535");
  }
  reader.Bool("socketActivated", &out->socket_activated);
  reader.Finish(&out->unknown);
}

void ReadApp(Source& source, const json::Value& value, const Path& path, App* out) {
  ObjectReader reader(source, value, path);
  reader.Strings("exec", &out->exec);
  Unique handlers(source, "event handler");
  reader.Each("eventHandlers", [&](const json::Value& item, const Path& here) {
    ObjectReader fields(source, item, here);
    EventHandler& handler = out->event_handlers.emplace_back();
    fields.Checked("name", CheckEventName, &handler.name);
    fields.Strings("exec", &handler.exec);
    fields.Finish(&handler.unknown);
    handlers.Add(handler.name, item, here);
  });
  for (auto [key, target] : {std::pair{"user", &out->user}, std::pair{"group", &out->group}}) {
    const json::Value* text = reader.Require(key);
    if (text && ReadString(source, *text, Path{&path, key}, target) && target->empty()) {
      reader.Fail(*text, key, "must not be empty");
    }
  }
  reader.Each("supplementaryGIDs", [&](const json::Value& item, const Path& here) {
    std::optional<uint64_t> gid = item.AsUint();
    if (!gid || *gid >= UINT32_MAX) {
      return source.Fail(item, here,
                         StrCat("must be a whole number between 0 and ", UINT32_MAX - 1));
    }
    out->supplementary_gids.push_back(static_cast<uint32_t>(*gid));
  });
  if (const json::Value* text = reader.Take("workingDirectory")) {
    if (ReadString(source, *text, Path{&path, "workingDirectory"}, &out->working_directory) &&
        !out->working_directory.empty() && out->working_directory[0] != '/') {
      reader.Fail(*text, "workingDirectory", "must be an absolute path");
    }
  }
  Unique variables(source, "environment variable");
  reader.Each("environment", [&](const json::Value& item, const Path& here) {
    EnvironmentVariable& variable = out->environment.emplace_back();
    if (!ReadPair(source, item, here, CheckVariableName, &variable)) return;
    variables.Add(variable.name, item, here);
  });
  reader.Each("mountPoints", [&](const json::Value& item, const Path& here) {
    ObjectReader fields(source, item, here);
    MountPoint& point = out->mount_points.emplace_back();
    fields.Checked("name", CheckACName, &point.name);
    fields.String("path", &point.path);
    fields.Bool("readOnly", &point.read_only);
    fields.Finish(&point.unknown);
  });
  reader.Each("ports", [&](const json::Value& item, const Path& here) {
    ReadPort(source, item, here, &out->ports.emplace_back());
  });
  ReadIsolators(reader, &out->isolators);
  ReadStringMap(reader, "userAnnotations", &out->user_annotations);
  ReadStringMap(reader, "userLabels", &out->user_labels);
  reader.Finish(&out->unknown);
}

json::Value ToJson(const Port& port) {
  json::Value out = json::Value::Object({{"name", port.name},
                                         {"protocol", port.protocol},
                                         {"port", port.port},
                                         {"count", port.count},
                                         {"socketActivated", port.socket_activated}});
  WriteUnknown(out, port.unknown);
  return out;
}

json::Value ToJson(const Volume& volume) {
  json::Value out = json::Value::Object(
      {{"name", volume.name}, {"kind", volume.kind == Volume::Kind::kHost ? "host" : "empty"}});
  if (!volume.source.empty()) out.Set("source", volume.source);
  if (volume.read_only) out.Set("readOnly", *volume.read_only);
  if (volume.recursive) out.Set("recursive", *volume.recursive);
  if (volume.mode) out.Set("mode", *volume.mode);
  if (volume.uid) out.Set("uid", *volume.uid);
  if (volume.gid) out.Set("gid", *volume.gid);
  WriteUnknown(out, volume.unknown);
  return out;
}

json::Value ToJson(const std::vector<Label>& labels) { return PairsToJson(labels); }

json::Value ToJson(const Annotations& annotations) { return PairsToJson(annotations); }

json::Value ToJson(const Isolators& isolators) {
  json::Value out = json::Value::Array();
  for (const Isolator& isolator : isolators) {
    json::Value& item =
        out.Append(json::Value::Object({{"name", isolator.name}, {"value", isolator.value}}));
    WriteUnknown(item, isolator.unknown);
  }
  return out;
}

json::Value ToJson(const StringMap& map) {
  json::Value out = json::Value::Object();
  for (const auto& [key, value] : map) out.members().push_back({key, value});
  return out;
}

json::Value ToJson(const App& app) {
  json::Value out = json::Value::Object();
  out.Set("exec", json::Value::Array(app.exec));
  if (!app.event_handlers.empty()) out.Set("eventHandlers", ListToJson(app.event_handlers));
  out.Set("user", app.user);
  out.Set("group", app.group);
  if (!app.supplementary_gids.empty()) {
    json::Value& list = out.Set("supplementaryGIDs", json::Value::Array());
    for (uint32_t gid : app.supplementary_gids) list.Append(gid);
  }
  if (!app.working_directory.empty()) out.Set("workingDirectory", app.working_directory);
  if (!app.environment.empty()) out.Set("environment", PairsToJson(app.environment));
  if (!app.mount_points.empty()) out.Set("mountPoints", ListToJson(app.mount_points));
  if (!app.ports.empty()) out.Set("ports", ListToJson(app.ports));
  if (!app.isolators.empty()) out.Set("isolators", ToJson(app.isolators));
  if (!app.user_annotations.empty()) out.Set("userAnnotations", ToJson(app.user_annotations));
  if (!app.user_labels.empty()) out.Set("userLabels", ToJson(app.user_labels));
  WriteUnknown(out, app.unknown);
  return out;
}

}  // namespace rkt::appc
