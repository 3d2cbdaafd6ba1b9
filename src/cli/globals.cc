// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/globals.h"

#include <unistd.h>

#include <climits>
#include <span>

#include "base/log.h"
#include "cli/flags.h"
#include "cli/invocation.h"

namespace rkt::cli {

namespace {

struct InsecureOption {
  std::string_view name;
  uint32_t bits;
};
constexpr InsecureOption kInsecureOptions[] = {
    {"none", kInsecureNone},
    {"image", kInsecureImage},
    {"tls", kInsecureTls},
    {"ondisk", kInsecureOnDisk},
    {"http", kInsecureHttp},
    {"pubkey", kInsecurePubKey},
    {"capabilities", kInsecureCapabilities},
    {"paths", kInsecurePaths},
    {"seccomp", kInsecureSeccomp},
    {"limits", kInsecureLimits},
    {"all-fetch", kInsecureAllFetch},
    {"all-run", kInsecureAllRun},
    {"all", kInsecureAll},
};

Status SetDebugFlag(Invocation& inv, const FlagSpec&, std::string_view value) {
  inv.globals.debug = *ParseBool(value);
  SetDebug(inv.globals.debug);
  return {};
}

template <std::string Globals::*kMember>
Status SetDirectory(Invocation& inv, const FlagSpec&, std::string_view value) {
  if (value.empty()) return Err(Code::kInvalid, "\"\" is not a valid directory");
  inv.globals.*kMember = TRY(AbsolutePath(value));
  return {};
}

template <std::string Globals::*kMember>
Status SetPath(Invocation& inv, const FlagSpec&, std::string_view value) {
  inv.globals.*kMember = value;
  return {};
}

Status SetInsecure(Invocation& inv, const FlagSpec&, std::string_view value) {
  inv.globals.insecure = TRY(ParseInsecureOptions(value));
  return {};
}

Status SetTrustKeys(Invocation& inv, const FlagSpec&, std::string_view value) {
  inv.globals.trust_keys_from_https = *ParseBool(value);
  return {};
}

constexpr FlagSpec WithSetter(FlagSpec flag, FlagSetter set) {
  flag.set = set;
  return flag;
}

constexpr FlagSpec kGlobalFlags[] = {
    Hidden(WithSetter(TextFlag("cpuprofile", "write the time that the command took to a file"),
                      SetPath<&Globals::cpu_profile>)),
    WithSetter(BoolFlag("debug", "say more on standard error about what is done and what failed"),
               SetDebugFlag),
    ValueFlag("dir", "data directory", SetDirectory<&Globals::dir>, kDefaultDataDir),
    ValueFlag(
        "insecure-options",
        "security features to switch off, separated by commas. Known are: \"none\", \"image\", "
        "\"tls\", \"ondisk\", \"http\", \"pubkey\", \"capabilities\", \"paths\", \"seccomp\", "
        "\"limits\", \"all-fetch\", \"all-run\", \"all\"",
        SetInsecure, "none"),
    ValueFlag("local-config", "directory of this machine's configuration",
              SetDirectory<&Globals::local_config>, kDefaultLocalConfig),
    Hidden(WithSetter(TextFlag("memprofile", "write the memory that the command took to a file"),
                      SetPath<&Globals::memory_profile>)),
    ValueFlag("system-config", "directory of the configuration that came with the system",
              SetDirectory<&Globals::system_config>, kDefaultSystemConfig),
    WithSetter(
        BoolFlag("trust-keys-from-https", "trust keys that were fetched by https without asking"),
        SetTrustKeys),
    ValueFlag("user-config", "directory of the user's configuration",
              SetDirectory<&Globals::user_config>),
};

}  // namespace

FlagGroup GlobalFlags() { return kGlobalFlags; }

std::string Globals::SystemConfig() const {
  return system_config.empty() ? std::string(kDefaultSystemConfig) : system_config;
}
std::string Globals::LocalConfig() const {
  return local_config.empty() ? std::string(kDefaultLocalConfig) : local_config;
}

Result<uint32_t> ParseInsecureOptions(std::string_view text) {
  if (text.empty()) return kInsecureNone;
  uint32_t bits = 0;
  uint32_t seen = 0;  // one bit an option of the table
  for (const std::string& option : Split(ToLower(text), ',')) {
    size_t i = 0;
    while (i < std::size(kInsecureOptions) && kInsecureOptions[i].name != option) ++i;
    if (i == std::size(kInsecureOptions)) {
      return Err(Code::kInvalid, "unknown option ", Quote(option));
    }
    if ((seen & (1u << i)) != 0) return Err(Code::kInvalid, "duplicated option ", Quote(option));
    seen |= 1u << i;
    bits |= kInsecureOptions[i].bits;
  }
  return bits;
}

Result<std::string> AbsolutePath(std::string_view path) {
  std::string whole;
  if (path.empty() || path[0] != '/') {
    char directory[PATH_MAX];
    if (getcwd(directory, sizeof directory) == nullptr) return SysErr("working directory");
    whole = StrCat(directory, "/", path);
  } else {
    whole = path;
  }
  std::string clean;
  for (const std::string& element : Split(whole, '/')) {
    if (element.empty() || element == ".") continue;
    if (element == "..") {
      clean.resize(clean.empty() ? 0 : clean.rfind('/'));
    } else {
      clean += '/';
      clean += element;
    }
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace rkt::cli
