// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The metadata service as stage1 sees it: the pod's addresses are told to it, and the URL under which the apps find it
// is kept in the pod's runtime-config, so that apps that are added or entered later have it too.

#include <string>
#include <vector>

#include "appc/pod_manifest.h"
#include "base/result.h"

namespace rkt::stage1 {

// Tells the service where the registered pod is and returns AC_METADATA_URL. Addresses: those that the pod sends from;
// none where it shares the host's stack. `host`: the host's address that it reaches.
Result<std::string> AnnouncePod(int pod_dir, const std::string& uuid, const std::string& token,
                                const std::vector<std::string>& addresses, const std::string& host);
// kBusy: one of the ports would lead what other pods say to the metadata service to this pod.
Status CheckServicePort(const std::vector<appc::ForwardedPort>& ports);
// The pod has ended. A service that is not there is none of its concern.
void ForgetPod(const std::string& uuid);
// Sets the variable in a finished environment.
void SetMetadataUrl(std::vector<std::string>& environment, const std::string& url);

}  // namespace rkt::stage1
