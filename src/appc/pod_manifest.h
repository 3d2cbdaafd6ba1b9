// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod manifest of appc 0.8.11, as it stands in a pod's file `pod`: read strictly, written with
// the original's order of members.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/app.h"
#include "appc/names.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

struct RuntimeImage {
  std::string name;  // may be empty
  std::string id;    // "sha512-..."
  std::vector<Label> labels;
  Unknown unknown;
  bool operator==(const RuntimeImage&) const = default;
};

struct RuntimeApp {
  std::string name;
  RuntimeImage image;
  std::optional<App> app;  // missing: the image's own is used
  bool read_only_root_fs = false;
  std::vector<Mount> mounts;
  Annotations annotations;
  Unknown unknown;
  bool operator==(const RuntimeApp&) const = default;
};

struct ExposedPort {
  std::string name;
  uint32_t host_port = 0;
  std::string host_ip;           // empty: every address
  std::optional<Port> pod_port;  // set: it is not looked up among the apps' ports
  Unknown unknown;
  bool operator==(const ExposedPort&) const = default;
};

// Says whether the pod takes apps while it runs.
inline constexpr char kMutableAnnotation[] = "coreos.com/rkt/stage1/mutable";

struct PodManifest {
  std::string ac_version;  // rkt's own version in the manifests that rkt makes
  std::vector<RuntimeApp> apps;
  std::vector<Volume> volumes;
  Isolators isolators;
  Annotations annotations;
  std::vector<ExposedPort> ports;
  StringMap user_annotations;
  StringMap user_labels;
  Unknown unknown;

  const RuntimeApp* FindApp(std::string_view name) const;
  const Volume* FindVolume(std::string_view name) const;
  bool IsMutable() const;
  bool operator==(const PodManifest&) const = default;
};

// Errors as ParseImageManifest. Names of apps and of volumes must differ from each other. No apps
// at all is fine here: what that means depends on the pod being mutable.
Result<PodManifest> ParsePodManifest(std::string_view text);
json::Value ToJson(const PodManifest& manifest);
// Compact; empty volumes and isolators are null.
std::string WritePodManifest(const PodManifest& manifest);

// A published port with what it leads to.
struct ForwardedPort {
  std::string name;
  std::string protocol;
  uint32_t pod_port = 0;
  uint32_t count = 1;
  uint32_t host_port = 0;
  std::string host_ip;
};
// Resolves every exposed port: by its podPort, else by the one app port of that name. kInvalid: no
// or several apps have it, or two want one protocol, address and host port.
Result<std::vector<ForwardedPort>> ResolvePorts(const PodManifest& manifest);

}  // namespace rkt::appc
