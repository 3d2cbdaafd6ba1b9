// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// An app of an exited pod as an image: its image's manifest, and its root as the app left it.

#include <string>

#include "base/result.h"

namespace rkt::stage0 {

struct ExportOptions {
  std::string data_dir;
  std::string uuid;
  std::string app;     // checked to be one of the pod's
  std::string output;  // FILE.aci
  bool overwrite = false;
};
// The file is there whole or not at all. kInvalid: another extension, or a pod that has not exited; kExists: the file is
// there; kBusy: somebody works on the pod.
Status Export(const ExportOptions& options);

}  // namespace rkt::stage0
