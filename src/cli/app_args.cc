// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/app_args.h"

#include <span>

#include "cli/flags.h"

namespace rkt::cli {

bool PodArguments::HasNet(std::string_view name) const {
  for (const std::string& entry : net) {
    if (std::string_view(entry).substr(0, entry.find(':')) == name) return true;
  }
  return false;
}

Status ParseAppArguments(Invocation& invocation, bool app_arguments, bool& help) {
  PodArguments& pod = invocation.pod();
  std::span<const std::string_view> words = invocation.words;
  size_t apps_with_arguments = 0;
  bool in_arguments = false;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (in_arguments) {
      if (word == "---") {
        in_arguments = false;
      } else {
        pod.apps.back().request.args.emplace_back(word);
      }
      continue;
    }
    if (word.empty() || word == "---") continue;
    if (word == "--") {
      if (!app_arguments) return Err(Code::kInvalid, "app arguments unsupported");
      if (pod.apps.empty()) {
        return Err(Code::kInvalid, "an image is required before any app arguments");
      }
      if (apps_with_arguments == pod.apps.size()) {
        return Err(Code::kInvalid, "only one set of app arguments allowed per image");
      }
      apps_with_arguments = pod.apps.size();
      in_arguments = true;
      continue;
    }
    ParsedWords rest = TRY(ParseFlags(invocation, words.subspan(i)));
    if (rest.help) help = true;
    size_t taken = words.size() - i - rest.words.size();
    if (taken == 0) {
      AppArguments& app = pod.apps.emplace_back();
      app.image = word;
      continue;
    }
    // A "--" that ended the flags belongs to us.
    if (words[i + taken - 1] == "--") --taken;
    i += taken;
    --i;  // the loop's step
  }
  TRY(pod::CheckMounts(pod.mounts, pod.volumes));
  for (const AppArguments& app : pod.apps) {
    TRY(pod::CheckMounts(app.request.mounts, pod.volumes));
  }
  return {};
}

std::optional<int> TakeAppArguments(Invocation& invocation, bool app_arguments,
                                    std::string_view failure) {
  bool help = false;
  Status parsed = ParseAppArguments(invocation, app_arguments, help);
  if (!parsed) return Fail(failure, std::move(parsed).error());
  if (!help) return std::nullopt;
  (void)invocation.Usage();
  return 0;
}

}  // namespace rkt::cli
