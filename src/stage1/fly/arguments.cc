// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/fly/arguments.h"

#include <algorithm>

#include "base/uuid.h"

namespace rkt::fly {
namespace {

// "--name=value", "-name=value" or a switch.
struct Option {
  std::string name;
  std::string value;
  bool has_value = false;
};
Option SplitOption(const std::string& word) {
  Option option;
  std::string_view text = std::string_view(word).substr(word.starts_with("--") ? 2 : 1);
  size_t equals = text.find('=');
  option.name = text.substr(0, equals);
  if (equals != std::string_view::npos) {
    option.value = text.substr(equals + 1);
    option.has_value = true;
  }
  return option;
}

Status SetDnsModes(const std::string& text, RunArguments* arguments) {
  for (const std::string& pair : Split(text, ',')) {
    size_t equals = pair.find('=');
    std::string key = pair.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : pair.substr(equals + 1);
    bool common = value == "default" || value == "host" || value == "stage0";
    if (key == "resolv" && (common || value == "none")) {
      arguments->resolv_mode = value;
    } else if (key == "hosts" && common) {
      arguments->hosts_mode = value;
    } else {
      return Err(Code::kInvalid, "invalid value ", Quote(text), " for --dns-conf-mode");
    }
  }
  return {};
}

}  // namespace

Result<RunArguments> ParseRunArguments(const std::vector<std::string>& argv) {
  // Networks are the host's whatever is asked for; there is nothing to confine or to hand a
  // terminal to.
  static const std::vector<std::string> silent = {
      "net",           "interactive",    "local-config", "disable-capabilities-restriction",
      "disable-paths", "disable-seccomp"};
  static const std::vector<std::string> told = {"hostname"};
  auto contains = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  RunArguments arguments;
  for (size_t i = 1; i < argv.size(); ++i) {
    if (!argv[i].starts_with("-")) {
      if (!arguments.uuid.empty()) return Err(Code::kInvalid, "more than one UUID given");
      arguments.uuid = argv[i];
      continue;
    }
    Option option = SplitOption(argv[i]);
    if (option.name == "debug") {
      arguments.debug = option.value != "false";
    } else if (option.name == "dns-conf-mode") {
      TRY(SetDnsModes(option.value, &arguments));
    } else if (option.name == "mds-token") {
      arguments.metadata_token = option.value;
    } else if (contains(told, option.name)) {
      if (!option.value.empty()) arguments.ignored.push_back(option.name);
    } else if (option.name == "private-users") {
      return Err(Code::kUnsupported, "flag provided but not defined: -private-users (fly gives no pod users of its own; ",
                 "where the configuration asks for them there is --private-users=false)");
    } else if (!contains(silent, option.name)) {
      return Err(Code::kUnsupported, "flag provided but not defined: -", option.name);
    }
  }
  if (!IsUuid(arguments.uuid)) return Err(Code::kInvalid, "UUID is missing or malformed");
  return arguments;
}

Result<EnterArguments> ParseEnterArguments(const std::vector<std::string>& argv) {
  EnterArguments arguments;
  size_t i = 1;
  for (; i < argv.size() && argv[i] != "--"; ++i) {
    if (!argv[i].starts_with("-")) break;
    Option option = SplitOption(argv[i]);
    if (option.name == "privileged") {
      arguments.privileged = option.value != "false";
      continue;
    }
    if (!option.has_value && i + 1 < argv.size()) option.value = argv[++i];
    if (option.name == "user") {
      arguments.user = option.value;
    } else if (option.name == "group") {
      arguments.group = option.value;
    } else if (option.name == "pid") {
      arguments.pid = static_cast<int>(ParseInt(option.value).value_or(0));
    } else if (option.name == "appname" || option.name == "app") {
      arguments.app = option.value;
    } else {
      return Err(Code::kUnsupported, "flag provided but not defined: -", option.name);
    }
  }
  if (i < argv.size() && argv[i] == "--") ++i;
  arguments.command.assign(argv.begin() + static_cast<std::ptrdiff_t>(i), argv.end());
  if (arguments.pid <= 0) return Err(Code::kInvalid, "--pid is missing or malformed");
  if (arguments.app.empty()) return Err(Code::kInvalid, "--appname is missing");
  if (arguments.command.empty()) return Err(Code::kInvalid, "no command given");
  return arguments;
}

Result<StopArguments> ParseStopArguments(const std::vector<std::string>& argv) {
  StopArguments arguments;
  for (size_t i = 1; i < argv.size(); ++i) {
    if (!argv[i].starts_with("-")) {
      arguments.uuid = argv[i];
      continue;
    }
    Option option = SplitOption(argv[i]);
    if (option.name == "force") {
      arguments.force = option.value != "false";
    } else if (option.name != "debug") {
      return Err(Code::kUnsupported, "flag provided but not defined: -", option.name);
    }
  }
  return arguments;
}

}  // namespace rkt::fly
