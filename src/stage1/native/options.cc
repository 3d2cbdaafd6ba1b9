// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/options.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "base/uuid.h"

namespace rkt::native {

namespace {

struct Flag {
  std::string_view name;
  std::optional<std::string_view> value;
};

// "--name", "--name=value"; nothing for another word.
std::optional<Flag> AsFlag(std::string_view word) {
  if (!word.starts_with("--") || word.size() == 2) return std::nullopt;
  word.remove_prefix(2);
  size_t equals = word.find('=');
  if (equals == std::string_view::npos) return Flag{word, std::nullopt};
  return Flag{word.substr(0, equals), word.substr(equals + 1)};
}

Result<bool> BoolOf(const Flag& flag) {
  if (!flag.value || *flag.value == "true" || *flag.value == "1") return true;
  if (*flag.value == "false" || *flag.value == "0") return false;
  return Err(Code::kInvalid, "--", flag.name, ": ", Quote(*flag.value), " is neither true nor false");
}

Status CheckWord(std::string_view flag, const std::string& value, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (value == word) return {};
  }
  return Err(Code::kInvalid, "--", flag, ": unknown mode ", Quote(value));
}

Status ParseDnsConfMode(RunOptions& options, std::string_view value) {
  for (const std::string& item : Split(value, ',')) {
    if (item.starts_with("resolv=")) {
      options.resolv_mode = item.substr(7);
      TRY(CheckWord("dns-conf-mode", options.resolv_mode, {"host", "stage0", "none", "default"}));
    } else if (item.starts_with("hosts=")) {
      options.hosts_mode = item.substr(6);
      TRY(CheckWord("dns-conf-mode", options.hosts_mode, {"host", "stage0", "default"}));
    } else {
      return Err(Code::kInvalid, "--dns-conf-mode: unknown item ", Quote(item));
    }
  }
  return {};
}

}  // namespace

Result<RunOptions> ParseRunOptions(const std::vector<std::string>& arguments) {
  RunOptions options;
  for (const std::string& word : arguments) {
    auto flag = AsFlag(word);
    if (!flag) {
      if (!options.uuid.empty()) return Err(Code::kInvalid, "more than one UUID: ", Quote(word));
      auto uuid = NormalizeUuid(word);
      if (!uuid) return Err(Code::kInvalid, "UUID ", Quote(word), " is missing or malformed");
      options.uuid = *uuid;
      continue;
    }
    std::string_view name = flag->name;
    std::string value(flag->value.value_or(""));
    if (name == "debug") {
      options.debug = TRY(BoolOf(*flag));
    } else if (name == "net") {
      options.net.push_back(value);
    } else if (name == "interactive") {
      options.interactive = TRY(BoolOf(*flag));
    } else if (name == "mutable") {
      options.mutable_pod = TRY(BoolOf(*flag));
    } else if (name == "hostname") {
      options.hostname = value;
    } else if (name == "ipc") {
      options.ipc = value;
    } else if (name == "local-config") {
      options.local_config = value;
    } else if (name == "mds-token") {
      options.metadata_token = value;
    } else if (name == "private-users") {
      options.private_users = TRY_CTX(ParseIdRange(value), "--private-users");
    } else if (name == "dns-conf-mode") {
      TRY(ParseDnsConfMode(options, value));
    } else if (name == "disable-capabilities-restriction") {
      options.disable_capabilities = TRY(BoolOf(*flag));
    } else if (name == "disable-paths") {
      options.disable_paths = TRY(BoolOf(*flag));
    } else if (name == "disable-seccomp") {
      options.disable_seccomp = TRY(BoolOf(*flag));
    } else {
      return Err(Code::kInvalid, "unknown flag --", name);
    }
  }
  if (options.uuid.empty()) return Err(Code::kInvalid, "UUID is missing or malformed");
  if (options.ipc.empty()) options.ipc = "auto";
  if (options.ipc != "auto" && options.ipc != "private" && options.ipc != "parent") {
    return Err(Code::kInvalid, "unknown IPC mode ", Quote(options.ipc), ": auto, private or parent are known");
  }
  if (options.mutable_pod && options.interactive) {
    return Err(Code::kInvalid, "a mutable pod cannot be interactive");
  }
  return options;
}

Result<EnterOptions> ParseEnterOptions(const std::vector<std::string>& arguments) {
  EnterOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") {
      options.argv.assign(arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    auto flag = AsFlag(arguments[i]);
    if (!flag) {
      options.argv.assign(arguments.begin() + static_cast<ptrdiff_t>(i), arguments.end());
      break;
    }
    std::string value(flag->value.value_or(""));
    if (flag->name == "pid") {
      auto pid = ParseInt(value);
      if (!pid || *pid <= 1) return Err(Code::kInvalid, "--pid: ", Quote(value), " is no process id");
      options.pid = static_cast<int>(*pid);
    } else if (flag->name == "appname" || flag->name == "app") {
      options.app = value;
    } else if (flag->name == "user") {
      options.user = value;
    } else if (flag->name == "group") {
      options.group = value;
    } else if (flag->name == "privileged") {
      options.privileged = TRY(BoolOf(*flag));
    } else {
      return Err(Code::kInvalid, "unknown flag --", flag->name);
    }
  }
  if (options.pid == 0) return Err(Code::kInvalid, "--pid is missing");
  if (options.app.empty()) return Err(Code::kInvalid, "--appname is missing");
  if (options.argv.empty()) return Err(Code::kInvalid, "no command");
  return options;
}

Result<CrossingOptions> ParseCrossingOptions(const std::vector<std::string>& arguments) {
  CrossingOptions options;
  for (const std::string& word : arguments) {
    auto flag = AsFlag(word);
    if (!flag) return Err(Code::kInvalid, "unexpected argument ", Quote(word));
    std::string value(flag->value.value_or(""));
    if (flag->name == "app") {
      options.app = value;
    } else if (flag->name == "uuid") {
      options.uuid = value;
    } else if (flag->name == "action") {
      options.action = value;
    } else if (flag->name == "tty-in") {
      options.tty_in = TRY(BoolOf(*flag));
    } else if (flag->name == "tty-out") {
      options.tty_out = TRY(BoolOf(*flag));
    } else if (flag->name == "stdin") {
      options.standard_in = TRY(BoolOf(*flag));
    } else if (flag->name == "stdout") {
      options.standard_out = TRY(BoolOf(*flag));
    } else if (flag->name == "stderr") {
      options.standard_err = TRY(BoolOf(*flag));
    } else if (flag->name != "debug") {
      return Err(Code::kInvalid, "unknown flag --", flag->name);
    }
  }
  // It becomes part of paths.
  if (options.app.empty() || options.app.find('/') != std::string::npos || options.app[0] == '.') {
    return Err(Code::kInvalid, "--app: ", Quote(options.app), " is no name of an app");
  }
  return options;
}

Result<StopOptions> ParseStopOptions(const std::vector<std::string>& arguments) {
  StopOptions options;
  for (const std::string& word : arguments) {
    if (auto flag = AsFlag(word)) {
      if (flag->name == "force") {
        options.force = TRY(BoolOf(*flag));
      } else if (flag->name != "debug") {
        return Err(Code::kInvalid, "unknown flag --", flag->name);
      }
      continue;
    }
    options.uuid = word;
  }
  return options;
}

}  // namespace rkt::native
