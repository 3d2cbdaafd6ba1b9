// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// rkt's configuration files (rktKind, rktVersion v1): credentials, registries, paths and the default stage1,
// read from up to three directories of which the later overrides the earlier, item by item. Reading
// only; nobody is asked for anything.
//
//   DIR/auth.d/*.json     kinds auth, dockerAuth
//   DIR/registry.d/*.json kind registry
//   DIR/logs.d/*.json     kind logs
//   DIR/paths.d/*.json    kind paths
//   DIR/pods.d/*.json     kind pods
//   DIR/stage1.d/*.json   kind stage1
//
// Only regular files count, not links, not directories below. Missing directories are fine.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace rkt::config {

struct Basic {
  std::string user;
  std::string password;
};

// How requests to a host prove who sends them.
struct Auth {
  enum class Type { kBasic, kOAuth, kAws };
  Type type = Type::kBasic;
  Basic basic;
  std::string token;          // kOAuth
  std::string access_key_id;  // kAws
  std::string secret_access_key;
  std::string region;  // may be empty: guessed from the host
};

// Where a registry is to be asked. Each is HOST[:PORT] or https://HOST[:PORT][/PATH]; plain http only where it says
// http://.
struct Registry {
  std::string endpoint;              // empty: the host itself
  std::vector<std::string> mirrors;  // asked before it, in order; the registry's credentials go to none of them
};

// How much of the apps' output is kept, and where else it goes (docs/formats/logs.md).
struct Logs {
  uint64_t max_size = 0;        // bytes of a file; 0: not configured
  int max_files = 0;            // of an app; 0: not configured
  std::optional<bool> journal;
  bool empty() const { return max_size == 0 && max_files == 0 && !journal; }
};

struct Config {
  std::map<std::string, Registry> registries;  // by registry as the reference writes it
  std::map<std::string, Auth> auth;          // by host[:port] of the URL
  std::map<std::string, Basic> docker_auth;  // by registry as the reference writes it
  Logs logs;
  std::string data;                          // data directory, empty where not configured
  std::string stage1_images;  // directory for --stage1-from-dir, empty where not configured
  std::string stage1_name;    // name and version: both or neither
  std::string stage1_version;
  std::string stage1_location;  // absolute path or URL, empty where not configured
  std::optional<bool> private_users;  // whether pods get users of their own unless the command line says otherwise
};

// Reads the directories in order (system, local, user); empty names are skipped. One bad file fails
// the whole: the outer message is "cannot get configuration", its cause names the file and what is wrong in it.
Result<Config> Load(const std::vector<std::string>& directories);

// One directory alone, without the outer message.
Result<Config> LoadDirectory(const std::string& directory);

// What `rkt config` prints: {"stage0":[...]}, one auth per domain, one dockerAuth per registry,
// then always one paths and one stage1. Secrets are in it.
json::Value ToJson(const Config& config);

}  // namespace rkt::config
