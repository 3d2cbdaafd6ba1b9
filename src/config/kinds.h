// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The kinds of configuration files: one document of each read into a Config. Used by config.cc and
// the tests.

#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "config/config.h"

namespace rkt::config {

// A directory below a configuration directory and the kinds that may lie in it.
struct SubDirectory {
  const char* name;
  std::vector<std::string_view> kinds;
};
const std::vector<SubDirectory>& SubDirectories();

// Adds what the file's text says to `config`, which holds what was read of the same directory
// before: an item that is there already is an error. `kinds` are those allowed, `path` is for
// messages.
Status ReadFileText(std::string_view text, const std::vector<std::string_view>& kinds,
                    const std::string& path, Config* config);

}  // namespace rkt::config
