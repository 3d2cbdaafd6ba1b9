// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/manifest_edits.h"

#include <algorithm>

#include "base/json.h"

namespace rkt::image {

namespace {

template <typename T>
void EraseNamed(std::vector<T>& list, const std::vector<std::string>& names) {
  std::erase_if(list, [&](const T& item) { return std::find(names.begin(), names.end(), item.name) != names.end(); });
}

// Replaces the one of the same name in its place, or appends.
template <typename T>
void Put(std::vector<T>& list, const T& item) {
  auto same = std::find_if(list.begin(), list.end(), [&](const T& other) { return other.name == item.name; });
  if (same != list.end()) {
    *same = item;
  } else {
    list.push_back(item);
  }
}

void EditApp(appc::App& app, const ManifestEdits& edits) {
  if (edits.exec) app.exec = *edits.exec;
  if (edits.user) app.user = *edits.user;
  if (edits.group) app.group = *edits.group;
  if (edits.working_directory) app.working_directory = *edits.working_directory;
  if (edits.supplementary_gids) app.supplementary_gids = *edits.supplementary_gids;
  EraseNamed(app.environment, edits.remove_environment);
  for (const auto& [name, value] : edits.environment) appc::SetVariable(app.environment, name, value);
  EraseNamed(app.mount_points, edits.remove_mounts);
  for (const appc::MountPoint& mount : edits.mounts) Put(app.mount_points, mount);
  EraseNamed(app.ports, edits.remove_ports);
  for (const appc::Port& port : edits.ports) Put(app.ports, port);
  for (const std::string& name : edits.remove_isolators) appc::EraseIsolators(app.isolators, name);
  for (const appc::Isolator& isolator : edits.isolators) {
    appc::EraseIsolators(app.isolators, isolator.name);
    // One seccomp filter and one capability set is all that an app can have.
    for (const auto& [one, other] : {std::pair(appc::kSeccompRetainIsolator, appc::kSeccompRemoveIsolator),
                                     std::pair(appc::kCapsRetainIsolator, appc::kCapsRemoveIsolator)}) {
      if (isolator.name == one) appc::EraseIsolators(app.isolators, other);
      if (isolator.name == other) appc::EraseIsolators(app.isolators, one);
    }
    app.isolators.push_back(isolator);
  }
}

// key=value,key=value
Result<std::vector<std::pair<std::string, std::string>>> ParsePairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& part : Split(text, ',')) pairs.push_back(TRY(ParseAssignment(part)));
  return pairs;
}

Result<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Err(Code::kInvalid, Quote(text), " is neither true nor false");
}

Result<uint32_t> ParseCount(std::string_view text) {
  auto number = ParseUint(text);
  if (!number || *number < 1 || *number > 65535) return Err(Code::kInvalid, Quote(text), " is not between 1 and 65535");
  return static_cast<uint32_t>(*number);
}

}  // namespace

bool ManifestEdits::EditsApp() const {
  return exec || user || group || working_directory || supplementary_gids || !environment.empty() ||
         !remove_environment.empty() || !mounts.empty() || !remove_mounts.empty() || !ports.empty() ||
         !remove_ports.empty() || !isolators.empty() || !remove_isolators.empty();
}

Result<std::string> EditManifest(std::string_view text, const ManifestEdits& edits) {
  if (edits.manifest) text = *edits.manifest;
  appc::ImageManifest manifest = TRY(appc::ParseImageManifest(text));
  bool other_edits = edits.EditsApp() || edits.name || !edits.labels.empty() || !edits.annotations.empty() ||
                     !edits.remove_labels.empty() || !edits.remove_annotations.empty();
  if (!other_edits) return std::string(text);  // as it was written
  if (edits.name) manifest.name = *edits.name;
  EraseNamed(manifest.labels, edits.remove_labels);
  for (const auto& [name, value] : edits.labels) Put(manifest.labels, appc::Label{name, value});
  EraseNamed(manifest.annotations, edits.remove_annotations);
  for (const auto& [name, value] : edits.annotations) appc::SetAnnotation(manifest.annotations, name, value);
  if (edits.EditsApp()) {
    if (!manifest.app) {
      if (!edits.exec) return Err(Code::kInvalid, "the image has no app (--exec makes one)");
      manifest.app.emplace();
      manifest.app->user = manifest.app->group = "0";
    }
    EditApp(*manifest.app, edits);
  }
  std::string edited = appc::WriteImageManifest(manifest);
  if (auto checked = appc::ParseImageManifest(edited); !checked) {
    return std::move(checked).error().Wrap("the edited manifest");
  }
  return edited;
}

Result<std::vector<std::string>> ParseExec(std::string_view text) {
  std::vector<std::string> words;
  if (Trim(text).starts_with('[')) {
    json::Value value = TRY(json::Parse(text));
    for (const json::Value& item : value.items()) {
      if (!item.is_string()) return Err(Code::kInvalid, "a word is no string");
      words.push_back(item.text());
    }
  } else {
    for (std::string& word : Split(text, ' ')) {
      if (!word.empty()) words.push_back(std::move(word));
    }
  }
  return words;
}

Result<std::pair<std::string, std::string>> ParseAssignment(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return Err(Code::kInvalid, Quote(text), " is not NAME=VALUE");
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<std::vector<uint32_t>> ParseGids(std::string_view text) {
  std::vector<uint32_t> gids;
  if (text.empty()) return gids;
  for (const std::string& word : Split(text, ',')) {
    auto gid = ParseUint(word);
    if (!gid || *gid >= UINT32_MAX) return Err(Code::kInvalid, Quote(word), " is no group id");
    gids.push_back(static_cast<uint32_t>(*gid));
  }
  return gids;
}

Result<appc::MountPoint> ParseMount(std::string_view text) {
  appc::MountPoint mount;
  for (const auto& [key, value] : TRY(ParsePairs(text))) {
    if (key == "name") {
      mount.name = value;
    } else if (key == "path") {
      mount.path = value;
    } else if (key == "readOnly") {
      mount.read_only = TRY(ParseBool(value));
    } else {
      return Err(Code::kInvalid, "unknown member ", Quote(key), " of a mount point");
    }
  }
  TRY_CTX(appc::CheckACName(mount.name), "name of the mount point");
  if (!mount.path.starts_with('/')) return Err(Code::kInvalid, "the path of a mount point must be absolute");
  return mount;
}

Result<appc::Port> ParsePort(std::string_view text) {
  appc::Port port;
  port.protocol = "tcp";
  for (const auto& [key, value] : TRY(ParsePairs(text))) {
    if (key == "name") {
      port.name = value;
    } else if (key == "protocol") {
      port.protocol = value;
    } else if (key == "port") {
      port.port = TRY(ParseCount(value));
    } else if (key == "count") {
      port.count = TRY(ParseCount(value));
    } else if (key == "socketActivated") {
      port.socket_activated = TRY(ParseBool(value));
    } else {
      return Err(Code::kInvalid, "unknown member ", Quote(key), " of a port");
    }
  }
  TRY_CTX(appc::CheckACName(port.name), "name of the port");
  if (port.port == 0) return Err(Code::kInvalid, "port ", Quote(port.name), " has no number");
  return port;
}

Result<appc::Isolator> ParseSeccomp(std::string_view mode, std::string_view set) {
  appc::Seccomp seccomp;
  std::vector<std::string> words = Split(mode, ',');
  if (words[0] != "retain" && words[0] != "remove") {
    return Err(Code::kInvalid, "unknown seccomp mode ", Quote(words[0]), " (known are retain and remove)");
  }
  seccomp.retain = words[0] == "retain";
  for (size_t i = 1; i < words.size(); ++i) {
    if (!words[i].starts_with("errno=")) return Err(Code::kInvalid, "unknown seccomp option ", Quote(words[i]));
    seccomp.errno_name = words[i].substr(6);
  }
  for (std::string& name : Split(set, ',')) {
    if (!name.empty()) seccomp.set.push_back(std::move(name));
  }
  return appc::MakeSeccomp(seccomp);
}

}  // namespace rkt::image
