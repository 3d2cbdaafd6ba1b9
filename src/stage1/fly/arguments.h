// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What stage0 passes to the entry points (docs/stage1-contract.md). Fly can do little of it and
// says so.

#include <string>
#include <vector>

#include "base/result.h"

namespace rkt::fly {

struct RunArguments {
  bool debug = false;
  std::string resolv_mode = "default";  // default, host, none, stage0
  std::string hosts_mode = "default";   // default, host, stage0
  std::string metadata_token;           // empty: the metadata service does not know the pod
  std::string uuid;
  std::vector<std::string>
      ignored;  // options given that have no effect and are told of: "hostname"
};
// kInvalid: an option that is unknown or refused (the exit code is 2 then), no UUID.
Result<RunArguments> ParseRunArguments(const std::vector<std::string>& argv);

struct EnterArguments {
  int pid = 0;
  std::string app;
  std::string user;   // empty: the app's
  std::string group;
  bool privileged = false;  // root; nothing else is confined here
  std::vector<std::string> command;
};
Result<EnterArguments> ParseEnterArguments(const std::vector<std::string>& argv);

struct StopArguments {
  bool force = false;
  std::string uuid;
};
Result<StopArguments> ParseStopArguments(const std::vector<std::string>& argv);

}  // namespace rkt::fly
