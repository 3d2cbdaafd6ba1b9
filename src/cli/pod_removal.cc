// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_removal.h"

#include "base/log.h"

namespace rkt::cli {

stage0::GcOptions RemovalOptions(const Invocation& invocation, std::string data_dir) {
  stage0::GcOptions options;
  options.data_dir = std::move(data_dir);
  options.debug = invocation.globals.debug;
  options.local_config = invocation.globals.LocalConfig();
  return options;
}

stage0::GcCallbacks RemovalCallbacks() {
  stage0::GcCallbacks callbacks;
  callbacks.notice = [](const std::string& text) { Notice("", TerminalSafe(text)); };
  callbacks.problem = [](const Error& error) { PrintError("", error); };
  return callbacks;
}

}  // namespace rkt::cli
