// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The configuration of a docker or OCI image, and the image manifest that comes of it, as rkt ever converted it.
// Pure functions.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci/manifest.h"

namespace rkt::image::oci {

struct ImageConfig {
  Platform platform;
  std::string created;
  std::string author;
  std::vector<std::string> entrypoint, cmd;
  std::string user;
  std::vector<std::string> env;            // NAME=VALUE
  std::vector<std::string> exposed_ports;  // "80/tcp"
  std::vector<std::string> volumes;
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::vector<std::string> diff_ids;  // the lowest first
  std::string id, parent;             // of a layer in schema 1
};
// Docker schema 2 and OCI; members that are no part of it are passed over.
Result<ImageConfig> ParseImageConfig(std::string_view text);
// The v1Compatibility text of the topmost layer of a schema 1 manifest.
Result<ImageConfig> ParseV1Config(std::string_view text);

// Where the image came from: what its name, labels and annotations are made of.
struct ImageOrigin {
  std::string host;           // of the registry, empty for files
  std::string repository;
  std::string original_name;
  std::string tag;            // empty where it was asked for by digest
  std::string image_id;       // digest of the configuration
  std::string manifest_hash;  // digest of the manifest
  bool schema1 = false;
};

// The appc image manifest's bytes. kInvalid where no name can be made.
Result<std::string> ConvertConfig(const ImageConfig& config, const ImageOrigin& origin);

// Its name: HOST/REPOSITORY in lower case, other characters than names have as '_'.
Result<std::string> ConvertName(const ImageOrigin& origin);

}  // namespace rkt::image::oci
