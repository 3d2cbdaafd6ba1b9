// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/list.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/json.h"
#include "pod/paths.h"

namespace rkt::stage0 {
namespace {

using pod::State;

const std::vector<pod::Stage> kListed = {pod::Stage::kPrepare, pod::Stage::kPrepared,
                                         pod::Stage::kRun, pod::Stage::kExitedGarbage};

std::string TextOf(const json::Value& object, std::string_view key) {
  const json::Value* value = object.Find(key);
  return value && value->is_string() ? value->text() : "";
}

Result<std::vector<NetworkStatus>> ReadNetworks(const pod::Pod& pod) {
  std::vector<NetworkStatus> networks;
  // Most pods without networks have a file that says "null": its size tells.
  struct stat st;
  if (::fstatat(pod.fd(), pod::kNetInfoFile, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
      (S_ISREG(st.st_mode) && st.st_size <= static_cast<off_t>(sizeof "null"))) {
    return networks;
  }
  auto text = pod.ReadFile(pod::kNetInfoFile, 1 << 20);
  if (!text) {
    if (text.error().code() == Code::kNotFound) return networks;
    return std::move(text).error();
  }
  json::Value root = TRY_CTX(json::Parse(*text), pod.path(), "/", pod::kNetInfoFile, " is damaged");
  if (!root.is_array()) return networks;  // null where there are none
  for (const json::Value& item : root.items()) {
    networks.push_back({TextOf(item, "netName"), TextOf(item, "netConf"),
                        TextOf(item, "pluginPath"), TextOf(item, "ifName"), TextOf(item, "ip"),
                        TextOf(item, "args"), TextOf(item, "mask")});
  }
  return networks;
}

const char* AppStateName(State state) {
  switch (state) {
    case State::kPreparing:
    case State::kAbortedPrepare:
    case State::kPrepared:
      return "created";
    case State::kRunning:
      return "running";
    case State::kExited:
    case State::kExitedDeleting:
    case State::kExitedGarbage:
      return "exited";
    default:
      return "unknown";
  }
}

// What the files say of an app that was added to a mutable pod; nothing of others.
void ReadAppFiles(const pod::Pod& pod, const std::string& stage1_dir, AppStatus* row) {
  auto time = [&](const std::string& file) {
    return pod.ModifiedNs(StrCat(stage1_dir, "/", file).c_str());
  };
  const std::string& name = row->summary.name;
  row->created_ns = time(pod::AppCreatedFile(name));
  row->started_ns = time(pod::AppStartedFile(name));
  row->finished_ns = time(pod::AppStatusFile(name));
  row->exit_code = pod.AppExitCode(stage1_dir, name);
  if (row->exit_code) {
    row->state = "exited";
  } else if (row->started_ns) {
    row->state = pod.state() == State::kRunning ? "running" : "exited";
  } else {
    row->state = row->created_ns ? "created" : "unknown";
  }
}

// Everything but apps needs no manifest, so a damaged pod still has a row. The first damage is
// reported.
PodStatus ReadStatus(const pod::Pod& pod, bool details, std::vector<Error>* errors) {
  PodStatus status;
  status.uuid = pod.uuid();
  status.state = pod.state();
  status.created_ns = pod.created_ns();
  status.started_ns = pod.started_ns();
  if (pod.stage() == pod::Stage::kExitedGarbage) status.marked_ns = pod.ChangedNs(".");
  if (pod.stage() == pod::Stage::kRun) {
    auto networks = ReadNetworks(pod);
    if (networks) {
      status.networks = *std::move(networks);
    } else {
      errors->push_back(std::move(networks).error());
    }
  }
  auto summary = pod.ReadSummary();
  if (!summary) {
    // A pod that is being prepared may not have come so far, and one that moved on was not damaged.
    bool expected = pod.stage() == pod::Stage::kPrepare || pod.HasMoved();
    if (!expected) errors->push_back(std::move(summary).error());
    return status;
  }
  for (pod::AppSummary& app : summary->apps) {
    AppStatus& row = status.apps.emplace_back();
    row.state = AppStateName(status.state);
    if (details) {
      row.created_ns = status.created_ns;
      row.started_ns = status.started_ns;
      row.finished_ns = status.marked_ns;
      if (pod.stage() >= pod::Stage::kRun) {
        row.exit_code = pod.AppExitCode(summary->stage1_dir, app.name);
      }
    }
    row.summary = std::move(app);
    if (details && summary->is_mutable && pod.stage() >= pod::Stage::kRun) {
      ReadAppFiles(pod, summary->stage1_dir, &row);
    }
  }
  status.is_mutable = summary->is_mutable;
  status.user_annotations = std::move(summary->user_annotations);
  status.user_labels = std::move(summary->user_labels);
  return status;
}

}  // namespace

Result<ListResult> ListPods(const ListOptions& options) {
  pod::Pods pods = TRY(pod::Pods::Open(options.data_dir));
  ListResult result;
  TRY(pods.ForEach(
      kListed,
      [&](pod::Pod& pod) -> Status {
        result.pods.push_back(ReadStatus(pod, options.details, &result.errors));
        return {};
      },
      [&](const std::string& notice) { result.notices.push_back(notice); }));
  // A pod that moved on while the directories were read may have been met twice: the later place
  // counts.
  std::stable_sort(result.pods.begin(), result.pods.end(),
                   [](const PodStatus& a, const PodStatus& b) { return a.uuid < b.uuid; });
  auto repeated = [&](size_t i) {
    return i + 1 < result.pods.size() && result.pods[i].uuid == result.pods[i + 1].uuid;
  };
  size_t kept = 0;
  for (size_t i = 0; i < result.pods.size(); ++i) {
    if (repeated(i)) continue;
    if (kept != i) result.pods[kept] = std::move(result.pods[i]);
    ++kept;
  }
  result.pods.resize(kept);
  return result;
}

Result<PodStatus> GetPodStatus(const std::string& data_dir, const std::string& uuid) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  std::vector<Error> errors;
  PodStatus status = ReadStatus(pod, /*details=*/true, &errors);
  if (!errors.empty()) return std::move(errors.front());
  if (pod.state() == State::kRunning) {
    if (auto pid = pod.ContainerPid()) status.pid = *pid;
  } else if (pod.stage() >= pod::Stage::kRun) {
    status.pid = pod.RecordedPid();
  }
  return status;
}

Result<std::string> ReadPodManifest(const std::string& data_dir, const std::string& uuid) {
  pod::Pods pods = TRY(pod::Pods::Open(data_dir));
  pod::Pod pod = TRY(pods.Get(uuid));
  return pod.ReadManifestBytes();
}

}  // namespace rkt::stage0
