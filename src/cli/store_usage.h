// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// What pods need of the store. A pod needs its images and trees until it is garbage; of garbage only the trees are needed,
// with which it is taken down.

#include "base/result.h"
#include "store/check.h"
#include "store/store.h"

namespace rkt::cli {

// Pods that are being removed need nothing. A pod that should name a tree and does not makes it an error: what it needs
// is not known then, and nothing may be removed.
Result<store::StoreUsage> FindStoreUsage(const store::Store& store);

}  // namespace rkt::cli
