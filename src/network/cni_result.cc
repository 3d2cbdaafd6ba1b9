// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/cni_result.h"

#include <algorithm>

#include "network/config_reader.h"

namespace rkt::network {

namespace {

constexpr size_t kMostItems = 1024;

// Members of an object of a result; the first surprise is the error.
class Reader {
 public:
  Reader(const json::Value& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  Result<const json::Value*> Get(std::string_view key, json::Type type) {
    const json::Value* value = object_.Find(key);
    if (value == nullptr || value->is_null()) return static_cast<const json::Value*>(nullptr);
    if (value->type() != type) {
      return Err(Code::kInvalid, "result of the plugin: ", where_, key, " must be ",
                 json::TypeName(type), ", not ", json::TypeName(value->type()));
    }
    if (type == json::Type::kArray && value->items().size() > kMostItems) {
      return Err(Code::kInvalid, "result of the plugin: ", where_, key, " has more than ",
                 kMostItems, " items");
    }
    return value;
  }
  Result<std::string> Text(std::string_view key) {
    const json::Value* value = TRY(Get(key, json::Type::kString));
    return value != nullptr ? value->text() : std::string();
  }
  Result<std::vector<std::string>> Texts(std::string_view key) {
    std::vector<std::string> texts;
    const json::Value* value = TRY(Get(key, json::Type::kArray));
    for (size_t i = 0; value != nullptr && i < value->items().size(); ++i) {
      if (!value->items()[i].is_string())
        return Err(Code::kInvalid, "result of the plugin: ", where_, key, " must hold strings");
      texts.push_back(value->items()[i].text());
    }
    return texts;
  }
  Result<std::optional<Address>> Ip(std::string_view key) {
    std::string text = TRY(Text(key));
    if (text.empty()) return std::optional<Address>();
    auto address = ParseAddress(text);
    if (!address)
      return Err(Code::kInvalid, "result of the plugin: ", where_, key, " ", Quote(text),
                 " is not an IP address");
    return address;
  }
  Result<std::optional<Prefix>> Subnet(std::string_view key) {
    std::string text = TRY(Text(key));
    if (text.empty()) return std::optional<Prefix>();
    auto prefix = ParsePrefix(text);
    if (!prefix)
      return Err(Code::kInvalid, "result of the plugin: ", where_, key, " ", Quote(text),
                 " is not of the form ADDRESS/LENGTH");
    return prefix;
  }
  // Each object of an array.
  template <typename F>
  Status Each(std::string_view key, F read) {
    const json::Value* array = TRY(Get(key, json::Type::kArray));
    for (size_t i = 0; array != nullptr && i < array->items().size(); ++i) {
      std::string where = StrCat(where_, key, "[", i, "].");
      if (!array->items()[i].is_object())
        return Err(Code::kInvalid, "result of the plugin: ", where_, key, "[", i,
                   "] must be an object");
      Reader item(array->items()[i], where);
      TRY(read(item));
    }
    return {};
  }

 private:
  const json::Value& object_;
  std::string where_;
};

Status ReadRoutes(Reader& reader, CniResult& result) {
  return reader.Each("routes", [&](Reader& item) -> Status {
    auto destination = TRY(item.Subnet("dst"));
    if (!destination) return Err(Code::kInvalid, "result of the plugin: a route has no dst");
    result.routes.push_back({*destination, TRY(item.Ip("gw"))});
    return {};
  });
}

// 0.1.0 and 0.2.0: one address of each family.
Status ReadOldAddresses(Reader& reader, CniResult& result) {
  for (const char* key : {"ip4", "ip6"}) {
    const json::Value* object = TRY(reader.Get(key, json::Type::kObject));
    if (object == nullptr) continue;
    Reader item(*object, StrCat(key, "."));
    auto address = TRY(item.Subnet("ip"));
    if (!address) return Err(Code::kInvalid, "result of the plugin: ", key, " has no ip");
    CniAddress entry;
    entry.address = *address;
    entry.gateway = TRY(item.Ip("gateway"));
    result.addresses.push_back(entry);
    TRY(ReadRoutes(item, result));
  }
  return {};
}

Status ReadNewAddresses(Reader& reader, CniResult& result) {
  TRY(reader.Each("interfaces", [&](Reader& item) -> Status {
    // One by one: what leaves an initializer half-way destroys nothing of it.
    CniInterface& interface = result.interfaces.emplace_back();
    interface.name = TRY(item.Text("name"));
    interface.mac = TRY(item.Text("mac"));
    interface.sandbox = TRY(item.Text("sandbox"));
    return {};
  }));
  TRY(reader.Each("ips", [&](Reader& item) -> Status {
    auto address = TRY(item.Subnet("address"));
    if (!address) return Err(Code::kInvalid, "result of the plugin: an item of ips has no address");
    CniAddress entry;
    entry.address = *address;
    entry.gateway = TRY(item.Ip("gateway"));
    const json::Value* interface = TRY(item.Get("interface", json::Type::kNumber));
    if (interface != nullptr) {
      auto index = interface->AsInt();
      if (!index || *index >= static_cast<int64_t>(result.interfaces.size()) || *index < -1) {
        return Err(Code::kInvalid, "result of the plugin: ips names an interface ",
                   interface->text(), " that is not there");
      }
      if (*index >= 0) entry.interface = static_cast<int>(*index);
    }
    result.addresses.push_back(entry);
    return {};
  }));
  return ReadRoutes(reader, result);
}

}  // namespace

const std::vector<std::string>& SupportedCniVersions() {
  static const auto* versions =
      new std::vector<std::string>{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
  return *versions;
}

bool IsSupportedCniVersion(std::string_view version) {
  const auto& versions = SupportedCniVersions();
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

int CompareVersions(std::string_view a, std::string_view b) {
  std::vector<std::string> left = Split(a, '.'), right = Split(b, '.');
  for (size_t i = 0; i < 3; ++i) {
    uint64_t x = i < left.size() ? ParseUint(left[i]).value_or(0) : 0;
    uint64_t y = i < right.size() ? ParseUint(right[i]).value_or(0) : 0;
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

std::vector<CniAddress> CniResult::AddressesOf(std::string_view interface) const {
  bool assigned = std::any_of(addresses.begin(), addresses.end(),
                              [](const CniAddress& a) { return a.interface.has_value(); });
  if (!assigned) return addresses;
  std::vector<CniAddress> own;
  for (const CniAddress& address : addresses) {
    if (!address.interface) continue;
    const CniInterface& on = interfaces[static_cast<size_t>(*address.interface)];
    if (on.name == interface && !on.sandbox.empty()) own.push_back(address);
  }
  return own;
}

Result<CniResult> ParseCniResult(std::string_view text) {
  if (Trim(text).empty()) return Err(Code::kInvalid, "the plugin printed no result");
  CniResult result;
  result.document =
      TRY_CTX(json::Parse(text, {.max_size = 4u << 20, .max_values = 1u << 16, .max_depth = 64}),
              "the plugin's result is not valid JSON");
  if (!result.document.is_object())
    return Err(Code::kInvalid, "the plugin's result is not an object");
  Reader reader(result.document, "");
  std::string version = TRY(reader.Text("cniVersion"));
  if (!version.empty() && !IsSupportedCniVersion(version)) {
    return Err(Code::kUnsupported, "the plugin's result is of version ", Quote(version),
               "; known are ", Join(SupportedCniVersions(), ", "));
  }
  bool old = version.empty() || CompareVersions(version, "0.3.0") < 0;
  TRY(old ? ReadOldAddresses(reader, result) : ReadNewAddresses(reader, result));
  const json::Value* dns = TRY(reader.Get("dns", json::Type::kObject));
  if (dns != nullptr) {
    Reader item(*dns, "dns.");
    result.dns.nameservers = TRY(item.Texts("nameservers"));
    result.dns.search = TRY(item.Texts("search"));
    result.dns.options = TRY(item.Texts("options"));
    result.dns.domain = TRY(item.Text("domain"));
    for (const std::string& server : result.dns.nameservers) {
      if (!ParseAddress(server))
        return Err(Code::kInvalid, "result of the plugin: dns.nameservers: ", Quote(server),
                   " is not an IP address");
    }
    if (auto word = WrongDnsWord(result.dns)) {
      return Err(Code::kInvalid, "result of the plugin: dns: ", Quote(*word),
                 " is not a word that resolv.conf can hold");
    }
  }
  return result;
}

std::optional<std::string> ParseCniError(std::string_view text) {
  auto root = json::Parse(text, {.max_size = 1u << 20});
  if (!root || !root->is_object()) return std::nullopt;
  const json::Value* code = root->Find("code");
  const json::Value* message = root->Find("msg");
  if (code == nullptr || !code->is_number() || message == nullptr || !message->is_string())
    return std::nullopt;
  std::string all = TerminalSafe(message->text());
  const json::Value* details = root->Find("details");
  if (details != nullptr && details->is_string() && !details->text().empty())
    all += StrCat("; ", TerminalSafe(details->text()));
  return StrCat(all, " (code ", code->text(), ")");
}

}  // namespace rkt::network
