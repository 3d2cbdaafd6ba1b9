// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The pod's one app, read from the pod's directory, which is the working directory of every entry
// point.

#include <string>

#include "appc/image_manifest.h"
#include "appc/pod_manifest.h"
#include "base/result.h"
#include "stage1/common/identity.h"

namespace rkt::fly {

struct FlyApp {
  appc::PodManifest pod;
  appc::ImageManifest image;
  const appc::RuntimeApp* app() const { return &pod.apps[0]; }
  // What is run: the pod's word, else the image's.
  appc::App section;
};
// kUnsupported where the pod has several apps.
Result<FlyApp> ReadApp();

// User, group and supplementary groups, looked up in the app's root.
Result<stage1::Identity> AppIdentity(int root, const FlyApp& app);

// Where stage1's root can be written, relative to the pod: its mount while it is there, else the
// upper directory.
Result<std::string> Stage1Dir();

}  // namespace rkt::fly
