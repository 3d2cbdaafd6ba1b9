// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/seccomp_rules.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "stage1/common/seccomp_bpf.h"
#include "stage1/common/seccomp_names.h"

namespace rkt::stage1 {

namespace {

constexpr Verdict kAllow = {Verdict::Kind::kReturn, SECCOMP_RET_ALLOW};
constexpr Verdict kAnyVerdict = {Verdict::Kind::kAny, 0};
constexpr Verdict kNoSuchCall = {Verdict::Kind::kReturn, SECCOMP_RET_ERRNO | ENOSYS};
// The highest number of any call and some room; what is past it is "beyond".
constexpr size_t kNumbers = 512;

// How a call came into the set. One that is there by the default list only is allowed with the
// checks of arguments that the default filter makes; who names it gets all of it.
enum class Mention : uint8_t { kNone, kByDefaultList, kByName };

class Set {
 public:
  Set() : mentions_(SystemCalls().size(), Mention::kNone) {}

  void AddName(std::string_view name, Mention mention) {
    // Calls that this version does not know do not exist for the app either.
    if (auto index = FindSystemCall(name)) mentions_[*index] = std::max(mentions_[*index], mention);
  }
  void AddNames(std::string_view names, Mention mention) {
    while (!names.empty()) {
      size_t blank = std::min(names.find(' '), names.size());
      AddName(names.substr(0, blank), mention);
      names.remove_prefix(std::min(blank + 1, names.size()));
    }
  }
  void AddAll() { std::fill(mentions_.begin(), mentions_.end(), Mention::kByName); }
  void AddDefault(Mention mention) {
    AddNames(*SeccompGroup("@rkt/default-whitelist"), mention);
    AddNames(kAlwaysAllowed, mention);
    AddNames(kYoungAllowed, mention);
  }
  // Words of an isolator.
  void AddWords(const std::vector<std::string>& words, Mention default_list) {
    for (const std::string& word : words) {
      if (word == "@rkt/default-whitelist" || word == "@docker/default-whitelist") {
        AddDefault(default_list);
      } else if (word == "@appc.io/all") {
        AddAll();
      } else if (auto group = SeccompGroup(word)) {
        AddNames(*group, Mention::kByName);
      } else {
        AddName(word, Mention::kByName);
      }
    }
  }
  // 32-bit programs make the 64-bit variants of the calls of time in place of those named.
  void AddTime64() {
    std::string_view pairs = kTime64;
    while (!pairs.empty()) {
      size_t blank = std::min(pairs.find(' '), pairs.size());
      std::string_view pair = pairs.substr(0, blank);
      size_t colon = pair.find(':');
      if (auto index = FindSystemCall(pair.substr(0, colon))) {
        AddName(pair.substr(colon + 1), mentions_[*index]);
      }
      pairs.remove_prefix(std::min(blank + 1, pairs.size()));
    }
  }

  bool Has(size_t index) const { return mentions_[index] != Mention::kNone; }
  Mention operator[](size_t index) const { return mentions_[index]; }
  Mention Of(std::string_view name) const {
    auto index = FindSystemCall(name);
    return index ? mentions_[*index] : Mention::kNone;
  }

 private:
  std::vector<Mention> mentions_;
};

struct Check {
  const char* name;
  Verdict::Kind kind;
};
// clone3 is not here: its flags are behind a pointer, so nobody but a name in a retain set allows
// it.
constexpr Check kDefaultChecks[] = {
    {"clone", Verdict::Kind::kNoNamespaces},      {"socket", Verdict::Kind::kSocketFamily},
    {"socketpair", Verdict::Kind::kSocketFamily}, {"socketcall", Verdict::Kind::kSocketcall},
    {"personality", Verdict::Kind::kPersonality},
};
constexpr Check kDeviceChecks[] = {
    {"mknod", Verdict::Kind::kMknod},
    {"mknodat", Verdict::Kind::kMknodat},
};

Verdict Allowed(std::string_view name, Mention mention, bool device_policy) {
  if (device_policy) {
    for (const Check& check : kDeviceChecks) {
      if (name == check.name) return {check.kind, SECCOMP_RET_ALLOW};
    }
  }
  if (mention == Mention::kByDefaultList) {
    for (const Check& check : kDefaultChecks) {
      if (name == check.name) return {check.kind, SECCOMP_RET_ALLOW};
    }
  }
  return kAllow;
}

ArchitectureVerdicts Judge(Architecture architecture, uint32_t audit_arch, const Set& set,
                           bool remove, const Verdict& refused, bool device_policy) {
  ArchitectureVerdicts verdicts;
  verdicts.audit_arch = audit_arch;
  verdicts.beyond = remove ? kAllow : kNoSuchCall;
  verdicts.by_number.assign(kNumbers, verdicts.beyond);
  int last_classic = LastClassic(architecture);
  std::fill_n(verdicts.by_number.begin(), last_classic, kAnyVerdict);
  auto column = static_cast<size_t>(architecture);
  Set never_implemented;
  never_implemented.AddNames(kNeverImplemented, Mention::kByName);
  std::span<const SystemCall> calls = SystemCalls();
  size_t top = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    int number = calls[i].number[column];
    if (number < 0 || static_cast<size_t>(number) >= kNumbers) continue;
    top = std::max(top, static_cast<size_t>(number));
    Verdict& verdict = verdicts.by_number[static_cast<size_t>(number)];
    if (remove) {
      verdict = set[i] != Mention::kNone ? refused
                                         : Allowed(calls[i].name, Mention::kByName, device_policy);
    } else if (set[i] != Mention::kNone) {
      verdict = Allowed(calls[i].name, set[i], device_policy);
    } else if (number > last_classic) {
      verdict = kNoSuchCall;
    } else {
      verdict = never_implemented.Has(i) ? kAnyVerdict : refused;
    }
  }
  verdicts.by_number.resize(top + 1);
#if defined(__x86_64__)
  verdicts.refuse_x32 = architecture == Architecture::kX8664;
#endif
  return verdicts;
}

bool Has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Result<std::vector<sock_filter>> CompileSeccompUncached(const SeccompPolicy& policy) {
  using Mode = SeccompPolicy::Mode;
  Verdict refused = {Verdict::Kind::kReturn, SECCOMP_RET_KILL_PROCESS};
  if (!policy.errno_name.empty()) {
    std::optional<int> number = ErrnoNumber(policy.errno_name);
    if (!number) {
      return Err(Code::kInvalid, "seccomp: unknown errno name ", Quote(policy.errno_name));
    }
    refused.value = SECCOMP_RET_ERRNO | static_cast<uint32_t>(*number);
  }
  Mode mode = policy.mode;
  if (mode == Mode::kRetain && Has(policy.set, "@appc.io/all")) mode = Mode::kOff;
  if (mode == Mode::kRemove && Has(policy.set, "@appc.io/empty")) mode = Mode::kDefault;

  Set set;
  switch (mode) {
    case Mode::kOff:
      return std::vector<sock_filter>();
    case Mode::kDefault:
      set.AddDefault(Mention::kByDefaultList);
      break;
    case Mode::kRetain:
      set.AddNames(kAlwaysAllowed, Mention::kByName);
      set.AddWords(policy.set, Mention::kByDefaultList);
      break;
    case Mode::kRemove:
      set.AddWords(policy.set, Mention::kByName);
      break;
  }
  set.AddTime64();
  bool remove = mode == Mode::kRemove;

  std::vector<ArchitectureVerdicts> architectures;
#if defined(__x86_64__)
  architectures.push_back(
      Judge(Architecture::kX8664, AUDIT_ARCH_X86_64, set, remove, refused, policy.device_policy));
  architectures.push_back(
      Judge(Architecture::kI386, AUDIT_ARCH_I386, set, remove, refused, policy.device_policy));
#elif defined(__aarch64__)
  architectures.push_back(Judge(Architecture::kAarch64, AUDIT_ARCH_AARCH64, set, remove, refused,
                                policy.device_policy));
#endif
  // Where clone is refused or checked, clone3 must not be the way around it.
  if (remove && set.Of("clone") != Mention::kNone) {
    for (ArchitectureVerdicts& verdicts : architectures) {
      if (verdicts.by_number.size() > 435) verdicts.by_number[435] = kNoSuchCall;
    }
  }
  return EmitSeccomp(architectures);
}

}  // namespace rkt::stage1
