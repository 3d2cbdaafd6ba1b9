// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/running_app.h"

namespace rkt::native {

std::string RunningText(int pid, const stage1::Identity& identity) {
  std::string text = StrCat(pid, " ", identity.uid, " ", identity.gid, " ");
  for (size_t i = 0; i < identity.groups.size(); ++i) text += StrCat(i == 0 ? "" : ",", identity.groups[i]);
  return text + "\n";
}

Result<RunningApp> ParseRunning(std::string_view text) {
  Error broken = Err(Code::kCorrupt, Quote(text), " does not describe a running app");
  auto id = [](std::string_view word) -> std::optional<uint32_t> {
    auto number = ParseInt(word);
    if (!number || *number < 0 || *number > stage1::kMaxId) return std::nullopt;
    return static_cast<uint32_t>(*number);
  };
  std::vector<std::string> words = Split(Trim(text), ' ');
  if (words.size() != 4) return broken;
  auto pid = id(words[0]), uid = id(words[1]), gid = id(words[2]);
  if (!pid || *pid <= 1 || !uid || !gid) return broken;
  RunningApp app;
  app.pid = static_cast<int>(*pid);
  app.identity.uid = *uid;
  app.identity.gid = *gid;
  for (const std::string& word : Split(words[3], ',')) {
    auto group = id(word);
    if (!group) return broken;
    app.identity.groups.push_back(*group);
  }
  return app;
}

}  // namespace rkt::native
