// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What tests of mutable pods and of attaching have in common: a sandbox in the background, the `app` commands.

#include <signal.h>

#include "functional/harness/pod_test.h"

namespace rkt::test {

class MutablePodTest : public PodTest {
 protected:
  // A sandbox that is ready. The judge's image is in the store.
  RunningPod Sandbox(const Args& flags = {}) {
    Fetch(JudgeAci());
    std::string file = dir() + "/sandbox.uuid";
    RemoveAll(file);
    bool net = false;
    for (const std::string& flag : flags) net = net || StartsWith(flag, "--net");
    RunningPod pod;
    pod.rkt = std::make_unique<Background>(
        RktArgs(Args{"app", "sandbox", "--uuid-file-save=" + file} +
                (net ? Args{} : Args{"--net=none"}) + flags),
        Options{}, dir() + "/sandbox");
    for (double end = Now() + 30; Now() < end && pod.uuid.size() != 36; SleepFor(0.003)) {
      pod.uuid = ReadFile(file);
      if (!pod.rkt->Running()) break;
    }
    EXPECT_EQ(pod.uuid.size(), 36u) << pod.rkt->err();
    RktOk({"status", pod.uuid, "--wait-ready=30s"});
    return pod;
  }
  Output Add(const std::string& uuid, const std::string& name, const Args& flags = {},
             const Args& words = {"sleep"}) {
    Args arguments = {"app", "add", uuid, "example.com/judge", "--name=" + name};
    arguments = arguments + flags;
    if (!words.empty()) arguments = arguments + Args{"--"} + words;
    return Rkt(arguments);
  }
  void AddOk(const std::string& uuid, const std::string& name, const Args& flags = {},
             const Args& words = {"sleep"}) {
    Output output = Add(uuid, name, flags, words);
    EXPECT_EQ(output.code, 0) << output.All();
    EXPECT_EQ(output.out, "");
  }
  Output Do(const std::string& verb, const std::string& uuid, const std::string& name) {
    return Rkt({"app", verb, uuid, "--app=" + name});
  }
  void DoOk(const std::string& verb, const std::string& uuid, const std::string& name) {
    Output output = Do(verb, uuid, name);
    EXPECT_EQ(output.code, 0) << verb << " " << name << ": " << output.All();
    EXPECT_EQ(output.All().find("app"), std::string::npos) << "not quiet: " << output.All();
  }
  std::string AppState(const std::string& uuid, const std::string& name) {
    Output output = RktOk({"app", "list", "--no-legend", uuid});
    for (const std::string& line : Lines(output.out)) {
      std::vector<std::string> words = Split(line, '\t');
      if (words.size() > 1 && words[0] == name) return words.back();
    }
    return "";
  }
  Facts AppStatus(const std::string& uuid, const std::string& name) {
    return Facts::Parse(
        RktOk({"app", "status", uuid, "--app=" + name, "--format=json"}).out);
  }
  bool WaitForApp(const std::string& uuid, const std::string& name, const std::string& state) {
    for (double end = Now() + 20; Now() < end; SleepFor(0.01)) {
      if (AppState(uuid, name) == state) return true;
    }
    return false;
  }
  // Runs an app to its end and gives the lines that it printed.
  std::string RunApp(const RunningPod& pod, const std::string& name, const Args& flags,
                     const Args& words) {
    AddOk(pod.uuid, name, flags, words);
    DoOk("start", pod.uuid, name);
    EXPECT_TRUE(WaitForApp(pod.uuid, name, "exited"));
    return AppText(pod.rkt->out(), name);
  }
  void Stop(RunningPod& pod, int code = 0) {
    RktOk({"stop", pod.uuid});
    Output output = pod.rkt->Wait(30);
    EXPECT_EQ(output.code, code) << output.All();
  }
  std::string UpperDir(const std::string& uuid) {
    std::string pod = PodDir(uuid);
    return pod + "/overlay/" + ReadFile(pod + "/stage1TreeStoreID") + "/upper";
  }
};

}  // namespace rkt::test
