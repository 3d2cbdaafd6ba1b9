// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// A JSON text taken apart, so that a test can ask for one value by its path: facts["/apps/0/name"].

#include <map>
#include <string>
#include <vector>

namespace rkt::test {

class Facts {
 public:
  // A text that is not JSON fails the test and gives no facts.
  static Facts Parse(const std::string& json);

  // A scalar as text: strings as they are, "null", "true", "7"; empty where there is nothing.
  std::string operator[](const std::string& path) const;
  bool Has(const std::string& path) const;
  // Keys of an object, indices of an array.
  std::vector<std::string> Keys(const std::string& path) const;
  size_t Count(const std::string& path) const { return Keys(path).size(); }
  // The strings of an array.
  std::vector<std::string> List(const std::string& path) const;
  const std::string& text() const { return text_; }

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, std::vector<std::string>> children_;
  std::string text_;
};

}  // namespace rkt::test
