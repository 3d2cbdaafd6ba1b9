// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Whole files and directories: read, write, replace atomically, remove trees, list. Paths are relative to a
// directory descriptor (AT_FDCWD for the working directory), so that nothing can be swapped on the way.

#include <dirent.h>
#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

// The content of a file; refuses more than `limit` bytes (kInvalid) so that no input can fill the memory.
Result<std::string> ReadFd(int fd, size_t limit = 64u << 20);
Result<std::string> ReadFileAt(int dir, const std::string& path, size_t limit = 64u << 20);
inline Result<std::string> ReadFile(const std::string& path, size_t limit = 64u << 20) {
  return ReadFileAt(AT_FDCWD, path, limit);
}
// All bytes, through short writes and EINTR.
Status WriteAll(int fd, std::string_view data);
// Creates (O_EXCL unless `overwrite`) and writes; a failed write unlinks what it created.
Status WriteFileAt(int dir, const std::string& path, std::string_view data, mode_t mode,
                   bool overwrite = false);
// Replaces `path` by rename of a temporary name in the same directory: readers see the old or the new whole.
// The mode is set exactly (no umask). `durable` also syncs the file before the rename.
Status WriteFileAtomicAt(int dir, const std::string& path, std::string_view data, mode_t mode,
                         bool durable = false);

Status MakeDirAt(int dir, const std::string& path, mode_t mode);  // existing directory is fine
Status MakeDirs(const std::string& path, mode_t mode);            // with parents
bool ExistsAt(int dir, const std::string& path);                  // does not follow a last symlink
inline bool Exists(const std::string& path) { return ExistsAt(AT_FDCWD, path); }
Result<struct stat> StatAt(int dir, const std::string& path, bool follow = false);

// Names in a directory without "." and "..", unsorted. `type` is d_type (DT_UNKNOWN where the file system says so).
struct DirEntry {
  std::string name;
  unsigned char type;
};
Result<std::vector<DirEntry>> ListDirFd(int dir);
Result<std::vector<DirEntry>> ListDirAt(int dir, const std::string& path);

// Removes a tree without following links and without crossing into another mount (EBUSY/EXDEV are errors there).
// A missing path is success. Goes on past failures and reports the first.
Status RemoveTreeAt(int dir, const std::string& path);
Status UnlinkAt(int dir, const std::string& path);  // a missing file is success

Status RenameAt(int from_dir, const std::string& from, int to_dir, const std::string& to,
                bool no_replace = false);
Status SyncFs(int fd);

}  // namespace rkt
