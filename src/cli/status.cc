// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt status

#include <optional>

#include "base/duration.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/pod_argument.h"
#include "cli/pod_output.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec Wait(std::string_view name, std::string_view help) {
  FlagSpec flag = TextFlag(name, help, "false");
  flag.bare = "true";
  return flag;
}
constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("format", "print json or json-pretty instead of lines", CheckFormat),
    TextFlag("uuid-file", "file to read the UUID from"),
    Wait("wait", "wait until the pod has exited, or as long as the duration given"),
    Wait("wait-ready", "wait until the pod is ready, or as long as the duration given"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// true and nothing: for ever (-1); false: not at all (0); else a duration, where a negative one is
// for ever.
std::optional<int64_t> WaitTime(std::string_view text) {
  if (text.empty()) return -1;
  if (auto wanted = ParseBool(text)) return *wanted ? -1 : 0;
  return ParseDuration(text);
}

void PrintStatus(const stage0::PodStatus& pod) {
  using pod::State;
  PrintLine(StrCat("state=", pod::StateName(pod.state)));
  PrintLine(StrCat("created=", pod.created_ns ? LongTime(*pod.created_ns) : std::string(kNoTime)));
  if (pod.started_ns) PrintLine(StrCat("started=", LongTime(*pod.started_ns)));
  const bool running = pod.state == State::kRunning;
  if (running || pod.state == State::kExited) {
    PrintLine(StrCat("networks=", NetworksText(pod.networks)));
  }
  const bool exited = pod.state == State::kExited || pod.state == State::kExitedGarbage;
  if (!running && !exited && pod.state != State::kDeleting && pod.state != State::kExitedDeleting) {
    return;
  }
  if (pod.pid) PrintLine(StrCat("pid=", *pod.pid));
  PrintLine(StrCat("exited=", exited ? "true" : "false"));
  if (running) return;
  for (const stage0::AppStatus& app : pod.apps) {
    if (app.exit_code) {
      PrintLine(StrCat("app-", TerminalSafe(app.summary.name), "=", *app.exit_code));
    }
  }
}

int Run(Invocation& invocation) {
  std::string_view file = invocation.Text("uuid-file");
  if (invocation.words.size() + (file.empty() ? 0 : 1) != 1) return invocation.Usage();
  std::string argument;
  if (file.empty()) {
    argument = invocation.words[0];
  } else {
    auto uuid = ReadUuidFile(file);
    if (!uuid) {
      (void)Fail("unable to resolve UUID from file", std::move(uuid).error());
      return 1;
    }
    argument = *std::move(uuid);
  }
  auto wait = WaitTime(invocation.Text("wait"));
  auto wait_ready = WaitTime(invocation.Text("wait-ready"));
  if (!wait || !wait_ready) return invocation.Usage();

  auto pod = ResolvePod(invocation, argument);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  if (*wait_ready != 0) {
    Status ready = stage0::WaitReady(pod->data_dir, pod->uuid, *wait_ready);
    if (!ready) return Fail("error waiting for pod readiness", std::move(ready).error());
  }
  if (*wait != 0) {
    Status exited = stage0::WaitExited(pod->data_dir, pod->uuid, *wait);
    if (!exited) return Fail("error waiting for pod to finish", std::move(exited).error());
  }
  auto status = stage0::GetPodStatus(pod->data_dir, pod->uuid);
  if (!status) return Fail("unable to print status", std::move(status).error());
  std::string_view format = invocation.Text("format");
  if (format.empty()) {
    PrintStatus(*status);
    return 0;
  }
  auto object = PodJson(*status);
  if (!object) return Fail("unable to print status", std::move(object).error());
  PrintJson(*object, format);
  return 0;
}

}  // namespace

constinit const CommandSpec kStatusCommand = {
    .name = "status",
    .synopsis = "[--wait=bool|timeout] [--wait-ready=bool|timeout] --uuid-file=FILE | UUID",
    .summary = "Print the state of a pod",
    .description =
        R"(Prints the state of a pod, its times, its process, and the exit codes of its apps.

--wait and --wait-ready take true (wait as long as it takes, as without a value),
false (do not wait) or a duration such as 10s. A negative duration is true, zero
is false. The state that is printed is the one after the waiting.)",
    .flags = kGroups,
    .run = Run,
    .completes = Completion::kPods,
};

}  // namespace rkt::cli
