// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Writes the entries of an image beneath a directory, whatever the archive says: every path is resolved with the
// directory as its root (openat2), the last component is never followed, an entry takes the place of what was there.
// As root: owners, modes, modification times, devices, fifos; of extended attributes security.capability and user.*.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/copy_tree.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/tar.h"

namespace rkt::store {

// Whether an extended attribute of an archive is put on its file.
using rkt::IsKeptXattr;

class Extractor {
 public:
  // The directory should be new: what is in it is replaced where an entry has its name. The process's umask is 0 as
  // long as any of these lives, so that files need no chmod of their own.
  explicit Extractor(Fd root);
  ~Extractor();
  Extractor(const Extractor&) = delete;
  Extractor& operator=(const Extractor&) = delete;

  // Puts one entry at `path` (cleaned, relative to the root, empty for the root itself), reading its data from `reader`.
  // `link_path` is the target of a hard link, cleaned in the same way. Missing parents are made. Errors name the entry.
  Status Put(const std::string& path, const TarEntry& entry, const std::string& link_path, TarReader& reader);
  // Owners, modes and times of directories, which wait until nothing is written into them any more.
  Status Finish();
  // Bytes of the files written.
  uint64_t bytes() const { return bytes_; }

 private:
  struct PendingDirectory {
    std::string path;
    uint32_t mode, uid, gid;
    int64_t mtime;
    uint32_t mtime_ns;
    std::vector<std::pair<std::string, std::string>> xattrs;
  };

  Result<int> Parent(const std::string& parent);
  Status MakeParents(const std::string& parent);
  Status Replace(int parent, const std::string& base, const std::string& path);
  Status PutFile(int parent, const std::string& base, const std::string& path, const TarEntry& entry,
                 TarReader& reader);
  Status PutDirectory(int parent, const std::string& base, const std::string& path, const TarEntry& entry);
  Status PutLink(int parent, const std::string& base, const std::string& path, const std::string& target);
  Status PutSpecial(int parent, const std::string& base, const std::string& path, const TarEntry& entry);
  Status AddPending(const std::string& path, const TarEntry& entry);

  Fd root_;
  Fd parent_;  // the last parent directory, since entries of one directory mostly follow each other
  std::string parent_path_;
  bool has_parent_ = false;
  uint64_t bytes_ = 0;
  size_t pending_bytes_ = 0;
  std::vector<PendingDirectory> pending_;
};

}  // namespace rkt::store
