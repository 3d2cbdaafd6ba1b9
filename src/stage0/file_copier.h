// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Copies files between two trees of which one may be in the hands of somebody hostile who works on it at the same time:
// an app. Everything goes by descriptor: a name is looked up once, what was found is looked at and only then opened, and
// links are never followed. A file appears under its name when it is whole.

#include <sys/stat.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "base/tar.h"
#include "base/user_namespace.h"

namespace rkt::stage0 {

struct CopyPolicy {
  // Owners are kept, with set-id bits, extended attributes (user.*) and devices. Otherwise files belong to `owner`, and
  // come without these.
  bool archive = false;
  std::pair<uint32_t, uint32_t> owner{0, 0};  // as the target's file system has them
  bool keep_set_id = false;                   // even without `archive`
  // The ids of the host that the source's and the target's owners are; nothing: they are what they say.
  std::optional<IdRange> source_users, target_users;
  std::function<void(const std::string&)> notice;  // what is left out
};

class FileCopier {
 public:
  explicit FileCopier(CopyPolicy policy) : policy_(std::move(policy)) {}

  // What an O_PATH descriptor stands for, as `name` in a directory. A directory that is there is added to; of anything
  // else the place is taken. `shown` is for messages.
  Status Entry(int source, int target, const std::string& name, const std::string& shown);
  // What is in a directory into another one.
  Status Contents(int source, int target, const std::string& shown);
  // The entries of an archive, below the directory `path` of a root: names are resolved as a process with that root
  // would, so that nothing lies outside of it.
  Status Archive(TarReader& reader, int root, const std::string& path);

 private:
  struct Attributes {
    mode_t mode;
    uint32_t uid, gid;
    timespec modified;
  };
  Result<Attributes> AttributesOf(const struct stat& st, const std::string& shown) const;
  Result<Attributes> AttributesOf(const TarEntry& entry) const;
  Status Directory(int source, const struct stat& st, int target, const std::string& name, const std::string& shown);
  Status File(int source, const struct stat& st, int target, const std::string& name, const std::string& shown);
  Status Symlink(const std::string& link, const Attributes& attributes, int target, const std::string& name);
  Status Special(mode_t type, dev_t device, const Attributes& attributes, int target, const std::string& name,
                 const std::string& shown);
  Status ArchiveEntry(TarReader& reader, int root, const std::string& path);
  Status CopyXattrs(int from, int to) const;
  bool LinkedBefore(int source, const struct stat& st, int target, const std::string& name);
  void LeaveOut(const std::string& shown, const std::string& why);

  CopyPolicy policy_;
  // Files of several names, and the first that was copied. Some of them only: a copy more does no harm.
  std::map<std::pair<dev_t, ino_t>, Fd> linked_;
  int depth_ = 0;
};

}  // namespace rkt::stage0
