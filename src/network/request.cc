// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "network/request.h"

#include "base/strings.h"

namespace rkt::network {

namespace {

bool IsSpecial(std::string_view name) { return name == "host" || name == "none" || name == "all"; }

Result<NetworkChoice> ParseChoice(const std::string& entry) {
  std::vector<std::string> parts = Split(entry, ':');
  NetworkChoice choice;
  choice.name = parts[0];
  if (choice.name.empty()) return Err(Code::kInvalid, "netname must not be empty");
  if (parts.size() > 2)
    return Err(Code::kInvalid, "network ", Quote(entry), " has more than one colon");
  if (parts.size() == 1) return choice;
  if (IsSpecial(choice.name)) {
    return Err(Code::kInvalid, "arguments are not supported by special netname ",
               Quote(choice.name));
  }
  for (const std::string& pair : Split(parts[1], ';')) {
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Err(Code::kInvalid, "network ", Quote(choice.name), ": argument ", Quote(pair),
                 " is not of the form KEY=VALUE");
    }
    choice.arguments.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return choice;
}

}  // namespace

std::string NetworkChoice::ArgumentText() const {
  std::string text;
  for (const auto& [key, value] : arguments) {
    if (!text.empty()) text += ';';
    text += StrCat(key, "=", value);
  }
  return text;
}

const std::string* NetworkChoice::Argument(std::string_view key) const {
  const std::string* found = nullptr;
  for (const auto& argument : arguments) {
    if (argument.first == key) found = &argument.second;
  }
  return found;
}

const NetworkChoice* NetworkList::Find(std::string_view name) const {
  for (const NetworkChoice& choice : choices) {
    if (choice.name == name) return &choice;
  }
  return nullptr;
}

Result<NetworkList> ParseNetworkList(const std::vector<std::string>& values) {
  NetworkList list;
  bool only_empty = values.empty() || (values.size() == 1 && values[0].empty());
  if (only_empty) {
    list.choices.push_back({kDefaultNetwork, {}});
    return list;
  }
  bool host = false, none = false, all = false;
  for (const std::string& value : values) {
    for (const std::string& entry : Split(value, ',')) {
      NetworkChoice choice = TRY(ParseChoice(entry));
      if (list.Find(choice.name) != nullptr) {
        return Err(Code::kInvalid, "found duplicate netname ", Quote(choice.name));
      }
      host |= choice.name == "host";
      none |= choice.name == "none";
      all |= choice.name == "all";
      list.choices.push_back(std::move(choice));
    }
  }
  using Mode = NetworkList::Mode;
  list.mode = host ? Mode::kHost : none ? Mode::kNone : all ? Mode::kAll : Mode::kNamed;
  std::erase_if(list.choices, [](const NetworkChoice& choice) { return IsSpecial(choice.name); });
  return list;
}

}  // namespace rkt::network
