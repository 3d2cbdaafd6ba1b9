// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "cli/pod_output.h"

#include <unistd.h>

#include "appc/names.h"
#include "base/duration.h"
#include "base/file.h"
#include "base/log.h"

namespace rkt::cli {

namespace {

json::Value Pairs(const pod::KeyValues& pairs) {
  json::Value object = json::Value::Object();
  for (const auto& [name, value] : pairs) object.Set(name, value);
  return object;
}

json::Value NetworksJson(const std::vector<stage0::NetworkStatus>& networks) {
  json::Value array = json::Value::Array();
  for (const stage0::NetworkStatus& network : networks) {
    json::Value& entry = array.Append(json::Value::Object());
    entry.Set("netName", network.net_name);
    entry.Set("netConf", network.net_conf);
    entry.Set("pluginPath", network.plugin_path);
    entry.Set("ifName", network.if_name);
    entry.Set("ip", network.ip);
    entry.Set("args", network.args);
    entry.Set("mask", network.mask);
  }
  return array;
}

}  // namespace

json::Value AppJson(const stage0::AppStatus& app) {
  json::Value object = json::Value::Object();
  object.Set("name", app.summary.name);
  object.Set("state", app.state);
  if (app.created_ns) object.Set("created_at", *app.created_ns);
  if (app.started_ns) object.Set("started_at", *app.started_ns);
  if (app.finished_ns) object.Set("finished_at", *app.finished_ns);
  if (app.exit_code) object.Set("exit_code", *app.exit_code);
  object.Set("image_id", app.summary.image_id);
  if (!app.summary.mounts.empty()) {
    json::Value mounts = json::Value::Array();
    for (const pod::MountSummary& mount : app.summary.mounts) {
      json::Value& entry = mounts.Append(json::Value::Object());
      entry.Set("name", mount.name);
      entry.Set("container_path", mount.container_path);
      entry.Set("host_path", mount.host_path);
      entry.Set("read_only", mount.read_only);
    }
    object.Set("mounts", std::move(mounts));
  }
  if (!app.summary.user_annotations.empty()) {
    object.Set("user_annotations", Pairs(app.summary.user_annotations));
  }
  if (!app.summary.user_labels.empty()) object.Set("user_labels", Pairs(app.summary.user_labels));
  return object;
}

Status CheckFormat(Invocation&, const FlagSpec&, std::string_view value) {
  if (value.empty() || value == "json" || value == "json-pretty") return {};
  return Err(Code::kInvalid, "Invalid format option: ", value);
}

void PrintJson(const json::Value& value, std::string_view format) {
  PrintLine(format == "json" ? json::Write(value) : json::WriteIndented(value));
}

Result<json::Value> PodJson(const stage0::PodStatus& pod) {
  if (!pod.created_ns || *pod.created_ns < kSecond) {
    return Err(Code::kInvalid, "invalid creation time");
  }
  json::Value object = json::Value::Object();
  object.Set("name", pod.uuid);
  object.Set("state", pod::StateName(pod.state));
  if (!pod.networks.empty()) object.Set("networks", NetworksJson(pod.networks));
  if (!pod.apps.empty()) {
    json::Value names = json::Value::Array();
    json::Value apps = json::Value::Array();
    for (const stage0::AppStatus& app : pod.apps) {
      names.Append(app.summary.name);
      apps.Append(AppJson(app));
    }
    object.Set("app_names", std::move(names));
    object.Set("apps", std::move(apps));
  }
  // Pods count in seconds, apps in nanoseconds.
  object.Set("created_at", *pod.created_ns / kSecond);
  if (pod.started_ns) object.Set("started_at", *pod.started_ns / kSecond);
  if (!pod.user_annotations.empty()) object.Set("user_annotations", Pairs(pod.user_annotations));
  if (!pod.user_labels.empty()) object.Set("user_labels", Pairs(pod.user_labels));
  return object;
}

std::string NetworksText(const std::vector<stage0::NetworkStatus>& networks) {
  std::string text;
  for (const stage0::NetworkStatus& network : networks) {
    if (!text.empty()) text += ", ";
    text += StrCat(network.net_name, ":ip4=", network.ip);
  }
  return TerminalSafe(text);
}

void PrintListingErrors(const std::vector<std::string>& errors, std::string_view listing) {
  if (errors.empty()) return;
  constexpr std::string_view kRule = "----------------------------------------";
  Notice("", StrCat(errors.size(), " error(s) encountered when listing ", listing, ":"));
  Notice("", kRule);
  for (const std::string& error : errors) {
    Notice("", error);
    Notice("", kRule);
  }
  Notice("", "misc:");
  Notice("", StrCat("  rkt's appc version: ", appc::kSpecVersion));
  (void)WriteAll(STDERR_FILENO, "\n");
}

}  // namespace rkt::cli
