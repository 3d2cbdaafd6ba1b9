// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>

namespace rkt {

Result<std::string> ReadFd(int fd, size_t limit) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return SysErr("stat");
  std::string data;
  // Files of /proc say 0; one extra byte shows the end without another round.
  size_t expected = S_ISREG(st.st_mode) && st.st_size > 0 ? static_cast<size_t>(st.st_size) + 1 : 4096;
  data.resize(expected < limit + 1 ? expected : limit + 1);
  size_t have = 0;
  for (;;) {
    if (have == data.size()) {
      if (have > limit) return Err(Code::kInvalid, "larger than ", limit, " bytes");
      size_t more = data.size() * 2;
      data.resize(more < limit + 1 ? more : limit + 1);
    }
    ssize_t n = ::read(fd, data.data() + have, data.size() - have);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("read");
    }
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  if (have > limit) return Err(Code::kInvalid, "larger than ", limit, " bytes");
  data.resize(have);
  return data;
}

Result<std::string> ReadFileAt(int dir, const std::string& path, size_t limit) {
  Fd fd = TRY(OpenAt(dir, path, O_RDONLY));
  return TRY_CTX(ReadFd(fd.get(), limit), "read ", path);
}

Status WriteAll(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("write");
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status WriteFileAt(int dir, const std::string& path, std::string_view data, mode_t mode,
                   bool overwrite) {
  Fd fd = TRY(OpenAt(dir, path, O_WRONLY | O_CREAT | (overwrite ? O_TRUNC : O_EXCL), mode));
  if (auto written = WriteAll(fd.get(), data); !written) {
    // Not a device, which `overwrite` opens as it is.
    struct stat st;
    if (::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode)) ::unlinkat(dir, path.c_str(), 0);
    return std::move(written).error().Wrap(StrCat("write ", path));
  }
  return {};
}

Status WriteFileAtomicAt(int dir, const std::string& path, std::string_view data, mode_t mode,
                         bool durable) {
  static unsigned counter = 0;
  std::string temporary =
      StrCat(path, ".tmp.", static_cast<int>(::getpid()), ".", ++counter);
  auto write = [&]() -> Status {
    Fd fd = TRY(OpenAt(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    if (::fchmod(fd.get(), mode) != 0) return SysErr("chmod ", temporary);
    TRY_CTX(WriteAll(fd.get(), data), "write ", path);
    if (durable && ::fsync(fd.get()) != 0) return SysErr("fsync ", path);
    return {};
  };
  Status status = write();
  if (status) status = RenameAt(dir, temporary, dir, path);
  if (!status) ::unlinkat(dir, temporary.c_str(), 0);
  return status;
}

Status MakeDirAt(int dir, const std::string& path, mode_t mode) {
  if (::mkdirat(dir, path.c_str(), mode) != 0 && errno != EEXIST) return SysErr("mkdir ", path);
  return {};
}

Status MakeDirs(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return SysErr("mkdir ", path);
  size_t slash = path.find_last_not_of('/');
  slash = slash == std::string::npos ? slash : path.rfind('/', slash);
  if (slash == std::string::npos || slash == 0) return ErrnoError(ENOENT, StrCat("mkdir ", path));
  TRY(MakeDirs(path.substr(0, slash), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return SysErr("mkdir ", path);
  return {};
}

bool ExistsAt(int dir, const std::string& path) {
  struct stat st;
  return ::fstatat(dir, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<struct stat> StatAt(int dir, const std::string& path, bool follow) {
  struct stat st;
  if (::fstatat(dir, path.c_str(), &st, (follow ? 0 : AT_SYMLINK_NOFOLLOW) | AT_EMPTY_PATH) != 0) {
    return SysErr("stat ", path);
  }
  return st;
}

namespace {
// What is left to read of a directory that nobody else reads, or so many entries of it (and some more). Not inlined: its
// buffer has no place in the frames of a recursion.
[[gnu::noinline]] Result<std::vector<DirEntry>> ReadEntries(int dir, size_t most = SIZE_MAX) {
  alignas(struct dirent64) char buffer[32u << 10];
  std::vector<DirEntry> entries;
  for (;;) {
    if (entries.size() >= most) return entries;
    ssize_t n = ::getdents64(dir, buffer, sizeof buffer);
    if (n < 0) return SysErr("read directory");
    if (n == 0) return entries;
    for (ssize_t at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const struct dirent64*>(buffer + at);
      at += entry->d_reclen;
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
    }
  }
}
}  // namespace

Result<std::vector<DirEntry>> ListDirFd(int dir) {
  // A descriptor of its own: the offset of the caller's stays where it is.
  Fd fd = TRY(OpenAt(dir, ".", O_RDONLY | O_DIRECTORY));
  return ReadEntries(fd.get());
}

Result<std::vector<DirEntry>> ListDirAt(int dir, const std::string& path) {
  Fd fd = TRY(OpenAt(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return TRY_CTX(ReadEntries(fd.get()), "read directory ", path);
}

namespace {
// A bind mount may show a directory of the same file system, so the device alone does not tell (Linux 5.8 does).
Result<bool> IsMountPoint(int dir, dev_t device) {
  struct statx st;
  if (::statx(dir, "", AT_EMPTY_PATH, STATX_INO, &st) != 0) return SysErr("stat");
  return makedev(st.stx_dev_major, st.stx_dev_minor) != device ||
         (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// Empties a directory, however deep and wide it is: what lies below so many open directories is moved up into the first one
// and has its turn later, and of what is in one directory a part is looked at at a time. No app can make a tree for which
// descriptors or memory do not suffice.
class TreeRemover {
 public:
  // `top` is borrowed; `device` holds the walk on one file system.
  TreeRemover(int top, dev_t device) : top_(top), device_(device) {}

  Status Run() {
    for (;;) {
      moved_ = false;
      // What fails is met again in the next round.
      Status first = Empty(top_, 0);
      if (!moved_) return first;
      if (::lseek(top_, 0, SEEK_SET) != 0) return SysErr("read directory");
    }
  }

 private:
  static constexpr int kMaxDepth = 64;
  static constexpr size_t kAtOnce = 1024;

  Status Empty(int dir, int depth) {
    Status first;
    for (;;) {
      auto entries = ReadEntries(dir, kAtOnce);
      if (!entries) return std::move(entries).error();
      bool some = false;
      for (const DirEntry& entry : *entries) {
        Status removed = Entry(dir, entry, depth);
        some = some || removed;
        if (!removed && first) first = std::move(removed);
      }
      if (entries->size() < kAtOnce) return first;
      if (!some) continue;
      // From the beginning: where an entry is found when others have been removed is up to the file system.
      if (::lseek(dir, 0, SEEK_SET) != 0) return SysErr("read directory");
      first = {};
    }
  }

  Status Entry(int dir, const DirEntry& entry, int depth) {
    if (entry.type != DT_DIR) {
      if (::unlinkat(dir, entry.name.c_str(), 0) == 0 || errno == ENOENT) return {};
      if (errno != EISDIR && errno != EPERM) return SysErr("remove ", entry.name);
    }
    return Directory(dir, entry.name, depth);
  }

  Status Directory(int parent, const std::string& name, int depth) {
    // An empty directory (most are) goes without being opened.
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno != ENOTEMPTY && errno != EEXIST) return SysErr("remove ", name);
    Fd child = TRY(OpenAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (TRY(IsMountPoint(child.get(), device_))) return ErrnoError(EXDEV, StrCat("remove ", name));
    if (depth >= kMaxDepth && MoveUp(parent, name)) return {};
    Status emptied = Empty(child.get(), depth + 1);
    if (!emptied) return emptied;
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    // What was in it has been moved up, and it is empty; otherwise somebody has put something there.
    return SysErr("remove ", name);
  }

  // False where the file system does not move it (projects of a quota): then it is removed where it is.
  bool MoveUp(int parent, const std::string& name) {
    for (;;) {
      std::string free_name = StrCat(".removed.", ++count_);
      if (::renameat2(parent, name.c_str(), top_, free_name.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return false;
    }
    moved_ = true;
    return true;
  }

  int top_;
  dev_t device_;
  unsigned count_ = 0;
  bool moved_ = false;
};
}  // namespace

Status RemoveTreeAt(int dir, const std::string& path) {
  if (::unlinkat(dir, path.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return SysErr("remove ", path);
  Fd fd = TRY(OpenAt(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return SysErr("stat ", path);
  TRY_CTX(TreeRemover(fd.get(), st.st_dev).Run(), "remove ", path);
  if (::unlinkat(dir, path.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return SysErr("remove ", path);
  }
  return {};
}

Status UnlinkAt(int dir, const std::string& path) {
  if (::unlinkat(dir, path.c_str(), 0) != 0 && errno != ENOENT) return SysErr("remove ", path);
  return {};
}

Status RenameAt(int from_dir, const std::string& from, int to_dir, const std::string& to,
                bool no_replace) {
  if (::renameat2(from_dir, from.c_str(), to_dir, to.c_str(), no_replace ? RENAME_NOREPLACE : 0) != 0) {
    return SysErr("rename ", from, " to ", to);
  }
  return {};
}

Status SyncFs(int fd) {
  if (::syncfs(fd) != 0) return SysErr("syncfs");
  return {};
}

}  // namespace rkt
