// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/runtime_config.h"

#include "base/file.h"
#include "base/json.h"
#include "pod/paths.h"

namespace rkt::native {

Result<RunOptions> ReadRuntimeConfig(int pod_dir) {
  RunOptions options;
  auto text = ReadFileAt(pod_dir, pod::kRuntimeConfigFile, 1 << 20);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return options;
    return std::move(text).error();
  }
  json::Value config = TRY_CTX(json::Parse(*text), pod::kRuntimeConfigFile);
  const json::Value* insecure = config.Find("InsecureOptions");
  auto flag = [](const json::Value* object, const char* name) {
    const json::Value* value = object != nullptr ? object->Find(name) : nullptr;
    return value != nullptr && value->is_bool() && value->boolean();
  };
  auto mode = [&](const char* name, std::string* where) {
    const json::Value* value = config.Find(name);
    if (value != nullptr && value->is_string() && !value->text().empty()) *where = value->text();
  };
  options.disable_paths = flag(insecure, "DisablePaths");
  options.disable_capabilities = flag(insecure, "DisableCapabilities");
  options.disable_seccomp = flag(insecure, "DisableSeccomp");
  options.skip_limits = flag(insecure, "DisableLimits");
  options.mutable_pod = flag(&config, "Mutable");
  std::string users;
  mode("PrivateUsers", &users);
  if (!users.empty()) options.private_users = TRY_CTX(ParseIdRange(users), pod::kRuntimeConfigFile);
  mode("MetadataServiceURL", &options.metadata_url);
  mode("ResolvConfMode", &options.resolv_mode);
  mode("EtcHostsMode", &options.hosts_mode);
  return options;
}

}  // namespace rkt::native
