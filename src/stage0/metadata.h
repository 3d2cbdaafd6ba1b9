// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Registering pods with the metadata service.

#include <string>

#include "base/result.h"
#include "pod/pod.h"

namespace rkt::stage0 {

// Registers a pod that is about to run as `run_path`, with the image manifests of its apps. Says on
// standard error what to do where no service answers.
Status RegisterPod(const pod::Pod& pod, const std::string& run_path, const std::string& token);
// An app that came to a running pod; nothing where the pod is not registered.
Status RegisterAddedApp(const pod::Pod& pod, const std::string& app);
// After an app has left a running pod; nothing where the pod is not registered. A service that does not run now reads the
// manifest when it is started.
Status RegisterRemovedApp(const pod::Pod& pod);
// Nothing where the pod is not registered.
Status UnregisterPod(const pod::Pod& pod);

}  // namespace rkt::stage0
