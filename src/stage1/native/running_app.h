// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What the supervisor writes down of a running app for those who enter it (dev/pid-APP of the pod's root, which no app
// can reach): its process and who it was started as. What the image's own files say of its user may have changed since.
//
//   PID UID GID GROUP,GROUP...

#include <string>
#include <string_view>

#include "base/result.h"
#include "stage1/common/identity.h"

namespace rkt::native {

struct RunningApp {
  int pid = 0;                   // in the pod's pid namespace
  stage1::Identity identity;     // in the pod's user namespace
};

inline std::string RunningAppFile(std::string_view app) { return StrCat("dev/pid-", app); }
std::string RunningText(int pid, const stage1::Identity& identity);
// kCorrupt where the text is none of ours.
Result<RunningApp> ParseRunning(std::string_view text);

}  // namespace rkt::native
