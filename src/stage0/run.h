// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Running a pod: prepare it (or take a prepared one), mount its file systems in a private mount
// namespace and become stage1's `run` entry point. The process that called is the pod's from then
// on: same pid, lock held by inheritance.

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "stage0/linked_stage1.h"
#include "stage0/prepare.h"
#include "store/store.h"

namespace rkt::stage0 {

// /etc/resolv.conf of the apps.
struct DnsConfig {
  enum class Mode { kDefault, kHost, kNone, kStage0 };  // kStage0: made of the fields below
  Mode mode = Mode::kDefault;
  std::vector<std::string> nameservers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::string domain;
};
// /etc/hosts of the apps.
struct HostsConfig {
  enum class Mode { kDefault, kHost, kStage0 };
  Mode mode = Mode::kDefault;
  std::vector<std::pair<std::string, std::vector<std::string>>>
      entries;  // address, names; merged by address
};

// What is passed on to stage1 (docs/stage1-contract.md). Checked by the caller as far as flags can
// be.
struct RunOptions {
  bool debug = false;
  bool interactive = false;
  bool mutable_pod = false;
  bool mds_register = false;     // with the metadata service
  std::string mds_token;         // made by Run where mds_register is set
  std::vector<std::string> net;  // values of --net, joined by ','; empty: default
  std::string hostname;
  std::string ipc;           // auto, private, parent; empty: not given
  std::string local_config;  // --local-config, empty: not passed
  std::string log_settings;  // RKT_LOG of stage1's environment, empty: none (docs/formats/logs.md)
  DnsConfig dns;
  HostsConfig hosts;
  bool insecure_capabilities = false;
  bool insecure_paths = false;
  bool insecure_seccomp = false;
  const LinkedStage1* linked = nullptr;  // borrowed; null: every stage1 is executed
  bool insecure_limits = false;  // what the machine cannot set is left out
};

// Both return only where they failed.
Status Run(store::Store& store, const PrepareOptions& prepare, const RunOptions& options);
// kInvalid: pod "UUID" is not prepared
Status RunPrepared(const std::string& data_dir, const std::string& uuid, const RunOptions& options);

// Text of the files stage0 makes for DnsConfig and HostsConfig.
std::string ResolvConfText(const DnsConfig& dns);
std::string HostsText(const HostsConfig& hosts);

}  // namespace rkt::stage0
