// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Apps that come to and go from a pod that runs (a mutable one), and attaching to the streams of an app. Who adds or
// removes holds POD/pod.lck; an operation that was killed half-way is undone by the next one.

#include <string>

#include "appc/pod_manifest.h"
#include "base/result.h"
#include "store/store.h"

namespace rkt::stage0 {

// Which app of which pod; `uuid` is whole.
struct AppTarget {
  std::string data_dir;
  std::string uuid;
  std::string app;
  bool debug = false;
};

// All of these: kInvalid for an immutable pod, one that does not run, one whose supervisor is not ready yet; kNotFound for
// an unknown app; kUnsupported where stage1 has no such entry points.

// Adds an app made of the image `image_key`, which is in the store. It does not run yet. Whatever fails leaves the pod as
// it was.
Status AddApp(store::Store& store, const AppTarget& target, const appc::RuntimeApp& app,
              const std::string& image_key);
// Starts it, again where it has ended. One that runs goes on running.
Status StartApp(const AppTarget& target);
// Ends it and waits for that. kBusy: it is not running.
Status StopApp(const AppTarget& target);
// Removes it, stopping it first where it runs. Works on pods that have exited too.
Status RemoveApp(const AppTarget& target);

struct AttachOptions {
  enum class Action { kList, kAuto, kCustom };
  Action action = Action::kAuto;
  bool tty_in = false, tty_out = false;  // for kCustom
  bool standard_in = false, standard_out = false, standard_err = false;
};
// Becomes stage1's attach. Of any running pod; returns only where it failed.
Status Attach(const AppTarget& target, const AttachOptions& options);

}  // namespace rkt::stage0
