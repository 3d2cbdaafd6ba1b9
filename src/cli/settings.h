// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the global flags and the configuration files come to together: the data directory, the store
// in it, how images are fetched, which stage1 is the default.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/invocation.h"
#include "config/config.h"
#include "image/reference.h"
#include "stage0/stage1_image.h"
#include "store/store.h"

namespace rkt::cli {

// The configuration of the directories that the flags name; read once a process. "cannot get
// configuration: ..."
Result<std::shared_ptr<const config::Config>> Configuration(const Invocation& invocation);

// --dir where it was given, else the configuration's, else /var/lib/rkt; symlinks resolved where it
// exists.
Result<std::string> DataDir(const Invocation& invocation);

// The store of the data directory. "cannot open store: ..."
Result<store::Store> OpenStore(const Invocation& invocation);

// How keys are shown, on this descriptor, and asked for where standard input is a terminal.
image::TrustDialog KeyDialog(int output);

// `pull_policy` as PullPolicy() gives it.
image::FetchOptions FetchOptions(const Invocation& invocation, std::string_view pull_policy);

// Which stage1 to take: the flag's, the configuration's, the built-in one.
Result<stage0::Stage1Options> Stage1Options(Invocation& invocation);

// How stage1 is to keep logs, as it reads it (RKT_LOG, docs/formats/logs.md); empty where nothing is configured.
Result<std::string> LogSettings(const Invocation& invocation);

}  // namespace rkt::cli
