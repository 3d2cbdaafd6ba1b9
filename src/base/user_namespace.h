// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// User namespaces of one range: the ids 0 to COUNT-1 inside are SHIFT to SHIFT+COUNT-1 outside. Mounts are mapped by
// such a namespace (mount_setattr of Linux 5.12, beneath overlay 5.19), so that what lies on disk keeps its owners.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace rkt {

// A range of user and group ids of the host.
struct IdRange {
  uint32_t shift = 0;
  uint32_t count = 0;
  // The host's number of an id inside, and back. Ids outside of the range are not the caller's to ask for.
  uint32_t Outside(uint32_t id) const { return shift + id; }
  bool HasOutside(uint32_t id) const { return id >= shift && id - shift < count; }
  uint32_t Inside(uint32_t id) const { return id - shift; }
  bool operator==(const IdRange&) const = default;
};
// "SHIFT:COUNT". kInvalid: no such text, no ids at all, id 0 of the host, or beyond the last id (2^32-2).
Result<IdRange> ParseIdRange(std::string_view text);
std::string FormatIdRange(const IdRange& range);

// A namespace with that mapping and no process in it. kUnsupported where the kernel has no user namespaces.
Result<Fd> MakeUserNamespace(const IdRange& range);
// Writes the maps of a process that is alone in a new user namespace. Needs CAP_SETUID and CAP_SETGID outside.
Status WriteIdMaps(pid_t pid, const IdRange& range);

// Maps a detached mount (and with `recursive` those below it). Error::err() is EINVAL where a file system cannot be
// mapped, and EPERM where it is mapped already.
Status MapMount(int mount, int user_namespace, bool recursive);
// Puts a mapped view of a directory in its place, in this mount namespace.
Status MapDirectory(int dir, const std::string& path, int user_namespace);

// What this thread makes while it lives belongs to an id of the host, with all capabilities kept: where mounts are
// mapped, files of the caller's own root cannot be made.
class FileOwner {
 public:
  static Result<FileOwner> Become(uint32_t uid, uint32_t gid);
  // Root of a pod with users of its own; nothing where it has none.
  static Result<std::optional<FileOwner>> BecomeRootOf(const std::optional<IdRange>& users);
  FileOwner(FileOwner&& other) noexcept : active_(other.active_), uid_(other.uid_), gid_(other.gid_) {
    other.active_ = false;
  }
  FileOwner& operator=(FileOwner&&) = delete;
  ~FileOwner();

 private:
  FileOwner(uint32_t uid, uint32_t gid) : uid_(uid), gid_(gid) {}
  bool active_ = true;
  uint32_t uid_, gid_;  // as they were
};

}  // namespace rkt
