// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

namespace judge {

// For so many seconds looks for processes that come into the pod, and opens the memory of each one for writing. Says
// `by_call`: also by the system calls that need no file. Says
// "caught" of the first that lets it before it is a program of the pod's.
int Hunt(double seconds, bool by_call);

}  // namespace judge
