// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The parts that image and pod manifests share: the app section, annotations, volumes, mounts,
// ports. Plain data; each struct keeps the members that it does not know (`unknown`), and they are
// written back behind the known.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/isolator.h"
#include "appc/names.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

using StringMap = std::map<std::string, std::string>;

struct Annotation {
  std::string name;
  std::string value;
  Unknown unknown = {};
  bool operator==(const Annotation&) const = default;
};
using Annotations = std::vector<Annotation>;
// The value's form where the specification asks for one: created (RFC 3339), homepage and
// documentation (URLs).
Status CheckAnnotationValue(std::string_view name, std::string_view value);
// The value, nullptr where there is none.
const std::string* FindAnnotation(const Annotations& annotations, std::string_view name);
// Replaces in place or appends.
void SetAnnotation(Annotations& annotations, std::string_view name, std::string_view value);

struct EnvironmentVariable {
  std::string name;
  std::string value;
  Unknown unknown = {};
  bool operator==(const EnvironmentVariable&) const = default;
};
using Environment = std::vector<EnvironmentVariable>;
// [A-Za-z_][A-Za-z0-9_.-]*
bool IsVariableName(std::string_view text);
const std::string* FindVariable(const Environment& environment, std::string_view name);
// Replaces in place or appends.
void SetVariable(Environment& environment, std::string_view name, std::string_view value);

struct EventHandler {
  std::string name;  // "pre-start" or "post-stop"
  std::vector<std::string> exec;
  Unknown unknown;
  bool operator==(const EventHandler&) const = default;
};

struct MountPoint {
  std::string name;
  std::string path;
  bool read_only = false;
  Unknown unknown;
  bool operator==(const MountPoint&) const = default;
};

struct Port {
  std::string name;
  std::string protocol;  // "tcp", "udp"
  uint32_t port = 0;     // 1..65535
  uint32_t count = 1;
  bool socket_activated = false;
  Unknown unknown;
  bool operator==(const Port&) const = default;
};

struct App {
  std::vector<std::string> exec;
  std::vector<EventHandler> event_handlers;
  std::string user;
  std::string group;
  std::vector<uint32_t> supplementary_gids;
  std::string working_directory;  // empty or absolute
  Environment environment;
  std::vector<MountPoint> mount_points;
  std::vector<Port> ports;
  Isolators isolators;
  StringMap user_annotations;
  StringMap user_labels;
  Unknown unknown;
  bool operator==(const App&) const = default;
};

struct Volume {
  enum class Kind { kHost, kEmpty };
  std::string name;
  Kind kind = Kind::kHost;
  std::string source;               // host: absolute path
  std::optional<bool> read_only;    // set: it beats the mount point's
  std::optional<bool> recursive;    // set: it beats the flavor's default
  std::optional<std::string> mode;  // empty: octal digits, "0755" unless said
  std::optional<uint32_t> uid;      // empty: 0 unless said
  std::optional<uint32_t> gid;
  Unknown unknown;
  bool operator==(const Volume&) const = default;
  // The mode as a number (0755 where unset).
  uint32_t ModeBits() const;
};
// The rules of a volume on its own: name, absolute source, no source on empty, no mode, uid, gid on
// host.
Status CheckVolume(const Volume& volume);

struct Mount {
  std::string volume;
  std::string path;
  std::optional<Volume> app_volume;  // a volume that belongs to this mount alone
  Unknown unknown;
  bool operator==(const Mount&) const = default;
};

// The app section as JSON, known members in the original's order, then the unknown ones.
json::Value ToJson(const App& app);
json::Value ToJson(const Volume& volume);
json::Value ToJson(const Port& port);
json::Value ToJson(const std::vector<Label>& labels);
json::Value ToJson(const Annotations& annotations);
json::Value ToJson(const Isolators& isolators);
json::Value ToJson(const StringMap& map);

}  // namespace rkt::appc
