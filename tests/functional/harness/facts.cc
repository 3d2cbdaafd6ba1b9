// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "functional/harness/facts.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

namespace rkt::test {

Facts Facts::Parse(const std::string& json) {
  Facts facts;
  facts.text_ = json;
  nlohmann::ordered_json root = nlohmann::ordered_json::parse(json, nullptr, false);
  if (root.is_discarded()) {
    ADD_FAILURE() << "this is not JSON:\n" << json;
    return facts;
  }
  std::function<void(const std::string&, const nlohmann::ordered_json&)> walk =
      [&](const std::string& path, const nlohmann::ordered_json& value) {
        if (value.is_object()) {
          facts.children_[path];
          for (const auto& [key, child] : value.items()) {
            facts.children_[path].push_back(key);
            walk(path + "/" + key, child);
          }
        } else if (value.is_array()) {
          facts.children_[path];
          for (size_t i = 0; i < value.size(); i++) {
            facts.children_[path].push_back(std::to_string(i));
            walk(path + "/" + std::to_string(i), value[i]);
          }
        } else {
          facts.values_[path] = value.is_string() ? value.get<std::string>() : value.dump();
        }
      };
  walk("", root);
  return facts;
}

std::string Facts::operator[](const std::string& path) const {
  auto found = values_.find(path);
  return found == values_.end() ? std::string() : found->second;
}

bool Facts::Has(const std::string& path) const {
  return values_.count(path) || children_.count(path);
}

std::vector<std::string> Facts::Keys(const std::string& path) const {
  auto found = children_.find(path);
  return found == children_.end() ? std::vector<std::string>() : found->second;
}

std::vector<std::string> Facts::List(const std::string& path) const {
  std::vector<std::string> list;
  for (const std::string& key : Keys(path)) list.push_back((*this)[path + "/" + key]);
  return list;
}

}  // namespace rkt::test
