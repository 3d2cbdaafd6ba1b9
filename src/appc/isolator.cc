// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/isolator.h"

#include <algorithm>

#include "appc/limits.h"

namespace rkt::appc {

namespace {

constexpr int64_t kLeastMemory = 4096;
constexpr int64_t kLeastCpuShares = 2, kMostCpuShares = 262144;
constexpr int64_t kMostOomScoreAdj = 1000;

bool IsErrnoName(std::string_view text) {
  return text.starts_with('E') && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
         });
}

// A check that failed: the value at fault and the rule.
Error Bad(const json::Value& at, const json::Value** where, std::string_view rule) {
  if (where) *where = &at;
  return Error(Code::kInvalid, std::string(rule));
}

Status CheckRange(const json::Value& value, const json::Value** where, int64_t least,
                  int64_t most) {
  std::optional<int64_t> number = value.AsInt();
  if (!number || *number < least || *number > most) {
    return Bad(value, where, StrCat("must be a whole number between ", least, " and ", most));
  }
  return {};
}

Result<Quantity> ReadQuantity(const json::Value& value) {
  if (!value.is_string() && !value.is_number()) {
    return Err(Code::kInvalid, "must be a quantity such as \"500m\" or \"64Mi\"");
  }
  return Quantity::Parse(value.text());
}

// {"default": false, "request": Q, "limit": Q}; request and limit may be missing.
Status CheckResource(const json::Value& value, const json::Value** where) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  if (const json::Value* by_default = value.Find("default"); by_default && !by_default->is_null()) {
    if (!by_default->is_bool()) return Bad(*by_default, where, "default must be true or false");
    if (by_default->boolean()) return Bad(*by_default, where, "default must be false");
  }
  for (const char* key : {"request", "limit"}) {
    const json::Value* amount = value.Find(key);
    if (!amount || amount->is_null()) continue;
    auto quantity = ReadQuantity(*amount);
    if (!quantity) return Bad(*amount, where, StrCat(key, ": ", quantity.error().message()));
    if (quantity->millis() < 0) return Bad(*amount, where, StrCat(key, " must not be negative"));
  }
  return {};
}

Status CheckSet(const json::Value& value, const json::Value** where) {
  if (!value.is_object()) return Bad(value, where, "must be an object");
  const json::Value* set = value.Find("set");
  if (!set || set->is_null()) return Bad(value, where, "set must be non-empty");
  if (!set->is_array()) return Bad(*set, where, "set must be an array");
  if (set->items().empty()) return Bad(*set, where, "set must be non-empty");
  for (const json::Value& item : set->items()) {
    if (!item.is_string() || item.text().empty()) {
      return Bad(item, where, "set must have non-empty strings");
    }
  }
  return {};
}

Status CheckSeccomp(const json::Value& value, const json::Value** where) {
  TRY(CheckSet(value, where));
  const json::Value* error = value.Find("errno");
  if (!error || error->is_null()) return {};
  if (!error->is_string()) return Bad(*error, where, "errno must be a string");
  if (!error->text().empty() && !IsErrnoName(error->text())) {
    return Bad(*error, where, "errno must be E followed by upper case letters and digits");
  }
  return {};
}

const Isolator* FindLast(const Isolators& isolators, std::string_view name) {
  for (auto it = isolators.rbegin(); it != isolators.rend(); ++it) {
    if (it->name == name) return &*it;
  }
  return nullptr;
}

std::optional<Quantity> Limit(const Isolators& isolators, std::string_view name) {
  const Isolator* isolator = FindLast(isolators, name);
  const json::Value* limit = isolator ? isolator->value.Find("limit") : nullptr;
  if (!limit) return std::nullopt;
  auto quantity = ReadQuantity(*limit);
  if (!quantity) return std::nullopt;
  return *quantity;
}

std::optional<std::vector<std::string>> Set(const Isolator* isolator) {
  const json::Value* set = isolator ? isolator->value.Find("set") : nullptr;
  if (!set || !set->is_array()) return std::nullopt;
  std::vector<std::string> out;
  for (const json::Value& item : set->items()) {
    if (item.is_string()) out.push_back(item.text());
  }
  return out;
}

std::optional<int64_t> Number(const Isolators& isolators, std::string_view name) {
  const Isolator* isolator = FindLast(isolators, name);
  return isolator ? isolator->value.AsInt() : std::nullopt;
}

Isolator Resource(const char* name, const Quantity& quantity) {
  std::string text = quantity.Text();
  return {name, json::Value::Object({{"default", false}, {"request", text}, {"limit", text}}), {}};
}

}  // namespace

Status CheckIsolator(const Isolator& isolator, const json::Value** where) {
  const std::string& name = isolator.name;
  const json::Value& value = isolator.value;
  if (where) *where = &value;
  if (name == kMemoryIsolator || name == kCpuIsolator) return CheckResource(value, where);
  if (name == kCpuSharesIsolator) return CheckRange(value, where, kLeastCpuShares, kMostCpuShares);
  if (name == kOomScoreAdjIsolator) {
    return CheckRange(value, where, -kMostOomScoreAdj, kMostOomScoreAdj);
  }
  if (name == kCapsRetainIsolator || name == kCapsRemoveIsolator) return CheckSet(value, where);
  if (name == kSeccompRetainIsolator || name == kSeccompRemoveIsolator) {
    return CheckSeccomp(value, where);
  }
  if (name == kNoNewPrivilegesIsolator && !value.is_bool()) {
    return Bad(value, where, "must be true or false");
  }
  return CheckLimitIsolator(isolator, where);
}

std::optional<int64_t> MemoryLimit(const Isolators& isolators) {
  std::optional<Quantity> limit = Limit(isolators, kMemoryIsolator);
  if (!limit) return std::nullopt;
  return limit->Value();
}

std::optional<int64_t> CpuLimitMillis(const Isolators& isolators) {
  std::optional<Quantity> limit = Limit(isolators, kCpuIsolator);
  if (!limit) return std::nullopt;
  return limit->millis();
}

std::optional<int64_t> CpuShares(const Isolators& isolators) {
  return Number(isolators, kCpuSharesIsolator);
}

std::optional<int> OomScoreAdj(const Isolators& isolators) {
  std::optional<int64_t> number = Number(isolators, kOomScoreAdjIsolator);
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

bool NoNewPrivileges(const Isolators& isolators) {
  const Isolator* isolator = FindLast(isolators, kNoNewPrivilegesIsolator);
  return isolator && isolator->value.is_bool() && isolator->value.boolean();
}

Capabilities GetCapabilities(const Isolators& isolators) {
  return {Set(FindLast(isolators, kCapsRetainIsolator)),
          Set(FindLast(isolators, kCapsRemoveIsolator))};
}

std::vector<Seccomp> GetSeccomp(const Isolators& isolators) {
  std::vector<Seccomp> out;
  for (const Isolator& isolator : isolators) {
    bool retain = isolator.name == kSeccompRetainIsolator;
    if (!retain && isolator.name != kSeccompRemoveIsolator) continue;
    Seccomp& seccomp = out.emplace_back();
    seccomp.retain = retain;
    seccomp.set = Set(&isolator).value_or(std::vector<std::string>());
    const json::Value* error = isolator.value.Find("errno");
    if (error && error->is_string()) seccomp.errno_name = error->text();
  }
  return out;
}

Result<Isolator> MakeMemory(std::string_view quantity) {
  Quantity parsed = TRY(Quantity::Parse(quantity));
  if (parsed.Value() < kLeastMemory) {
    return Err(Code::kInvalid, "memory limit of ", Quote(quantity), " is ", parsed.Value(),
               " bytes, at least ", kLeastMemory, " are needed");
  }
  return Resource(kMemoryIsolator, parsed);
}

Result<Isolator> MakeCpu(std::string_view quantity) {
  Quantity parsed = TRY(Quantity::Parse(quantity));
  if (parsed.millis() <= 0) {
    return Err(Code::kInvalid, "cpu limit of ", Quote(quantity), " must be more than nothing");
  }
  return Resource(kCpuIsolator, parsed);
}

Result<Isolator> MakeCpuShares(int64_t shares) {
  Isolator isolator{kCpuSharesIsolator, json::Value(shares), {}};
  TRY_CTX(CheckIsolator(isolator), "cpu-shares of ", shares);
  return isolator;
}

Result<Isolator> MakeOomScoreAdj(int64_t adjustment) {
  Isolator isolator{kOomScoreAdjIsolator, json::Value(adjustment), {}};
  TRY_CTX(CheckIsolator(isolator), "oom-score-adj of ", adjustment);
  return isolator;
}

Result<Isolator> MakeCapabilities(bool retain, const std::vector<std::string>& set) {
  Isolator isolator{retain ? kCapsRetainIsolator : kCapsRemoveIsolator,
                    json::Value::Object({{"set", json::Value::Array(set)}}),
                    {}};
  TRY(CheckIsolator(isolator));
  return isolator;
}

Result<Isolator> MakeSeccomp(const Seccomp& seccomp) {
  json::Value value = json::Value::Object({{"set", json::Value::Array(seccomp.set)}});
  if (!seccomp.errno_name.empty()) value.Set("errno", seccomp.errno_name);
  Isolator isolator{
      seccomp.retain ? kSeccompRetainIsolator : kSeccompRemoveIsolator, std::move(value), {}};
  TRY(CheckIsolator(isolator));
  return isolator;
}

Isolator MakeNoNewPrivileges(bool value) {
  return {kNoNewPrivilegesIsolator, json::Value(value), {}};
}

void EraseIsolators(Isolators& isolators, std::string_view name) {
  std::erase_if(isolators, [name](const Isolator& isolator) { return isolator.name == name; });
}

}  // namespace rkt::appc
