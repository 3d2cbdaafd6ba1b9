// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The root file system of an app from outside, for taking things out and putting things in.

#include <optional>
#include <string>

#include "base/user_namespace.h"
#include "pod/pod.h"
#include "store/store.h"

namespace rkt::stage0 {

// The name itself, or the pod's only app where it is empty. kNotFound: there is no such app; kInvalid with an empty
// name: there are several.
Result<std::string> FindApp(const pod::Pod& pod, const std::string& app);

struct AppRoot {
  Fd directory;                  // the root
  std::optional<IdRange> users;  // its files belong to these ids of the host; nothing: they have the app's own
};
// The root of an app of an exited pod, as the app left it. Overlays are mounted, seen by nobody else, for as long as
// the descriptor lives. `writable`: nobody else may do the same meanwhile.
Result<AppRoot> OpenExitedRoot(const store::Store& store, const pod::Pod& pod, const std::string& app, bool writable);
// The root of an app of a running pod as the app sees it, with its volumes; where the app has ended already, without
// them. Whatever stage1 runs it. kNotFound: the pod has ended.
Result<AppRoot> OpenRunningRoot(pod::Pod& pod, const std::string& app);

}  // namespace rkt::stage0
