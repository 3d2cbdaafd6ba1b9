// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The edits of `rkt image patch-manifest`: what they are, and their effect on a manifest. No files here.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "appc/image_manifest.h"
#include "base/result.h"

namespace rkt::image {

// Members that are set change something. Removals come before additions, so that both together replace.
struct ManifestEdits {
  std::optional<std::string> manifest;  // text of a whole one that takes the old one's place, before all other edits
  std::optional<std::string> name;
  std::vector<std::pair<std::string, std::string>> labels, annotations;
  std::vector<std::string> remove_labels, remove_annotations;

  std::optional<std::vector<std::string>> exec;  // makes the app where the image has none
  std::optional<std::string> user, group, working_directory;
  std::optional<std::vector<uint32_t>> supplementary_gids;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> remove_environment;
  std::vector<appc::MountPoint> mounts;  // one of the same name is replaced; so with ports
  std::vector<std::string> remove_mounts;
  std::vector<appc::Port> ports;
  std::vector<std::string> remove_ports;
  std::vector<appc::Isolator> isolators;  // each takes the place of those of its name
  std::vector<std::string> remove_isolators;

  // Whether one of them is about the app.
  bool EditsApp() const;
};

// The edited manifest's text, checked as when an image is imported. kInvalid: what is wrong in the old or the new one;
// the image has no app.
Result<std::string> EditManifest(std::string_view text, const ManifestEdits& edits);

// Values of flags. kInvalid.
// Words separated by blanks, or a JSON array of strings where blanks matter: ["/bin/sh", "-c", "a b"]
Result<std::vector<std::string>> ParseExec(std::string_view text);
Result<std::pair<std::string, std::string>> ParseAssignment(std::string_view text);  // NAME=VALUE
Result<std::vector<uint32_t>> ParseGids(std::string_view text);                      // 10,20
Result<appc::MountPoint> ParseMount(std::string_view text);  // name=data,path=/data[,readOnly=true]
Result<appc::Port> ParsePort(std::string_view text);  // name=http,protocol=tcp,port=80[,count=1][,socketActivated=true]
// "retain" or "remove", each perhaps followed by ",errno=EPERM"; and names separated by commas.
Result<appc::Isolator> ParseSeccomp(std::string_view mode, std::string_view set);

}  // namespace rkt::image
