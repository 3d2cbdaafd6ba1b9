// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Copies a directory with all that makes up an image's tree: owners, modes, times, links, devices, attributes. Links
// are copied, never followed. Needs root.

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace rkt {

// What is in `from` into `to`, which gets its owner, mode and time too. Entries must not be there yet.
Status CopyDirectory(int from, int to);

// What the first directory has of owner, mode, times and extended attributes.
Status CopyDirectoryAttributes(int from, int to);
// The same where `st` is known to be that of `from`, a directory or file.
Status CopyAttributes(int from, int to, const struct stat& st);

// All bytes from the begin of one file to the begin of another, by sharing extents where the file system can.
Status CopyFileData(int from, int to);

// Whether an extended attribute is kept: file capabilities and user.*.
bool IsKeptXattr(std::string_view name);

// One copy of a tree, entry by entry; knows which files are names of one and links them in the copy too. `path` is the
// entry's, below the directory that is copied to.
class TreeCopier {
 public:
  explicit TreeCopier(int top) : top_(top) {}
  Status Directory(int from, int to, const std::string& path, int depth);
  Status Entry(int from, int to, const std::string& name, const std::string& path, int depth);

  static constexpr int kMaxDepth = 2048;

 private:
  Status File(int from, int to, const std::string& name, const struct stat& st);

  int top_;
  // Files with several names, to the first one copied (relative to the top).
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace rkt
