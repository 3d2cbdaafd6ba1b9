// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod's networks between the two processes of a pod: the one outside sets them up while pid 1 makes the mounts;
// then it says a word to pid 1, which starts the apps.

#include <sys/types.h>

#include "appc/pod_manifest.h"
#include "base/result.h"
#include "network/pod_network.h"
#include "stage1/native/options.h"
#include "stage1/native/plan.h"

namespace rkt::native {

// What the apps' files come from.
struct NetworkWord {
  bool resolv_conf = false;  // S1/etc/rkt-resolv.conf was written: a network gave DNS servers
  bool hosts = false;        // POD/net/hosts is the apps' /etc/hosts: the pod is in a named network
  char metadata_url[192] = "";  // AC_METADATA_URL of the apps; empty: none
};

// Checks everything that can be refused before the pod is cloned. `pod_path` is POD, absolute.
Result<network::NetworkPlan> PlanNetwork(const PodPlan& plan, const appc::PodManifest& manifest,
                                         const RunOptions& options, const std::string& pod_path, int pod_dir);

// With the host's stack nobody waits for a word: tells the metadata service where a registered pod is, before the
// pod is cloned.
Status AnnounceHostPod(const RunOptions& options, int pod_dir, PodPlan& plan);
// Outside: sets up for the pod whose pid 1 this is, and sends the word. What can be read from `interrupt` ends it
// (network::SetUpNetworks).
Status SetUpNetwork(const network::NetworkPlan& network, const RunOptions& options, pid_t pod, int pod_dir,
                    int word, int interrupt);
// In pid 1, with S1 as the working directory and the host's mounts still there: waits, and shows the apps the files.
Status AwaitNetwork(int word, const std::string& pod_path, PodPlan& plan);

// The app gets to see a file that AwaitNetwork has noted in the plan, before the user's own mounts.
void ShowNetworkFile(AppPlan& app, const PodPlan::NetworkFile& file);

// Takes everything back, at the pod's end and again by gc. `by_owner`: TearDownRequest.
Status TearDownNetwork(const std::string& uuid, const std::string& pod_path, const std::string& local_config, bool by_owner);

}  // namespace rkt::native
