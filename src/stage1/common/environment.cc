// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/common/environment.h"

#include <algorithm>

#include "stage1/common/program_lookup.h"

namespace rkt::stage1 {

namespace {
struct Default {
  std::string_view name;
  std::string_view value;
};
// Whoever the app runs as: the original did not look at its user either.
constexpr Default kDefaults[] = {
    {"PATH", kDefaultPath}, {"SHELL", "/bin/sh"}, {"USER", "root"},
    {"LOGNAME", "root"},    {"HOME", "/root"},
};
constexpr std::string_view kAppName = "AC_APP_NAME";
constexpr std::string_view kMetadataUrl = "AC_METADATA_URL";
}  // namespace

Result<std::vector<std::string>> AppEnvironment(const EnvironmentRequest& request) {
  for (const auto& [name, value] : request.app) {
    if (name.empty() || name.find('=') != std::string::npos ||
        name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
      return Err(Code::kInvalid, "invalid environment variable ", Quote(name));
    }
  }
  if (request.metadata_url.find('\0') != std::string::npos) {
    return Err(Code::kInvalid, "invalid metadata URL ", Quote(request.metadata_url));
  }
  auto is_ours = [&](std::string_view name) {
    return (name == kAppName && !request.app_name.empty()) ||
           (name == kMetadataUrl && !request.metadata_url.empty());
  };
  std::vector<std::string> environment;
  environment.reserve(request.app.size() + std::size(kDefaults) + 4);
  auto add_default = [&](std::string_view name, std::string_view value) {
    bool given = std::any_of(request.app.begin(), request.app.end(),
                             [&](const auto& pair) { return pair.first == name; });
    if (!given && !value.empty()) environment.push_back(StrCat(name, '=', value));
  };
  for (const Default& entry : kDefaults) add_default(entry.name, entry.value);
  // How programs see that they are in a container (appc 0.8.11, "Execution Environment").
  add_default("container", request.container);
  add_default("TERM", request.terminal);
  for (auto entry = request.app.begin(); entry != request.app.end(); ++entry) {
    bool overridden = std::any_of(entry + 1, request.app.end(),
                                  [&](const auto& later) { return later.first == entry->first; });
    if (!overridden && !is_ours(entry->first)) {
      environment.push_back(StrCat(entry->first, '=', entry->second));
    }
  }
  if (!request.app_name.empty()) environment.push_back(StrCat(kAppName, '=', request.app_name));
  if (!request.metadata_url.empty()) {
    environment.push_back(StrCat(kMetadataUrl, '=', request.metadata_url));
  }
  return environment;
}

std::string_view EnvironmentValue(const std::vector<std::string>& environment,
                                  std::string_view name) {
  for (const std::string& entry : environment) {
    if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=') {
      return std::string_view(entry).substr(name.size() + 1);
    }
  }
  return {};
}

std::string EnvironmentFileText(const std::vector<std::string>& environment) {
  std::string text;
  for (const std::string& entry : environment) {
    text += entry;
    text += '\0';
  }
  return text;
}

std::vector<std::string> ParseEnvironmentFile(std::string_view text) {
  std::vector<std::string> environment;
  while (!text.empty()) {
    size_t end = std::min(text.find('\0'), text.size());
    std::string_view entry = text.substr(0, end);
    if (entry.find('=') != std::string_view::npos) environment.emplace_back(entry);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return environment;
}

}  // namespace rkt::stage1
