// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace rkt::appc {

namespace {

constexpr int64_t kMostPids = 4194304;  // PID_MAX_LIMIT of 64-bit kernels
constexpr int64_t kLeastWeight = 10, kMostWeight = 1000;
constexpr char kUnlimited[] = "unlimited";

// Capabilities that end at a pod's namespaces, or only concern files and processes of its own. An
// image may keep these; any other one opens something of the host (CAP_SYS_PTRACE: pid 1 of the
// pod, which is rkt's).
constexpr const char* kPodCapabilities[] = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",    "CAP_DAC_OVERRIDE",  "CAP_FOWNER",
    "CAP_FSETID",      "CAP_IPC_LOCK", "CAP_IPC_OWNER",     "CAP_KILL",
    "CAP_LEASE",       "CAP_MKNOD",    "CAP_NET_ADMIN",     "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",     "CAP_SETFCAP",  "CAP_NET_BROADCAST", "CAP_SETGID",
    "CAP_SETPCAP",     "CAP_SETUID",   "CAP_SYS_CHROOT",
};

struct RlimitName {
  const char* name;
  int number;
};
constexpr RlimitName kRlimits[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

// Parameters that each IPC or UTS namespace has of its own. Of "net." all that a network namespace
// shows may be set.
constexpr const char* kIpcSysctls[] = {
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
    "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

// A check that failed: the value at fault and the rule.
Error Bad(const json::Value& at, const json::Value** where, std::string_view rule) {
  if (where) *where = &at;
  return Error(Code::kInvalid, std::string(rule));
}

const Isolator* FindLast(const Isolators& isolators, std::string_view name) {
  for (auto it = isolators.rbegin(); it != isolators.rend(); ++it) {
    if (it->name == name) return &*it;
  }
  return nullptr;
}

Status CheckRange(const json::Value& value, const json::Value** where, int64_t least,
                  int64_t most) {
  std::optional<int64_t> number = value.AsInt();
  if (number && *number >= least && *number <= most) return {};
  return Bad(value, where, StrCat("must be a whole number between ", least, " and ", most));
}

// {"default": true, "limit": Q}: what the specification has for devices and interfaces.
Status CheckRate(const json::Value& value, const json::Value** where) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  const json::Value* all = value.Find("default");
  if (!all || !all->is_bool() || !all->boolean()) {
    return Bad(all ? *all : value, where, "default must be true");
  }
  if (const json::Value* request = value.Find("request"); request && !request->is_null()) {
    return Bad(*request, where, "request is not possible here");
  }
  const json::Value* limit = value.Find("limit");
  if (!limit || (!limit->is_string() && !limit->is_number())) {
    return Bad(limit ? *limit : value, where, "limit must be a quantity such as \"2M\"");
  }
  auto quantity = Quantity::Parse(limit->text());
  if (!quantity) return Bad(*limit, where, StrCat("limit: ", quantity.error().message()));
  if (quantity->Value() <= 0) return Bad(*limit, where, "limit must be more than nothing");
  return {};
}

std::optional<int64_t> Rate(const Isolators& isolators, std::string_view name) {
  const Isolator* isolator = FindLast(isolators, name);
  const json::Value* limit = isolator ? isolator->value.Find("limit") : nullptr;
  if (!limit) return std::nullopt;
  auto quantity = Quantity::Parse(limit->text());
  if (!quantity) return std::nullopt;
  return quantity->Value();
}

Result<Isolator> MakeRate(const char* name, std::string_view text) {
  Quantity quantity = TRY(Quantity::Parse(text));
  if (quantity.Value() <= 0) {
    return Err(Code::kInvalid, "limit of ", Quote(text), " must be more than nothing");
  }
  return Isolator{name, json::Value::Object({{"default", true}, {"limit", quantity.Text()}}), {}};
}

// A number, "unlimited" or -1. False: neither.
bool ReadBound(const json::Value& value, std::optional<uint64_t>* out) {
  out->reset();
  if (value.is_string()) return value.text() == kUnlimited;
  if (value.AsInt() == -1) return true;
  *out = value.AsUint();
  return out->has_value();
}

// {"nofile": {"soft": N, "hard": N}, ...}; soft or hard alone means both.
Status ReadRlimits(const json::Value& value, const json::Value** where, std::vector<Rlimit>* out) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  for (const json::Member& member : value.members()) {
    if (!RlimitNumber(member.key)) {
      return Bad(member.value, where, StrCat("there is no limit ", Quote(member.key)));
    }
    Rlimit& limit = out->emplace_back();
    limit.name = member.key;
    const json::Value* soft = member.value.is_object() ? member.value.Find("soft") : &member.value;
    const json::Value* hard = member.value.is_object() ? member.value.Find("hard") : soft;
    if (!soft) soft = hard;
    if (!hard) hard = soft;
    if (!soft) return Bad(member.value, where, StrCat(member.key, " needs soft or hard"));
    for (auto [bound, target] : {std::pair(soft, &limit.soft), std::pair(hard, &limit.hard)}) {
      if (ReadBound(*bound, target)) continue;
      return Bad(*bound, where, StrCat(member.key, " must be a whole number or \"unlimited\""));
    }
    if (limit.hard && (!limit.soft || *limit.soft > *limit.hard)) {
      return Bad(*soft, where, StrCat(member.key, ": soft must not be more than hard"));
    }
  }
  return {};
}

json::Value Bound(const std::optional<uint64_t>& bound) {
  return bound ? json::Value(*bound) : json::Value(kUnlimited);
}

Status CheckSysctls(const json::Value& value, const json::Value** where) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  for (const json::Member& member : value.members()) {
    if (!member.value.is_string() && !member.value.is_number()) {
      return Bad(member.value, where, StrCat(Quote(member.key), " must be a string"));
    }
  }
  return {};
}

Status CheckContext(const json::Value& value, const json::Value** where) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  for (const char* part : {"user", "role", "type", "level"}) {
    const json::Value* text = value.Find(part);
    if (!text || !text->is_string() || text->text().empty()) {
      return Bad(text ? *text : value, where, StrCat(part, " must be a non-empty string"));
    }
    if (text->text().find_first_of(" \t\n") != std::string::npos ||
        (std::string_view(part) != "level" && text->text().find(':') != std::string::npos)) {
      return Bad(*text, where, StrCat(part, " has a character that no label has"));
    }
  }
  return {};
}

Status CheckProfile(const json::Value& value, const json::Value** where) {
  const json::Value* name = value.is_object() ? value.Find("profile") : &value;
  if (!name || !name->is_string() || name->text().empty() ||
      name->text().find_first_of(" \t\n") != std::string::npos) {
    return Bad(name ? *name : value, where, "must be the name of a profile");
  }
  return {};
}

bool IsName(std::string_view part) {
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.' || c == '@' || c == ':';
         });
}

}  // namespace

Status CheckLimitIsolator(const Isolator& isolator, const json::Value** where) {
  const std::string& name = isolator.name;
  const json::Value& value = isolator.value;
  if (name == kPidsLimitIsolator) return CheckRange(value, where, 0, kMostPids);
  if (name == kBlockWeightIsolator) return CheckRange(value, where, kLeastWeight, kMostWeight);
  if (name == kBlockBandwidthIsolator || name == kBlockIopsIsolator ||
      name == kNetworkBandwidthIsolator) {
    return CheckRate(value, where);
  }
  if (name == kSysctlIsolator) return CheckSysctls(value, where);
  if (name == kSelinuxIsolator) return CheckContext(value, where);
  if (name == kApparmorIsolator) return CheckProfile(value, where);
  if (name == kRlimitsIsolator) {
    std::vector<Rlimit> ignored;
    return ReadRlimits(value, where, &ignored);
  }
  return {};
}

bool IsKnownIsolator(std::string_view name) {
  for (const char* known :
       {kMemoryIsolator, kCpuIsolator, kCpuSharesIsolator, kOomScoreAdjIsolator,
        kCapsRetainIsolator, kCapsRemoveIsolator, kSeccompRetainIsolator, kSeccompRemoveIsolator,
        kNoNewPrivilegesIsolator, kPidsLimitIsolator, kRlimitsIsolator, kBlockBandwidthIsolator,
        kBlockIopsIsolator, kBlockWeightIsolator, kNetworkBandwidthIsolator, kSysctlIsolator,
        kSelinuxIsolator, kApparmorIsolator}) {
    if (name == known) return true;
  }
  return false;
}

std::optional<int64_t> PidsLimit(const Isolators& isolators) {
  const Isolator* isolator = FindLast(isolators, kPidsLimitIsolator);
  return isolator ? isolator->value.AsInt() : std::nullopt;
}

std::optional<int64_t> BlockBandwidth(const Isolators& isolators) {
  return Rate(isolators, kBlockBandwidthIsolator);
}

std::optional<int64_t> BlockIops(const Isolators& isolators) {
  return Rate(isolators, kBlockIopsIsolator);
}

std::optional<int64_t> BlockWeight(const Isolators& isolators) {
  const Isolator* isolator = FindLast(isolators, kBlockWeightIsolator);
  return isolator ? isolator->value.AsInt() : std::nullopt;
}

std::vector<Rlimit> Rlimits(const Isolators& isolators) {
  std::vector<Rlimit> limits;
  const Isolator* isolator = FindLast(isolators, kRlimitsIsolator);
  if (isolator && !ReadRlimits(isolator->value, nullptr, &limits)) limits.clear();
  return limits;
}

std::optional<int> RlimitNumber(std::string_view name) {
  for (const RlimitName& known : kRlimits) {
    if (name == known.name) return known.number;
  }
  return std::nullopt;
}

Result<Sysctl> ParseSysctl(std::string_view name, std::string_view value) {
  Sysctl sysctl;
  sysctl.value = value;
  // As sysctl(8) has it: whichever of '.' and '/' comes first separates, the other one is part of a
  // name.
  size_t first = name.find_first_of("./");
  char separator = first == std::string_view::npos ? '.' : name[first];
  std::vector<std::string> parts = Split(name, separator);
  for (std::string& part : parts) {
    if (separator == '.') part = ReplaceAll(part, "/", ".");
    if (!IsName(part)) return Err(Code::kInvalid, Quote(name), " is no name of a kernel parameter");
  }
  if (parts.size() < 2)
    return Err(Code::kInvalid, Quote(name), " is no name of a kernel parameter");
  if (value.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) {
    return Err(Code::kInvalid, "the value of ", Quote(name), " must be one line");
  }
  sysctl.name = Join(parts, ".");
  sysctl.path = Join(parts, "/");
  if (parts[0] == "net") {
    sysctl.scope = Sysctl::Scope::kNetwork;
  } else if (std::find(std::begin(kIpcSysctls), std::end(kIpcSysctls), sysctl.name) !=
                 std::end(kIpcSysctls) ||
             (parts[0] == "fs" && parts[1] == "mqueue" && parts.size() == 3)) {
    sysctl.scope = Sysctl::Scope::kIpc;
  } else if (sysctl.name == "kernel.domainname") {
    sysctl.scope = Sysctl::Scope::kUts;
  } else if (sysctl.name == "kernel.hostname") {
    return Err(Code::kInvalid, "kernel.hostname is set by --hostname");
  } else {
    return Err(Code::kInvalid, sysctl.name,
               " is a parameter of the whole machine, which no pod can set");
  }
  return sysctl;
}

Result<std::vector<Sysctl>> Sysctls(const Isolators& isolators) {
  std::vector<Sysctl> all;
  const Isolator* isolator = FindLast(isolators, kSysctlIsolator);
  if (!isolator || !isolator->value.is_object()) return all;
  for (const json::Member& member : isolator->value.members()) {
    all.push_back(TRY_CTX(ParseSysctl(member.key, member.value.text()), kSysctlIsolator));
  }
  return all;
}

std::optional<std::string> SelinuxContext(const Isolators& isolators) {
  const Isolator* isolator = FindLast(isolators, kSelinuxIsolator);
  if (!isolator) return std::nullopt;
  std::vector<std::string> parts;
  for (const char* part : {"user", "role", "type", "level"}) {
    const json::Value* text = isolator->value.Find(part);
    if (!text || !text->is_string()) return std::nullopt;
    parts.push_back(text->text());
  }
  return Join(parts, ":");
}

std::optional<std::string> ApparmorProfile(const Isolators& isolators) {
  const Isolator* isolator = FindLast(isolators, kApparmorIsolator);
  if (!isolator) return std::nullopt;
  const json::Value* name =
      isolator->value.is_object() ? isolator->value.Find("profile") : &isolator->value;
  return name && name->is_string() ? std::optional(name->text()) : std::nullopt;
}

Status CheckImageIsolators(const Isolators& isolators, bool any_capability) {
  auto refuse = [](auto... parts) -> Status {
    return Err(Code::kInvalid, "the image asks for ", parts...);
  };
  Capabilities capabilities = GetCapabilities(isolators);
  if (!any_capability && capabilities.retain) {
    for (const std::string& name : *capabilities.retain) {
      std::string upper = ToUpper(name);
      bool harmless = std::find(std::begin(kPodCapabilities), std::end(kPodCapabilities), upper) !=
                      std::end(kPodCapabilities);
      // A name that nobody knows is stage1's to refuse.
      if (harmless || !upper.starts_with("CAP_")) continue;
      return refuse(upper, ", which reaches beyond its pod: only --caps-retain can give it");
    }
  }
  std::optional<int> oom = OomScoreAdj(isolators);
  if (oom && *oom < 0) {
    return refuse("an oom-score-adj of ", *oom,
                  ", at the cost of others: only --oom-score-adj can give it");
  }
  std::optional<int64_t> pids = PidsLimit(isolators);
  if (pids && (*pids == 0 || *pids > kDefaultPodTasks)) {
    return refuse(*pids == 0 ? std::string("no limit") : StrCat("a limit of ", *pids),
                  " of its processes: only --pids-limit can give more than ", kDefaultPodTasks);
  }
  return {};
}

Result<Isolator> MakePidsLimit(int64_t limit) {
  Isolator isolator{kPidsLimitIsolator, json::Value(limit == -1 ? 0 : limit), {}};
  TRY_CTX(CheckIsolator(isolator), "pids-limit of ", limit);
  return isolator;
}

Result<Isolator> MakeBlockBandwidth(std::string_view quantity) {
  return MakeRate(kBlockBandwidthIsolator, quantity);
}

Result<Isolator> MakeBlockIops(std::string_view quantity) {
  return MakeRate(kBlockIopsIsolator, quantity);
}

Result<Isolator> MakeBlockWeight(int64_t weight) {
  Isolator isolator{kBlockWeightIsolator, json::Value(weight), {}};
  TRY_CTX(CheckIsolator(isolator), "block-weight of ", weight);
  return isolator;
}

Result<Isolator> MakeRlimits(const std::vector<Rlimit>& limits) {
  json::Value value = json::Value::Object();
  for (const Rlimit& limit : limits) {
    value.Set(limit.name,
              json::Value::Object({{"soft", Bound(limit.soft)}, {"hard", Bound(limit.hard)}}));
  }
  Isolator isolator{kRlimitsIsolator, std::move(value), {}};
  TRY(CheckIsolator(isolator));
  return isolator;
}

Result<Isolator> MakeSysctls(const std::vector<std::pair<std::string, std::string>>& values) {
  json::Value value = json::Value::Object();
  for (const auto& [name, text] : values) {
    TRY(ParseSysctl(name, text));
    value.Set(name, text);
  }
  return Isolator{kSysctlIsolator, std::move(value), {}};
}

}  // namespace rkt::appc
