// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// rkt list

#include "base/duration.h"
#include "base/log.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/pod_output.h"
#include "cli/settings.h"

namespace rkt::cli {

namespace {

constexpr FlagSpec kOwnFlags[] = {
    ValueFlag("format", "print json or json-pretty instead of a table", CheckFormat),
    BoolFlag("full", "print whole UUIDs and times, and the images' IDs"),
    BoolFlag("no-legend", "leave out the line with the columns' names"),
};
constexpr FlagGroup kFlags = kOwnFlags;
constexpr const FlagGroup* kGroups[] = {&kFlags};

// One row an app; what describes the pod stands in its first row only.
void AddRows(Table& table, const stage0::PodStatus& pod, bool full, int64_t now) {
  std::string uuid = full ? pod.uuid : pod.uuid.substr(0, 8);
  std::string state = pod::StateName(pod.state);
  std::string networks = NetworksText(pod.networks);
  std::string created, started;
  if (full) {
    created = pod.created_ns ? LongTime(*pod.created_ns) : std::string(kNoTime);
    if (pod.started_ns) started = LongTime(*pod.started_ns);
  } else {
    created = pod.created_ns ? ShortTime(*pod.created_ns, now) : "a long while ago";
    if (pod.started_ns) started = ShortTime(*pod.started_ns, now);
  }
  auto add = [&](std::string app, std::string image, std::string id) {
    std::vector<std::string> row = {uuid, TerminalSafe(app), TerminalSafe(image)};
    if (full) row.push_back(TerminalSafe(id));
    row.insert(row.end(), {state, created, started, networks});
    table.AddRow(row);
    uuid = state = created = started = networks = "";
  };
  if (pod.apps.empty()) add("-", "-", "-");
  for (const stage0::AppStatus& app : pod.apps) {
    constexpr size_t kShortId = 19;  // sha512- and 12 digits
    add(app.summary.name, app.summary.image_name.empty() ? "--" : app.summary.image_name,
        app.summary.image_id.substr(0, kShortId));
  }
}

int Run(Invocation& invocation) {
  std::string_view format = invocation.Text("format");
  const bool full = invocation.Bool("full");
  auto data_dir = DataDir(invocation);
  if (!data_dir) return Fail(data_dir.error());
  auto listed = stage0::ListPods({.data_dir = *data_dir, .details = !format.empty()});
  if (!listed) return Fail("failed to get pod handles", std::move(listed).error());
  for (const std::string& notice : listed->notices) Notice("", TerminalSafe(notice));

  std::vector<std::string> errors;
  for (const Error& error : listed->errors) errors.push_back(TerminalSafe(error.Text()));
  if (format.empty()) {
    Table table;
    if (!invocation.Bool("no-legend")) {
      if (full) {
        table.AddRow(
            {"UUID", "APP", "IMAGE NAME", "IMAGE ID", "STATE", "CREATED", "STARTED", "NETWORKS"});
      } else {
        table.AddRow({"UUID", "APP", "IMAGE NAME", "STATE", "CREATED", "STARTED", "NETWORKS"});
      }
    }
    const int64_t now = NowNs();
    for (const stage0::PodStatus& pod : listed->pods) {
      AddRows(table, pod, full, now);
      for (const stage0::AppStatus& app : pod.apps) {
        if (!app.summary.image_name.empty()) continue;
        errors.push_back(StrCat("pod ", pod.uuid, " ImageManifest of app ",
                                TerminalSafe(app.summary.name), " could not be loaded"));
      }
    }
    Print(table.Text());
  } else {
    json::Value pods;  // null where there is no pod
    std::string text;  // the same without line breaks, written pod by pod: there may be many thousands
    for (const stage0::PodStatus& pod : listed->pods) {
      auto object = PodJson(pod);
      if (!object) {
        errors.push_back(object.error().Text());
      } else if (format == "json") {
        text += text.empty() ? '[' : ',';
        text += json::Write(*object);
      } else {
        pods.Append(*std::move(object));
      }
    }
    if (text.empty()) {
      PrintJson(pods, format);
    } else {
      PrintLine(text + "]");
    }
  }
  PrintListingErrors(errors, "pods");
  return 0;
}

}  // namespace

constinit const CommandSpec kListCommand = {
    .name = "list",
    .summary = "List pods",
    .description =
        R"(Prints a table of the pods with their apps, by UUID: what they are made of, their
state, when they were made and started, and their networks.)",
    .flags = kGroups,
    .run = Run,
};

}  // namespace rkt::cli
