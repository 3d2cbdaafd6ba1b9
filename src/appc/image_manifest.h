// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The image manifest of appc 0.8.11: read strictly, kept whole, written stably. A stored manifest
// is never replaced by what is written here: an image's key covers the original bytes.

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

// The most that a manifest may measure, in bytes.
inline constexpr size_t kMaxManifestSize = 4u << 20;

struct Dependency {
  std::string image_name;
  std::string image_id;  // empty, or sha512-...
  std::vector<Label> labels;
  uint64_t size = 0;
  Unknown unknown;
  bool operator==(const Dependency&) const = default;
};

struct ImageManifest {
  std::string ac_version;
  std::string name;
  std::vector<Label> labels;
  std::optional<App> app;
  Annotations annotations;
  std::vector<Dependency> dependencies;
  std::vector<std::string> path_whitelist;  // empty: everything
  Unknown unknown;

  const std::string* Find(std::string_view label) const { return FindLabel(labels, label); }
  // The label "version", empty where there is none.
  std::string version() const;
  bool operator==(const ImageManifest&) const = default;
};

// Errors are kInvalid. Text that is no JSON: see json::Parse. Otherwise one line that names line,
// column, field and rule: line 4, column 12: app.ports[0].port: must be between 1 and 65535
Result<ImageManifest> ParseImageManifest(std::string_view text);
json::Value ToJson(const ImageManifest& manifest);
// Compact.
std::string WriteImageManifest(const ImageManifest& manifest);

}  // namespace rkt::appc
