// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What pods there are and how they are: values for `list`, `status` and their JSON forms. Nothing
// is locked beyond the moment and nothing is changed.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pod/pod.h"
#include "pod/summary.h"

namespace rkt::stage0 {

// One row of net-info.json.
struct NetworkStatus {
  std::string net_name, net_conf, plugin_path, if_name, ip, args, mask;
};

struct AppStatus {
  const char* state = "unknown";  // created, running, exited, unknown
  pod::AppSummary summary;        // name, image, mounts, labels
  std::optional<int64_t> created_ns, started_ns, finished_ns;
  std::optional<int> exit_code;
};

struct PodStatus {
  std::string uuid;
  pod::State state = pod::State::kEmbryo;
  std::optional<int64_t> created_ns;    // nothing while preparing
  std::optional<int64_t> started_ns;    // nothing until started
  std::optional<int64_t> marked_ns;     // when gc marked it; nothing before
  std::optional<int> pid;               // as `status` prints it; GetPodStatus only
  std::vector<NetworkStatus> networks;  // of running and exited pods
  std::vector<AppStatus> apps;          // empty where preparing has not come so far
  bool is_mutable = false;
  pod::KeyValues user_annotations, user_labels;
};

struct ListOptions {
  std::string data_dir;
  bool details = false;  // also times and exit codes of the apps, for JSON
};

struct ListResult {
  std::vector<PodStatus> pods;       // by UUID; neither embryo nor garbage
  std::vector<Error> errors;         // one a damaged pod: it is listed with what could be read
  std::vector<std::string> notices;  // entries that are no pods: unrecognized entry: "x", ignoring
};

// All pods.
Result<ListResult> ListPods(const ListOptions& options);
// One pod, with details. `uuid` is a whole UUID.
Result<PodStatus> GetPodStatus(const std::string& data_dir, const std::string& uuid);

// Waits until the stage1 of a running pod has said which process the pod is, or the pod does not run (any more). Times and
// errors as below.
Status WaitStarted(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns);
// Waits until the pod is ready (its supervisor says so), or has exited. `timeout_ns` negative: for
// ever. kBusy where the time is over ("context deadline exceeded"); kNotFound where the pod
// vanished.
Status WaitReady(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns);
Status WaitExited(const std::string& data_dir, const std::string& uuid, int64_t timeout_ns);

// The bytes of the pod's manifest.
Result<std::string> ReadPodManifest(const std::string& data_dir, const std::string& uuid);

}  // namespace rkt::stage0
