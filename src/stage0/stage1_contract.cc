// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/stage1_contract.h"

#include "base/json.h"

namespace rkt::stage0 {
namespace {

constexpr std::string_view kPrefix = "coreos.com/rkt/stage1/";
constexpr std::string_view kInterfaceVersion = "interface-version";
constexpr std::string_view kEnterFlags = "enter-flags";
// The version of the interface from which on an option is understood.
constexpr int kHostnameVersion = 2;
constexpr int kInsecureVersion = 3;
constexpr int kDnsVersion = 4;
constexpr int kGcLocalConfigVersion = 5;
constexpr int kIpcVersion = 6;

const char* ModeName(DnsConfig::Mode mode) {
  switch (mode) {
    case DnsConfig::Mode::kHost:
      return "host";
    case DnsConfig::Mode::kNone:
      return "none";
    case DnsConfig::Mode::kStage0:
      return "stage0";
    default:
      return "default";
  }
}

const char* ModeName(HostsConfig::Mode mode) {
  switch (mode) {
    case HostsConfig::Mode::kHost:
      return "host";
    case HostsConfig::Mode::kStage0:
      return "stage0";
    default:
      return "default";
  }
}

std::string NetList(const RunOptions& options) {
  return options.net.empty() ? "default" : Join(options.net, ",");
}

}  // namespace

Result<Stage1Contract> Stage1Contract::From(const appc::ImageManifest& manifest) {
  Stage1Contract contract;
  for (const appc::Annotation& annotation : manifest.annotations) {
    std::string_view name = annotation.name;
    if (!name.starts_with(kPrefix)) continue;
    name.remove_prefix(kPrefix.size());
    if (name == kInterfaceVersion) {
      auto number = ParseInt(annotation.value);
      if (!number || *number < 1 || *number > 1000) {
        return Err(Code::kInvalid, "stage1 interface version ", Quote(annotation.value),
                   " is no number");
      }
      contract.version_ = static_cast<int>(*number);
    } else {
      contract.entry_points_.emplace(name, annotation.value);
    }
  }
  return contract;
}

Result<Stage1Contract> Stage1Contract::Parse(std::string_view manifest_bytes) {
  return From(TRY_CTX(appc::ParseImageManifest(manifest_bytes), "stage1's image manifest"));
}

Stage1Contract Stage1Contract::ForRun(int interface_version, std::string_view entry_point) {
  Stage1Contract contract;
  contract.version_ = interface_version;
  contract.entry_points_.emplace("run", entry_point);
  return contract;
}

std::string Stage1Contract::EntryPoint(std::string_view name) const {
  auto found = entry_points_.find(name);
  if (found == entry_points_.end() || found->second.empty()) return "";
  return found->second[0] == '/' ? found->second : StrCat("/", found->second);
}

bool Stage1Contract::KnowsEnterFlag(std::string_view name) const {
  auto found = entry_points_.find(kEnterFlags);
  if (found == entry_points_.end()) return false;
  for (const std::string& flag : Split(found->second, ',')) {
    if (Trim(flag) == name) return true;
  }
  return false;
}

Result<std::vector<std::string>> RunArguments(const Stage1Contract& contract,
                                              const std::string& program, const RunOptions& options,
                                              const std::string& uuid,
                                              const std::string& private_users,
                                              std::vector<std::string>* warnings) {
  auto unsupported = [&](const char* option) {
    warnings->push_back(StrCat("warning: --", option, " option is not supported by stage1"));
  };
  std::vector<std::string> argv = {program};
  if (options.debug) argv.push_back("--debug");
  argv.push_back(StrCat("--net=", NetList(options)));
  if (options.interactive) argv.push_back("--interactive");
  if (!private_users.empty()) argv.push_back(StrCat("--private-users=", private_users));
  if (!options.mds_token.empty()) argv.push_back(StrCat("--mds-token=", options.mds_token));
  if (!options.local_config.empty())
    argv.push_back(StrCat("--local-config=", options.local_config));
  if (!options.hostname.empty()) {
    if (contract.version() >= kHostnameVersion) {
      argv.push_back(StrCat("--hostname=", options.hostname));
    } else {
      unsupported("hostname");
    }
  }
  if (options.dns.mode != DnsConfig::Mode::kDefault ||
      options.hosts.mode != HostsConfig::Mode::kDefault) {
    if (contract.version() >= kDnsVersion) {
      argv.push_back(StrCat("--dns-conf-mode=resolv=", ModeName(options.dns.mode),
                            ",hosts=", ModeName(options.hosts.mode)));
    } else {
      unsupported("dns-conf-mode");
    }
  }
  if (contract.version() >= kInsecureVersion) {
    if (options.insecure_capabilities) argv.push_back("--disable-capabilities-restriction");
    if (options.insecure_paths) argv.push_back("--disable-paths");
    if (options.insecure_seccomp) argv.push_back("--disable-seccomp");
  }
  if (options.mutable_pod) {
    for (const char* name : {"app/rm", "app/start", "app/stop"}) {
      if (contract.EntryPoint(name).empty()) {
        return Err(Code::kUnsupported, "stage1 does not support mutable pods");
      }
    }
    argv.push_back("--mutable");
  }
  if (!options.ipc.empty()) {
    if (contract.version() >= kIpcVersion) {
      argv.push_back(StrCat("--ipc=", options.ipc));
    } else {
      unsupported("ipc");
    }
  }
  argv.push_back(uuid);
  return argv;
}

std::vector<std::string> GcArguments(const Stage1Contract& contract, const std::string& program,
                                     bool debug, const std::string& local_config,
                                     const std::string& uuid) {
  std::vector<std::string> argv = {program};
  if (debug) argv.push_back("--debug");
  if (!local_config.empty() && contract.version() >= kGcLocalConfigVersion) {
    argv.push_back("--local-config");
    argv.push_back(local_config);
  }
  argv.push_back(uuid);
  return argv;
}

std::vector<std::string> RunEnvironment(char** caller, int lock_fd, int pid, const OwnVariables& own) {
  std::vector<std::string> environment;
  for (char** entry = caller; *entry; ++entry) {
    std::string_view text = *entry;
    if (text.starts_with("RKT_LOCK_FD=") || text.starts_with("RKT_SELINUX_CONTEXT=") ||
        text.starts_with("RKT_SELINUX_MOUNT_CONTEXT=") || text.starts_with("RKT_PRIVATE_MOUNTS=") ||
        text.starts_with("RKT_SKIP_LIMITS=") || text.starts_with("RKT_LOG=") || text.starts_with("RKT_MACHINED=")) {
      continue;
    }
    environment.emplace_back(text);
  }
  environment.push_back(StrCat("RKT_LOCK_FD=", lock_fd));
  environment.push_back(StrCat("RKT_SELINUX_CONTEXT=", own.selinux_process));
  environment.push_back(StrCat("RKT_SELINUX_MOUNT_CONTEXT=", own.selinux_mount));
  environment.push_back(StrCat("RKT_PRIVATE_MOUNTS=", pid));
  if (own.skip_limits) environment.push_back(StrCat("RKT_SKIP_LIMITS=", pid));
  if (!own.machined.empty()) environment.push_back(StrCat("RKT_MACHINED=", own.machined));
  if (!own.log.empty()) environment.push_back(StrCat("RKT_LOG=", own.log));
  return environment;
}

std::string RuntimeConfig(const RunOptions& options, const std::string& private_users) {
  json::Value insecure =
      json::Value::Object({{"DisablePaths", options.insecure_paths},
                           {"DisableCapabilities", options.insecure_capabilities},
                           {"DisableSeccomp", options.insecure_seccomp}});
  // For apps that are added later.
  if (options.insecure_limits) insecure.Set("DisableLimits", true);
  return json::Write(json::Value::Object({{"MetadataServiceURL", ""},
                                          {"PrivateUsers", private_users},
                                          {"MDSToken", options.mds_token},
                                          {"Hostname", options.hostname},
                                          {"Debug", options.debug},
                                          {"Mutable", options.mutable_pod},
                                          {"ResolvConfMode", ModeName(options.dns.mode)},
                                          {"EtcHostsMode", ModeName(options.hosts.mode)},
                                          {"NetList", NetList(options)},
                                          {"Interactive", options.interactive},
                                          {"InsecureOptions", std::move(insecure)},
                                          {"IPCMode", options.ipc}}));
}

}  // namespace rkt::stage0
