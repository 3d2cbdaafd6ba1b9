// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What rkt asks the fetch program for when it wants a docker or OCI image: one JSON document on the file descriptor, so
// that credentials show in no list of processes.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace rkt::image::oci {

struct Request {
  enum class Kind { kRegistry, kLayout, kOciArchive, kDockerArchive };
  Kind kind = Kind::kRegistry;
  std::string reference;  // what follows docker://, or PATH[:TAG]
  bool render = true;
  bool allow_http = false;        // --insecure-options=http: a registry without TLS is tried too
  bool skip_tls_check = false;    // --insecure-options=tls
  std::map<std::string, config::Basic> credentials;       // by registry, as the configuration has them
  std::map<std::string, config::Registry> registries;     // mirrors and endpoints
  std::string user_agent;
  std::vector<std::string> auth_files;  // of docker and containers, in order; missing ones are passed over
};

// What is heard of an image on its way, on both sides. Each may be empty.
struct ImportEvents {
  // The digest of a layer's blob (or the layer's id), bytes so far, bytes in all (0: not known).
  std::function<void(const std::string& layer, uint64_t done, uint64_t total)> progress;
  // Once: another process is downloading this layer, and is waited for.
  std::function<void(const std::string& layer)> waiting;
};

std::string WriteRequest(const Request& request);
Result<Request> ParseRequest(std::string_view text);

}  // namespace rkt::image::oci
