// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The flags that every command takes and what they come to.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rkt::cli {

// What --insecure-options switches off. The values are part of what other programs of ours are
// told.
enum Insecure : uint32_t {
  kInsecureNone = 0,
  kInsecureImage = 1,    // no signatures
  kInsecureTls = 2,      // any certificate
  kInsecureOnDisk = 4,   // accepted, without effect
  kInsecureHttp = 8,     // http where https fails
  kInsecurePubKey = 16,  // keys by http or unverified https
  kInsecureCapabilities = 32,
  kInsecurePaths = 64,
  kInsecureSeccomp = 128,
  kInsecureLimits = 256,  // limits that the machine cannot set are left out
  kInsecureAllFetch = kInsecureImage | kInsecureTls | kInsecureHttp | kInsecurePubKey,
  kInsecureAllRun = kInsecureCapabilities | kInsecurePaths | kInsecureSeccomp | kInsecureLimits,
  kInsecureAll = kInsecureAllFetch | kInsecureAllRun,
};

inline constexpr std::string_view kDefaultDataDir = "/var/lib/rkt";
inline constexpr std::string_view kDefaultSystemConfig = "/usr/lib/rkt";
inline constexpr std::string_view kDefaultLocalConfig = "/etc/rkt";

struct Globals {
  bool debug = false;
  std::string dir;            // absolute; empty: --dir was not given
  std::string system_config;  // absolute; empty: the default
  std::string local_config;
  std::string user_config;  // empty: none
  uint32_t insecure = kInsecureNone;
  bool trust_keys_from_https = false;
  std::string cpu_profile;  // file names, empty: none
  std::string memory_profile;

  std::string SystemConfig() const;
  std::string LocalConfig() const;
  bool SkipImageCheck() const { return (insecure & kInsecureImage) != 0; }
};

// A comma list of options in any case, each at most once; empty is none.
// unknown option "x"; duplicated option "image"
Result<uint32_t> ParseInsecureOptions(std::string_view text);

// Absolute and without ".", ".." and doubled slashes, by the text alone.
Result<std::string> AbsolutePath(std::string_view path);

}  // namespace rkt::cli
