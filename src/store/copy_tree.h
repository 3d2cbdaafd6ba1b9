// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Copies a directory with all that the tree store keeps: owners, modes, times, links, devices, attributes.

#include <cstdint>

#include "base/result.h"

namespace rkt::store {

// What is in `from` into `to`, which gets its owner, mode and time too. Needs root. Entries must not be there yet.
Status CopyDirectory(int from, int to);

// What the first directory has of owner, mode, times and extended attributes.
Status CopyDirectoryAttributes(int from, int to);

// All bytes from the begin of one file to the begin of another, by sharing extents where the file system can.
Status CopyFileData(int from, int to);

}  // namespace rkt::store
