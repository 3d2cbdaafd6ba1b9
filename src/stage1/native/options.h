// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What stage0 asks of this stage1 on its command line (interface version 6; docs/stage1-contract.md).

#include <sys/resource.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/user_namespace.h"

namespace rkt::native {

struct RunOptions {
  std::string uuid;
  bool debug = false;
  bool interactive = false;
  bool mutable_pod = false;
  bool disable_capabilities = false;
  bool disable_paths = false;
  bool disable_seccomp = false;
  std::vector<std::string> net;      // values of --net, as the networks' own parser wants them
  std::string hostname;              // empty: rkt-UUID
  std::string ipc;                   // "auto", "private", "parent"
  std::string local_config = "/etc/rkt";
  std::string metadata_token;        // the metadata service knows the pod by it; empty: it does not
  std::string metadata_url;          // of a running pod, from its runtime-config
  std::optional<IdRange> private_users;  // the host's ids that the pod's users are
  std::string resolv_mode = "default";  // "host", "stage0", "none", "default"
  std::string hosts_mode = "default";   // "host", "stage0", "default"
  // Of SELinux, by the contract's variables; empty: none. What apps run with that have no label of their own, and what
  // their files have.
  std::string selinux_context, selinux_mount_context;
  bool tun_device = false;           // the host has /dev/net/tun (looked up by run, no argument)
  std::string terminal;              // the caller's TERM where the app gets a terminal (likewise)
  std::optional<rlimit> open_files;  // the caller's limit of open files, where this process has raised its own (likewise)
  bool skip_limits = false;          // limits that this machine cannot set are left out (by the environment, no argument)

  bool PrivateIpc() const { return ipc != "parent"; }
};

// kInvalid names the argument and the rule; kUnsupported what this stage1 cannot do.
Result<RunOptions> ParseRunOptions(const std::vector<std::string>& arguments);

struct EnterOptions {
  int pid = 0;
  std::string app;
  std::string user;   // empty: the app's
  std::string group;
  bool privileged = false;
  std::vector<std::string> argv;
};
Result<EnterOptions> ParseEnterOptions(const std::vector<std::string>& arguments);

// Of the crossing entry points: app/add, app/start, app/stop, app/rm, and attach with an action.
struct CrossingOptions {
  std::string app;
  std::string uuid;    // app/add only
  std::string action;  // "list", "auto-attach", "custom-attach"
  bool tty_in = false, tty_out = false;
  bool standard_in = false, standard_out = false, standard_err = false;
};
Result<CrossingOptions> ParseCrossingOptions(const std::vector<std::string>& arguments);

struct StopOptions {
  bool force = false;
  std::string uuid;
};
Result<StopOptions> ParseStopOptions(const std::vector<std::string>& arguments);

}  // namespace rkt::native
