// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_argument.h"

#include "base/file.h"
#include "cli/settings.h"

namespace rkt::cli {

Result<std::string> ReadUuidFile(std::string_view path) {
  std::string text = TRY(ReadFile(std::string(path), 4096));
  return std::string(Trim(text));
}

Result<PodArgument> ResolvePod(const Invocation& invocation, std::string_view argument) {
  PodArgument pod;
  pod.data_dir = TRY(DataDir(invocation));
  pod::Pods pods = TRY(pod::Pods::Open(pod.data_dir));
  pod.uuid = TRY(pods.ResolveUuid(argument));
  return pod;
}

Result<std::vector<std::string>> PodWords(const Invocation& invocation, bool& usage) {
  std::string_view file = invocation.Text("uuid-file");
  usage = invocation.words.empty() == file.empty();
  if (usage) return std::vector<std::string>();
  if (file.empty()) {
    return std::vector<std::string>(invocation.words.begin(), invocation.words.end());
  }
  return std::vector<std::string>{TRY(ReadUuidFile(file))};
}

}  // namespace rkt::cli
