// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/limit_flags.h"

#include <algorithm>

#include "appc/limits.h"
#include "cli/app_args.h"
#include "cli/flags.h"
#include "cli/invocation.h"
#include "pod/flag_values.h"

namespace rkt::cli {

namespace {

Result<appc::Isolators*> LastApp(Invocation& inv, const FlagSpec& flag) {
  auto& apps = inv.pod().apps;
  if (apps.empty()) return Err(Code::kInvalid, "--", flag.name, " must follow an image");
  return &apps.back().request.isolators;
}

Result<int64_t> Integer(std::string_view text) {
  auto number = ParseInt(text.starts_with('+') ? text.substr(1) : text);
  if (!number) {
    return Err(Code::kInvalid, "strconv.ParseInt: parsing ", Quote(text), ": invalid syntax, want true or false");
  }
  return *number;
}

void Replace(appc::Isolators& isolators, appc::Isolator made) {
  appc::EraseIsolators(isolators, made.name);
  isolators.push_back(std::move(made));
}

template <Result<appc::Isolator> (*kMake)(int64_t)>
Status SetNumber(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  appc::Isolators* isolators = TRY(LastApp(inv, flag));
  Replace(*isolators, TRY(kMake(TRY(Integer(value)))));
  return {};
}

template <Result<appc::Isolator> (*kMake)(std::string_view)>
Status SetQuantity(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  appc::Isolators* isolators = TRY(LastApp(inv, flag));
  Replace(*isolators, TRY(kMake(value)));
  return {};
}

Status AddUlimit(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  appc::Isolators* isolators = TRY(LastApp(inv, flag));
  appc::Rlimit limit = TRY(pod::ParseUlimitFlag(value));
  std::vector<appc::Rlimit> limits = appc::Rlimits(*isolators);
  std::erase_if(limits, [&](const appc::Rlimit& old) { return old.name == limit.name; });
  limits.push_back(std::move(limit));
  Replace(*isolators, TRY(appc::MakeRlimits(limits)));
  return {};
}

Status SetNoNewPrivileges(Invocation& inv, const FlagSpec& flag, std::string_view value) {
  appc::Isolators* isolators = TRY(LastApp(inv, flag));
  auto wanted = ParseBool(value);
  if (!wanted) {
    return Err(Code::kInvalid, "strconv.ParseBool: parsing ", Quote(value), ": invalid syntax, want true or false");
  }
  Replace(*isolators, appc::MakeNoNewPrivileges(*wanted));
  return {};
}

Status AddSysctl(Invocation& inv, const FlagSpec&, std::string_view value) {
  size_t equals = value.find('=');
  if (equals == std::string_view::npos) {
    return Err(Code::kInvalid, "must be specified as name=value");
  }
  appc::Sysctl added = TRY(appc::ParseSysctl(value.substr(0, equals), value.substr(equals + 1)));
  appc::Isolators& isolators = inv.pod().isolators;
  std::vector<std::pair<std::string, std::string>> values;
  for (const appc::Sysctl& sysctl : TRY(appc::Sysctls(isolators))) {
    if (sysctl.path == added.path) {
      return Err(Code::kInvalid, "kernel parameter ", sysctl.name, " already set");
    }
    values.emplace_back(sysctl.path, sysctl.value);
  }
  values.emplace_back(added.path, added.value);
  // Names with dots where that says the same: it is how everybody writes them.
  for (auto& [name, text] : values) {
    if (name.find('.') == std::string::npos) name = ReplaceAll(name, "/", ".");
  }
  Replace(isolators, TRY(appc::MakeSysctls(values)));
  return {};
}

constexpr FlagSpec kLimitFlagList[] = {
    ValueFlag("block-bandwidth",
              "bytes a second that the image's app may read from a block device, and write to it "
              "(--block-bandwidth=2M)",
              SetQuantity<appc::MakeBlockBandwidth>),
    ValueFlag("block-iops",
              "reads a second that the image's app may make of a block device, and writes",
              SetQuantity<appc::MakeBlockIops>),
    ValueFlag("block-weight",
              "weight of the image's app where block devices are short (10 to 1000)",
              SetNumber<appc::MakeBlockWeight>),
    ValueFlag("no-new-privileges",
              "true: no program of the image's app gains privileges by being executed",
              SetNoNewPrivileges),
    ValueFlag("pids-limit",
              "processes and threads that the image's app may have at a time; -1 for no limit",
              SetNumber<appc::MakePidsLimit>),
    ValueFlag(
        "ulimit",
        "limit of setrlimit(2) for the image's app (--ulimit=nofile=1024:4096, soft and hard)",
        AddUlimit),
};

constexpr FlagSpec kPodLimitFlagList[] = {
    ValueFlag("sysctl",
              "kernel parameter of the pod's own network, IPC or UTS namespace "
              "(--sysctl=net.ipv4.ip_forward=1)",
              AddSysctl),
};

}  // namespace

constinit const FlagGroup kLimitFlags = kLimitFlagList;
constinit const FlagGroup kPodLimitFlags = kPodLimitFlagList;

}  // namespace rkt::cli
