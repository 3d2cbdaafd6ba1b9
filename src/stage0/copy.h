// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Files into and out of the apps of running and exited pods (docs/copying.md). No program of the pod is executed, and no
// path leads out of the app's root, whatever its links say and whoever changes them meanwhile.

#include <functional>
#include <string>

#include "base/result.h"

namespace rkt::stage0 {

struct CopyOptions {
  std::string data_dir;
  std::string uuid;
  std::string app;          // checked to be one of the pod's
  std::string inside;       // absolute path in the app's root
  std::string outside;      // path on the host; "-": an archive on standard input or output
  bool archive = false;     // owners, set-id bits, attributes and devices too
  bool follow = false;      // a link that the source is: what it leads to
  std::function<void(const std::string&)> notice;
};
// kInvalid: a pod that neither runs nor has exited, a target that cannot take the source; kNotFound; kBusy: somebody works
// on the pod.
Status CopyIn(const CopyOptions& options);
Status CopyOut(const CopyOptions& options);

}  // namespace rkt::stage0
