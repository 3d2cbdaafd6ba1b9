// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt enter

#include "cli/enter.h"

#include "appc/names.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/pod_argument.h"
#include "stage0/enter.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    TextFlag("app", "name of the app to enter; may be left out where the pod has one"),
    TextFlag("user", "user that the command runs as: a name or number of the image, or a path whose owner is meant "
                     "(default: the app's user)"),
    TextFlag("group", "group that the command runs as: a name or number of the image, or a path whose group is meant (default: the primary group of --user, or the app's)"),
    BoolFlag("privileged", "run with every capability and without system call filter, as root unless --user is given"),
};
constexpr FlagGroup kFlags = kOwnFlags;

constexpr std::string_view kShell = "/bin/bash";

}  // namespace

Result<std::string> ChosenApp(const Invocation& invocation, const PodArgument& pod) {
  std::string name(invocation.Text("app"));
  if (!name.empty()) {
    TRY(appc::CheckACName(name));
    return name;
  }
  std::vector<std::string> names = TRY(stage0::AppNames(pod.data_dir, pod.uuid));
  if (names.empty()) return Err(Code::kInvalid, "pod contains zero apps");
  if (names.size() == 1) return names[0];
  Notice("", "pod contains multiple apps:");
  for (const std::string& app : names) Notice("", StrCat("\t", TerminalSafe(app)));
  return Err(Code::kInvalid, "specify app using \"", invocation.CommandPath(), " --app= ...\"");
}

constinit const FlagGroup* const kEnterFlags[1] = {&kFlags};

int RunEnter(Invocation& invocation) {
  if (invocation.words.empty()) return invocation.Usage();
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return Fail("problem retrieving pod", std::move(pod).error());
  // Asked before anything else, so that a pod that has ended is called that.
  auto pods = pod::Pods::Open(pod->data_dir);
  if (!pods) return Fail("problem retrieving pod", std::move(pods).error());
  auto opened = pods->Get(pod->uuid);
  if (!opened) return Fail("problem retrieving pod", std::move(opened).error());
  if (opened->state() != pod::State::kRunning) {
    return Refuse(StrCat("pod ", Quote(pod->uuid), " isn't currently running"));
  }
  auto app = ChosenApp(invocation, *pod);
  if (!app) return Fail("unable to determine app name", std::move(app).error());
  std::vector<std::string> argv(invocation.words.begin() + 1, invocation.words.end());
  if (argv.empty()) {
    Notice("", StrCat("no command specified, assuming ", Quote(kShell)));
    argv.emplace_back(kShell);
  }
  stage0::EnterIdentity identity;
  identity.user = invocation.Text("user");
  identity.group = invocation.Text("group");
  identity.privileged = invocation.Bool("privileged");
  for (const char* name : {"user", "group"}) {
    if (invocation.Given(name) && invocation.Text(name).empty()) {
      return Refuse(StrCat("--", name, ": empty"));
    }
  }
  Status failed = stage0::Enter(pod->data_dir, pod->uuid, *app, identity, argv, invocation.linked_stage1);
  return Fail("enter failed", std::move(failed).error());
}

constinit const CommandSpec kEnterCommand = {
    .name = "enter",
    .synopsis = "[--app=APPNAME] [--user=USER] [--group=GROUP] [--privileged] UUID [CMD [ARGS ...]]",
    .summary = "Run a command in an app of a running pod",
    .description =
        R"(Runs the command inside the app, as confined as the app itself: its namespaces and
control groups, limits, capabilities and system call filter, its user and groups,
environment and working directory. TERM is the caller's. Without a command it is
/bin/bash. What is behind the UUID belongs to the command, flags included.

On a terminal the command gets a terminal of its own in the pod; otherwise it gets
standard input, output and error as they are, or a pipe in the place of one that is
a terminal. Signals are passed on, and the exit
status is the command's.)",
    .flags = kEnterFlags,
    .run = RunEnter,
    .completes = Completion::kRunningPods,
    .first_word_ends_flags = true,
    .needs_root = true,
};

}  // namespace rkt::cli
