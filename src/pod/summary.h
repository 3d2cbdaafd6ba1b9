// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Summary: what listings tell about a pod, taken out of its manifests once, when it is prepared,
// and written to POD/summary; `list` with thousands of pods reads that instead of parsing the
// manifests. It is a cache: where it is missing or damaged (pods of the original have none), it is
// made again from the manifests.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/result.h"

namespace rkt::pod {

struct MountSummary {
  std::string name;  // the volume's
  std::string container_path;
  std::string host_path;  // empty for an empty volume
  bool read_only = false;
};

using KeyValues = std::vector<std::pair<std::string, std::string>>;

struct AppSummary {
  std::string name;
  std::string image_id;    // whole key
  std::string image_name;  // with ":version" where the image has one; empty where its manifest is
                           // unreadable
  std::vector<MountSummary> mounts;
  KeyValues user_annotations;
  KeyValues user_labels;
};

struct Summary {
  std::string stage1_dir;  // Pod::Stage1WritableDir
  bool is_mutable = false;
  std::vector<AppSummary> apps;
  KeyValues user_annotations;
  KeyValues user_labels;
};

// `images` in the order of the manifest's apps; a null one leaves image_name empty.
Summary Summarize(const appc::PodManifest& manifest,
                  const std::vector<const appc::ImageManifest*>& images);

// The file's text and back. `manifest_size` is that of POD/pod in bytes; nothing where the text is
// no summary of this version or belongs to a manifest of another size.
std::string FormatSummary(const Summary& summary, size_t manifest_size);
std::optional<Summary> ParseSummary(std::string_view text, size_t manifest_size);

}  // namespace rkt::pod
