// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What stage0 and a stage1 image agree upon (docs/stage1-contract.md): entry points by annotation,
// arguments by interface version, environment. Pure text, so that every combination can be compared
// in tests.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "appc/image_manifest.h"
#include "base/result.h"
#include "stage0/run.h"

namespace rkt::stage0 {

class Stage1Contract {
 public:
  // kInvalid where the interface version is no number.
  static Result<Stage1Contract> From(const appc::ImageManifest& manifest);
  static Result<Stage1Contract> Parse(std::string_view manifest_bytes);
  // What `run` needs to know of a stage1 whose manifest need not be read. It has no entry points but that one.
  static Stage1Contract ForRun(int interface_version, std::string_view entry_point);

  int version() const { return version_; }
  // Path of an entry point ("run", "app/rm") inside stage1's root, beginning with '/'; empty where
  // it has none.
  std::string EntryPoint(std::string_view name) const;
  // Whether `enter` understands the flag ("user", "group", "privileged"): those that the annotation
  // coreos.com/rkt/stage1/enter-flags lists, separated by commas.
  bool KnowsEnterFlag(std::string_view name) const;

 private:
  int version_ = 1;
  std::map<std::string, std::string, std::less<>> entry_points_;
};

// argv of `run`; argv[0] is `program`. What this version does not understand is left out with a
// line in `warnings`. kUnsupported: stage1 does not support mutable pods.
Result<std::vector<std::string>> RunArguments(const Stage1Contract& contract,
                                              const std::string& program, const RunOptions& options,
                                              const std::string& uuid,
                                              const std::string& private_users,
                                              std::vector<std::string>* warnings);
// argv of `gc`.
std::vector<std::string> GcArguments(const Stage1Contract& contract, const std::string& program,
                                     bool debug, const std::string& local_config,
                                     const std::string& uuid);

// What stage0 says to the native stage1 in variables of ours, beside those of the contract.
struct OwnVariables {
  bool skip_limits = false;  // RKT_SKIP_LIMITS, the pid: limits that cannot be set may be left out
  std::string log;           // RKT_LOG (docs/formats/logs.md); empty: not said
  std::string selinux_process = {}, selinux_mount = {};  // what the contract's variables say
  std::string machined;      // RKT_MACHINED, a program that makes the pod known to machined; empty: there is no machined
};

// The caller's environment without what is ours to say, and the variables of the contract.
// RKT_PRIVATE_MOUNTS, ours, tells the process `pid` that its mount namespace is its own.
std::vector<std::string> RunEnvironment(char** caller, int lock_fd, int pid, const OwnVariables& own = {});

// POD/runtime-config.
std::string RuntimeConfig(const RunOptions& options, const std::string& private_users);

}  // namespace rkt::stage0
