// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/enter.h"

#include <unistd.h>

#include <algorithm>

#include "pod/pod.h"
#include "stage0/entry_point.h"

namespace rkt::stage0 {

namespace {

// Whether the entry point is in this program, too. A copy of stage1's tree may have been changed by hand: it is executed.
bool IsLinked(const LinkedStage1& linked, const pod::Pod& pod, const Stage1Contract& contract) {
  auto tree = pod.Stage1TreeId();
  return pod.UsesOverlay() && tree && *tree == linked.tree_id && contract.EntryPoint("run") == linked.run &&
         contract.EntryPoint("enter") == "/enter";
}

}  // namespace

Result<std::vector<std::string>> AppNames(const std::string& data_dir, const std::string& uuid) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  std::vector<std::string> names;
  for (pod::AppSummary& app : TRY(pod.ReadSummary()).apps) names.push_back(std::move(app.name));
  return names;
}

Status Enter(const std::string& data_dir, const std::string& uuid, const std::string& app,
             const EnterIdentity& identity, const std::vector<std::string>& argv, const LinkedStage1* linked) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  if (pod.state() != pod::State::kRunning) {
    return Err(Code::kInvalid, "pod ", Quote(uuid), " isn't currently running");
  }
  int pid = TRY_CTX(pod.WaitContainerPid(), "finding the process of pod ", Quote(uuid));
  Stage1Contract contract = TRY(ReadContract(pod));
  std::string program = TRY(EntryPointPath(data_dir, pod, contract, "enter"));
  std::vector<std::string> words = {program, StrCat("--pid=", pid), StrCat("--appname=", app)};
  // A stage1 that does not know a flag must not be left to guess what to do about it.
  auto add = [&](const char* name, const std::string& word) -> Status {
    if (!contract.KnowsEnterFlag(name)) {
      return Err(Code::kUnsupported, "--", name, " is not supported by the stage1 of pod ", Quote(uuid));
    }
    words.push_back(word);
    return {};
  };
  if (!identity.user.empty()) TRY(add("user", StrCat("--user=", identity.user)));
  if (!identity.group.empty()) TRY(add("group", StrCat("--group=", identity.group)));
  if (identity.privileged) TRY(add("privileged", "--privileged"));
  words.emplace_back("--");
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  if (::fchdir(pod.fd()) != 0) return SysErr("entering ", pod.path());
  if (linked != nullptr && IsLinked(*linked, pod, contract)) {
    // As executing it would, and more: nothing of the caller's but the standard streams is for the command.
    ::close_range(3, ~0u, 0);
    ::_exit(linked->start(words, nullptr));
  }
  ::execv(program.c_str(), pointers.data());
  return SysErr("executing stage1's ", program);
}

}  // namespace rkt::stage0
