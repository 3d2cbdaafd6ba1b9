// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Reads members of a configuration's JSON objects strictly: every complaint names the file, the
// field ("ipam.subnet") and the rule. The first complaint stands; after it everything reads as
// empty.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "network/address.h"

namespace rkt::network {

class ConfigReader {
 public:
  ConfigReader(const json::Value& object, std::string file, std::string where = "")
      : object_(object), file_(std::move(file)), where_(std::move(where)) {}

  // Missing (or null) members give the type's empty value.
  std::string Text(std::string_view key);
  bool Bool(std::string_view key);
  int64_t Number(std::string_view key, int64_t least, int64_t most);
  std::vector<std::string> Texts(std::string_view key);
  std::optional<Address> Ip(std::string_view key);
  std::optional<Prefix> Subnet(std::string_view key);
  // nullptr where it is missing; a complaint where it is of another type.
  const json::Value* Member(std::string_view key, json::Type type);

  // Counts as read.
  void Skip(std::string_view key) { read_.emplace(key); }

  // The first member that nobody asked for.
  std::optional<std::string> Unread() const;
  void Complain(std::string_view key, std::string_view rule);
  bool failed() const { return failed_.has_value(); }
  Status status() const;
  std::string Field(std::string_view key) const;
  const std::string& file() const { return file_; }

 private:
  const json::Value& object_;
  std::string file_;
  std::string where_;
  std::set<std::string, std::less<>> read_;
  std::optional<Error> failed_;
};

// "network configuration FILE: field "KEY": RULE", kInvalid.
Error ConfigError(std::string_view file, std::string_view field, std::string_view rule);

// The type-specific part of a configuration that the engine does itself (config.h). `unknown` is
// set to a field that the built-in type does not know, where there is one; the rest is checked all
// the same.
struct EngineConfig;
struct NetworkConfig;
Result<EngineConfig> ReadEngineConfig(const NetworkConfig& config,
                                      std::optional<std::string>* unknown);

}  // namespace rkt::network
