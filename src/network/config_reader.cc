// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/config_reader.h"

namespace rkt::network {

Error ConfigError(std::string_view file, std::string_view field, std::string_view rule) {
  return Err(Code::kInvalid, "network configuration ", file, ": field ", Quote(field), ": ", rule);
}

std::string ConfigReader::Field(std::string_view key) const {
  return where_.empty() ? std::string(key) : StrCat(where_, ".", key);
}

void ConfigReader::Complain(std::string_view key, std::string_view rule) {
  if (!failed_) failed_ = ConfigError(file_, Field(key), rule);
}

Status ConfigReader::status() const {
  if (failed_) return *failed_;
  return {};
}

const json::Value* ConfigReader::Member(std::string_view key, json::Type type) {
  read_.emplace(key);
  const json::Value* value = object_.Find(key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (value->type() == type) return value;
  Complain(key, StrCat("must be ", json::TypeName(type), ", not ", json::TypeName(value->type())));
  return nullptr;
}

std::string ConfigReader::Text(std::string_view key) {
  const json::Value* value = Member(key, json::Type::kString);
  return value != nullptr ? value->text() : "";
}

bool ConfigReader::Bool(std::string_view key) {
  const json::Value* value = Member(key, json::Type::kBool);
  return value != nullptr && value->boolean();
}

int64_t ConfigReader::Number(std::string_view key, int64_t least, int64_t most) {
  const json::Value* value = Member(key, json::Type::kNumber);
  if (value == nullptr) return 0;
  auto number = value->AsInt();
  if (number && *number >= least && *number <= most) return *number;
  Complain(key, StrCat(value->text(), " is not a whole number from ", least, " to ", most));
  return 0;
}

std::vector<std::string> ConfigReader::Texts(std::string_view key) {
  std::vector<std::string> texts;
  const json::Value* value = Member(key, json::Type::kArray);
  if (value == nullptr) return texts;
  for (const json::Value& item : value->items()) {
    if (item.is_string()) {
      texts.push_back(item.text());
    } else {
      Complain(key, StrCat("must hold strings only, not ", json::TypeName(item.type())));
    }
  }
  return texts;
}

std::optional<Address> ConfigReader::Ip(std::string_view key) {
  std::string text = Text(key);
  if (text.empty()) return std::nullopt;
  auto address = ParseAddress(text);
  if (!address) Complain(key, StrCat(Quote(text), " is not an IP address"));
  return address;
}

std::optional<Prefix> ConfigReader::Subnet(std::string_view key) {
  std::string text = Text(key);
  if (text.empty()) return std::nullopt;
  auto prefix = ParsePrefix(text);
  if (!prefix) Complain(key, StrCat(Quote(text), " is not a subnet of the form ADDRESS/LENGTH"));
  return prefix;
}

std::optional<std::string> ConfigReader::Unread() const {
  for (const json::Member& member : object_.members()) {
    if (read_.find(member.key) == read_.end()) return Field(member.key);
  }
  return std::nullopt;
}

}  // namespace rkt::network
