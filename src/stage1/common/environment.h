// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The environment of an app (runtime.md of the reference, section 8). Pure functions: nothing of
// the caller's own environment gets in.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rkt::stage1 {

struct EnvironmentRequest {
  std::string app_name;      // AC_APP_NAME, empty: not set (fly)
  std::string metadata_url;  // AC_METADATA_URL, empty: not set
  // The manifest's entries, the pod's word already merged into the image's. They win over the
  // defaults; a later entry wins over an earlier one of the same name.
  std::vector<std::pair<std::string, std::string>> app;
  std::string container = {};  // "container" unless the app sets it, empty: not set (fly)
  std::string terminal = {};   // TERM unless the app sets it, empty: not set
};

// "NAME=value" for execve: defaults (PATH, SHELL, USER, LOGNAME, HOME, container) that the app does not set,
// its own entries in order, AC_APP_NAME and AC_METADATA_URL, which nobody overrides. kInvalid: a
// name that is empty or has '=' or NUL in it, a value with NUL.
Result<std::vector<std::string>> AppEnvironment(const EnvironmentRequest& request);
// The value of a variable in such a list, empty where it is not set.
std::string_view EnvironmentValue(const std::vector<std::string>& environment,
                                  std::string_view name);

// The file rkt/env/APP, from which `enter` takes the app's environment: the entries, each ended by
// a NUL.
std::string EnvironmentFileText(const std::vector<std::string>& environment);
std::vector<std::string> ParseEnvironmentFile(std::string_view text);

}  // namespace rkt::stage1
