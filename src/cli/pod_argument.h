// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// How commands name pods: a UUID or the beginning of one, or a file that holds it.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/invocation.h"
#include "pod/pod.h"

namespace rkt::cli {

// The trimmed content of a --uuid-file.
Result<std::string> ReadUuidFile(std::string_view path);

// The data directory, and the whole UUID of the pod that `argument` means.
struct PodArgument {
  std::string data_dir;
  std::string uuid;
};
Result<PodArgument> ResolvePod(const Invocation& invocation, std::string_view argument);

// For rm and stop: the words, or the one UUID of --uuid-file. An unreadable file is an error that
// the command words itself; `usage` is set where both or neither were given.
Result<std::vector<std::string>> PodWords(const Invocation& invocation, bool& usage);

}  // namespace rkt::cli
