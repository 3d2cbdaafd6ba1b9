// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt app: the group, and those of its commands that only name an app: start, stop, rm, exec, list, status.

#include "stage0/app.h"

#include <algorithm>

#include "appc/names.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/enter.h"
#include "cli/pod_argument.h"
#include "cli/pod_output.h"
#include "stage0/list.h"

namespace rkt::cli {

namespace {

// What list and status exit with where they fail.
constexpr int kListFailed = 1;

constexpr FlagSpec kAppFlagList[] = {TextFlag("app", "name of the app")};
constexpr FlagGroup kNamedApp = kAppFlagList;
constexpr const FlagGroup* kNamedAppGroups[] = {&kNamedApp};

// "UUID --app=NAME", for start, stop and rm.
Result<stage0::AppTarget> Target(const Invocation& invocation) {
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return std::move(pod).error().Wrap("problem retrieving pod");
  stage0::AppTarget target;
  target.data_dir = pod->data_dir;
  target.uuid = pod->uuid;
  target.app = invocation.Text("app");
  target.debug = invocation.globals.debug;
  TRY_CTX(appc::CheckACName(target.app), "invalid app name");
  return target;
}

template <Status (*kOperation)(const stage0::AppTarget&)>
int RunOperation(Invocation& invocation) {
  if (invocation.words.size() != 1 || invocation.Text("app").empty()) return invocation.Usage();
  auto target = Target(invocation);
  if (!target) return Fail(target.error());
  Status done = kOperation(*target);
  return done ? 0 : Fail(done.error());
}

int ListFail(std::string_view message, Error error) {
  (void)Fail(message, std::move(error));
  return kListFailed;
}

int RunList(Invocation& invocation) {
  if (invocation.words.size() != 1) return invocation.Usage();
  auto pod = ResolvePod(invocation, invocation.words[0]);
  if (!pod) return ListFail("problem retrieving pod", std::move(pod).error());
  auto status = stage0::GetPodStatus(pod->data_dir, pod->uuid);
  if (!status) return ListFail("unable to list apps", std::move(status).error());
  std::string_view format = invocation.Text("format");
  if (!format.empty()) {
    json::Value apps = json::Value::Array();
    for (const stage0::AppStatus& app : status->apps) apps.Append(AppJson(app));
    PrintJson(apps, format);
    return 0;
  }
  Table table;
  if (!invocation.Bool("no-legend")) table.AddRow({"NAME", "STATE"});
  for (const stage0::AppStatus& app : status->apps) {
    table.AddRow({TerminalSafe(app.summary.name), app.state});
  }
  Print(table.Text());
  return 0;
}

void PrintStatus(const stage0::AppStatus& app) {
  PrintLine(StrCat("name=", TerminalSafe(app.summary.name)));
  PrintLine(StrCat("state=", app.state));
  PrintLine(StrCat("image_id=", TerminalSafe(app.summary.image_id)));
  if (app.created_ns) PrintLine(StrCat("created_at=", LongTime(*app.created_ns)));
  if (app.started_ns) PrintLine(StrCat("started_at=", LongTime(*app.started_ns)));
  if (app.finished_ns) PrintLine(StrCat("finished_at=", LongTime(*app.finished_ns)));
  if (app.exit_code) PrintLine(StrCat("exit_code=", *app.exit_code));
  if (!app.summary.mounts.empty()) {
    std::vector<std::string> mounts;
    for (const pod::MountSummary& mount : app.summary.mounts) {
      mounts.push_back(StrCat(mount.host_path, ":", mount.container_path, ":readOnly=",
                              mount.read_only ? "true" : "false"));
    }
    PrintLine(StrCat("mounts=", TerminalSafe(Join(mounts, ","))));
  }
  auto print_pairs = [](const char* name, const pod::KeyValues& pairs) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : pairs) texts.push_back(StrCat(key, "=", value));
    if (!texts.empty()) PrintLine(StrCat(name, "=", TerminalSafe(Join(texts, ","))));
  };
  print_pairs("user_annotations", app.summary.user_annotations);
  print_pairs("user_labels", app.summary.user_labels);
}

int RunStatus(Invocation& invocation) {
  if (invocation.words.size() != 1 || invocation.Text("app").empty()) return invocation.Usage();
  auto target = Target(invocation);
  if (!target) {
    (void)Fail(target.error());
    return kListFailed;
  }
  auto status = stage0::GetPodStatus(target->data_dir, target->uuid);
  if (!status) return ListFail("unable to print the status of the app", std::move(status).error());
  auto app = std::find_if(status->apps.begin(), status->apps.end(), [&](const auto& row) {
    return row.summary.name == target->app;
  });
  if (app == status->apps.end()) {
    (void)Refuse(StrCat("app ", Quote(target->app), " not found in the pod"));
    return kListFailed;
  }
  std::string_view format = invocation.Text("format");
  if (format.empty()) {
    PrintStatus(*app);
  } else {
    PrintJson(AppJson(*app), format);
  }
  return 0;
}

constexpr FlagSpec kFormatFlag =
    ValueFlag("format", "print json or json-pretty instead of lines", CheckFormat);
constexpr FlagSpec kListFlagList[] = {
    kFormatFlag,
    BoolFlag("no-legend", "leave out the line with the columns' names"),
};
constexpr FlagGroup kListFlags = kListFlagList;
constexpr const FlagGroup* kListGroups[] = {&kListFlags};

constexpr FlagSpec kStatusFlagList[] = {kFormatFlag};
constexpr FlagGroup kStatusFlags = kStatusFlagList;
constexpr const FlagGroup* kStatusGroups[] = {&kNamedApp, &kStatusFlags};

constexpr const CommandSpec* kChildren[] = {
    &kAppAddCommand,     &kAppExecCommand,  &kAppListCommand,   &kAppRmCommand,
    &kAppSandboxCommand, &kAppStartCommand, &kAppStatusCommand, &kAppStopCommand,
};

}  // namespace

constinit const CommandSpec kAppCommand = {
    .name = "app",
    .synopsis = "[command]",
    .summary = "Operate on the apps of a running pod",
    .description =
        R"(Adds apps to a pod that runs, starts, stops and removes them, one by one.

"rkt app sandbox" runs such a pod, at first without apps. What becomes of an app
does not concern the pod: it runs until it is stopped.)",
    .children = kChildren,
};

constinit const CommandSpec kAppStartCommand = {
    .name = "start",
    .synopsis = "UUID --app=APPNAME",
    .summary = "Start an app of a running pod",
    .description = R"(Starts an app that was added to the pod, or starts it again where it has ended.
Nothing happens where it is running.)",
    .flags = kNamedAppGroups,
    .run = RunOperation<stage0::StartApp>,
    .completes = Completion::kRunningPods,
};

constinit const CommandSpec kAppStopCommand = {
    .name = "stop",
    .synopsis = "UUID --app=APPNAME",
    .summary = "Stop an app of a running pod",
    .description =
        R"(Asks all processes of the app to end and waits until they have. Where they take
longer than 90 seconds (or what the app's annotation
coreos.com/rkt/stage2/stop-timeout says), they are killed.)",
    .flags = kNamedAppGroups,
    .run = RunOperation<stage0::StopApp>,
    .completes = Completion::kRunningPods,
};

constinit const CommandSpec kAppRmCommand = {
    .name = "rm",
    .synopsis = "UUID --app=APPNAME",
    .summary = "Remove an app from a pod",
    .description =
        R"(Removes the app with its files, its log and its own empty volumes. An app that is
running is stopped first. The pod may have exited.)",
    .flags = kNamedAppGroups,
    .run = RunOperation<stage0::RemoveApp>,
    .completes = Completion::kPods,
};

constinit const CommandSpec kAppExecCommand = {
    .name = "exec",
    .synopsis = "[--app=APPNAME] [--user=USER] [--group=GROUP] [--privileged] UUID [CMD [ARGS ...]]",
    .summary = "Run a command in an app of a running pod",
    .description = R"(Does what "rkt enter" does.)",
    .flags = kEnterFlags,
    .run = RunEnter,
    .completes = Completion::kRunningPods,
    .first_word_ends_flags = true,
    .needs_root = true,
};

constinit const CommandSpec kAppListCommand = {
    .name = "list",
    .synopsis = "UUID",
    .summary = "List the apps of a pod",
    .description =
        R"(Prints the names of the apps and whether each was added only (created), is running,
or has exited. An app that is being added or removed at the moment is unknown.)",
    .flags = kListGroups,
    .run = RunList,
    .completes = Completion::kPods,
};

constinit const CommandSpec kAppStatusCommand = {
    .name = "status",
    .synopsis = "UUID --app=APPNAME",
    .summary = "Print the state of an app",
    .description = R"(Prints the state of the app, its times, its exit code where it has ended, and what
it was made of.)",
    .flags = kStatusGroups,
    .run = RunStatus,
    .completes = Completion::kPods,
};

}  // namespace rkt::cli
