// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/extract.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/file.h"

namespace rkt::store {

namespace {

// What directories may take of memory while their last touches wait; some 200,000 of them.
constexpr size_t kMaxPendingBytes = 24u << 20;
constexpr mode_t kParentMode = 0755;

timespec TimeOf(int64_t seconds, uint32_t nanoseconds) {
  timespec time;
  time.tv_sec = seconds;
  time.tv_nsec = static_cast<long>(nanoseconds);
  return time;
}

// The owner must be set before set-id bits and capabilities, which chown takes away.
Status SetAttributes(int fd, const std::string& path, uint32_t uid, uint32_t gid, uint32_t mode, bool set_mode,
                     const std::vector<std::pair<std::string, std::string>>& xattrs, int64_t mtime,
                     uint32_t mtime_ns) {
  if (uid != 0 || gid != 0 || set_mode) {
    if (::fchown(fd, uid, gid) != 0) return SysErr("chown ", Quote(path));
    if (::fchmod(fd, mode) != 0) return SysErr("chmod ", Quote(path));
  }
  for (const auto& [name, value] : xattrs) {
    if (!IsKeptXattr(name)) continue;
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != EOPNOTSUPP) {
      return SysErr("setting ", Quote(name), " of ", Quote(path));
    }
  }
  timespec times[2] = {TimeOf(mtime, mtime_ns), TimeOf(mtime, mtime_ns)};
  if (::futimens(fd, times) != 0) return SysErr("setting the time of ", Quote(path));
  return {};
}

}  // namespace

// The umask belongs to the process: the first extractor takes it, the last one puts it back.
namespace {
std::mutex umask_mutex;
int extractors = 0;
mode_t saved_umask = 0;
}  // namespace

Extractor::Extractor(Fd root) : root_(std::move(root)) {
  std::lock_guard lock(umask_mutex);
  if (extractors++ == 0) saved_umask = ::umask(0);
}
Extractor::~Extractor() {
  std::lock_guard lock(umask_mutex);
  if (--extractors == 0) ::umask(saved_umask);
}

Status Extractor::MakeParents(const std::string& parent) {
  // Each component is looked up from the root, so that links on the way stay inside it.
  size_t end = 0;
  std::string above;
  while (end != std::string::npos) {
    end = parent.find('/', end == 0 ? 0 : end + 1);
    std::string prefix = parent.substr(0, end);
    auto there = OpenInRoot(root_.get(), prefix, O_PATH | O_DIRECTORY);
    if (!there) {
      if (there.error().err() != ENOENT) return std::move(there).error();
      Fd directory = TRY(OpenInRoot(root_.get(), above.empty() ? "." : above, O_PATH | O_DIRECTORY));
      std::string base = prefix.substr(above.empty() ? 0 : above.size() + 1);
      if (::mkdirat(directory.get(), base.c_str(), kParentMode) != 0) {
        // A link that leads nowhere: nothing is made behind it.
        if (errno == EEXIST) return ErrnoError(ENOENT, StrCat("open ", Quote(prefix)));
        return SysErr("mkdir ", Quote(prefix));
      }
    }
    above = std::move(prefix);
  }
  return {};
}

Result<int> Extractor::Parent(const std::string& parent) {
  if (parent.empty()) return root_.get();
  if (has_parent_ && parent == parent_path_) return parent_.get();
  has_parent_ = false;
  auto opened = OpenInRoot(root_.get(), parent, O_PATH | O_DIRECTORY);
  if (!opened && opened.error().err() == ENOENT) {
    TRY(MakeParents(parent));
    opened = OpenInRoot(root_.get(), parent, O_PATH | O_DIRECTORY);
  }
  parent_ = TRY(std::move(opened));
  parent_path_ = parent;
  has_parent_ = true;
  return parent_.get();
}

// Makes room for an entry. A whole directory may go: the archive's later word counts.
Status Extractor::Replace(int parent, const std::string& base, const std::string& path) {
  TRY(RemoveTreeAt(parent, base));
  has_parent_ = has_parent_ && parent == parent_.get();  // this one stays, those below it may be gone
  std::string below = path + "/";
  std::erase_if(pending_, [&](const PendingDirectory& directory) {
    return directory.path == path || directory.path.starts_with(below);
  });
  return {};
}

Status Extractor::PutFile(int parent, const std::string& base, const std::string& path, const TarEntry& entry,
                          TarReader& reader) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  mode_t mode = entry.mode & 0777;
  int opened = ::openat(parent, base.c_str(), kFlags, mode);
  if (opened < 0 && errno == EEXIST) {
    TRY(Replace(parent, base, path));
    opened = ::openat(parent, base.c_str(), kFlags, mode);
  }
  if (opened < 0) return SysErr("create ", Quote(path));
  Fd file(opened);
  for (;;) {
    std::string_view piece = TRY(reader.ReadData());
    if (piece.empty()) break;
    // The innermost message is what people see: it names the file.
    if (auto written = WriteAll(file.get(), piece); !written) {
      return ErrnoError(written.error().err(), StrCat("write ", Quote(path)));
    }
    bytes_ += piece.size();
  }
  return SetAttributes(file.get(), path, entry.uid, entry.gid, entry.mode, (entry.mode & 07000) != 0, entry.xattrs,
                       entry.mtime, entry.mtime_ns);
}

Status Extractor::AddPending(const std::string& path, const TarEntry& entry) {
  PendingDirectory directory = {path, entry.mode, entry.uid, entry.gid, entry.mtime, entry.mtime_ns, {}};
  size_t size = sizeof directory + path.size();
  for (const auto& xattr : entry.xattrs) {
    if (!IsKeptXattr(xattr.first)) continue;
    size += sizeof xattr + xattr.first.size() + xattr.second.size();
    directory.xattrs.push_back(xattr);
  }
  pending_bytes_ += size;
  if (pending_bytes_ > kMaxPendingBytes) return Err(Code::kUnsupported, "more directories than can be handled");
  pending_.push_back(std::move(directory));
  return {};
}

Status Extractor::PutDirectory(int parent, const std::string& base, const std::string& path,
                               const TarEntry& entry) {
  if (::mkdirat(parent, base.c_str(), kParentMode) != 0) {
    if (errno != EEXIST) return SysErr("mkdir ", Quote(path));
    struct stat st;
    if (::fstatat(parent, base.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return SysErr("stat ", Quote(path));
    if (!S_ISDIR(st.st_mode)) {
      TRY(Replace(parent, base, path));
      if (::mkdirat(parent, base.c_str(), kParentMode) != 0) return SysErr("mkdir ", Quote(path));
    }
  }
  return AddPending(path, entry);
}

Status Extractor::PutLink(int parent, const std::string& base, const std::string& path,
                          const std::string& target) {
  if (target == path) return Err(Code::kInvalid, "hard link ", Quote(path), " to itself");
  size_t slash = target.rfind('/');
  std::string directory = slash == std::string::npos ? "." : target.substr(0, slash);
  std::string name = slash == std::string::npos ? target : target.substr(slash + 1);
  auto failed = [&](int err) {
    if (err == ENOENT) {
      return Error(Code::kInvalid, ENOENT,
                   StrCat("hard link ", Quote(path), " to ", Quote(target), ", which does not come before it"));
    }
    return ErrnoError(err, StrCat("hard link ", Quote(path), " to ", Quote(target)));
  };
  auto opened = OpenInRoot(root_.get(), directory, O_PATH | O_DIRECTORY);
  if (!opened) return failed(opened.error().err());
  // No flag to follow: a symlink as target is linked to itself.
  if (::linkat(opened->get(), name.c_str(), parent, base.c_str(), 0) == 0) return {};
  if (errno != EEXIST) return failed(errno);
  struct stat theirs, ours;
  if (::fstatat(opened->get(), name.c_str(), &theirs, AT_SYMLINK_NOFOLLOW) != 0) return failed(errno);
  if (::fstatat(parent, base.c_str(), &ours, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == theirs.st_ino) return {};
  TRY(Replace(parent, base, path));
  if (::linkat(opened->get(), name.c_str(), parent, base.c_str(), 0) != 0) return failed(errno);
  return {};
}

// Symlinks, devices and fifos: what has no descriptor to work on.
Status Extractor::PutSpecial(int parent, const std::string& base, const std::string& path,
                             const TarEntry& entry) {
  auto make = [&]() -> int {
    switch (entry.type) {
      case TarType::kSymlink:
        return ::symlinkat(entry.link_name.c_str(), parent, base.c_str());
      case TarType::kCharDevice:
      case TarType::kBlockDevice:
        return ::mknodat(parent, base.c_str(),
                         (entry.type == TarType::kCharDevice ? S_IFCHR : S_IFBLK) | (entry.mode & 0777),
                         ::makedev(entry.dev_major, entry.dev_minor));
      default:
        return ::mknodat(parent, base.c_str(), S_IFIFO | (entry.mode & 0777), 0);
    }
  };
  if (entry.type == TarType::kSymlink && entry.link_name.find('\0') != std::string::npos) {
    return Err(Code::kInvalid, "a NUL in the target of the symlink");
  }
  int made = make();
  if (made != 0 && errno == EEXIST) {
    TRY(Replace(parent, base, path));
    made = make();
  }
  if (made != 0) return SysErr("creating ", TarTypeName(entry.type), " ", Quote(path));
  if ((entry.uid != 0 || entry.gid != 0) &&
      ::fchownat(parent, base.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("chown ", Quote(path));
  }
  if (entry.type != TarType::kSymlink && (entry.mode & 07000) != 0 &&
      ::fchmodat(parent, base.c_str(), entry.mode, 0) != 0) {
    return SysErr("chmod ", Quote(path));
  }
  timespec times[2] = {TimeOf(entry.mtime, entry.mtime_ns), TimeOf(entry.mtime, entry.mtime_ns)};
  if (::utimensat(parent, base.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return SysErr("setting the time of ", Quote(path));
  }
  return {};
}

Status Extractor::Put(const std::string& path, const TarEntry& entry, const std::string& link_path,
                      TarReader& reader) {
  auto put = [&]() -> Status {
    if (path.empty()) {
      if (entry.type != TarType::kDirectory) return Err(Code::kInvalid, "the root is no directory");
      return AddPending(path, entry);
    }
    size_t slash = path.rfind('/');
    int parent = TRY(Parent(slash == std::string::npos ? std::string() : path.substr(0, slash)));
    std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
    switch (entry.type) {
      case TarType::kFile: return PutFile(parent, base, path, entry, reader);
      case TarType::kDirectory: return PutDirectory(parent, base, path, entry);
      case TarType::kHardLink: return PutLink(parent, base, path, link_path);
      default: return PutSpecial(parent, base, path, entry);
    }
  };
  Status status = put();
  if (!status) return std::move(status).error().Wrap(StrCat("unpacking ", Quote(path)));
  return {};
}

Status Extractor::Finish() {
  has_parent_ = false;
  // Deepest last in the archive's order does not matter: the mode of a parent keeps nobody out who is root.
  for (const PendingDirectory& directory : pending_) {
    auto fd = OpenInRoot(root_.get(), directory.path.empty() ? "." : directory.path,
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) {
      // Something else took its place or that of a parent later in the archive.
      int err = fd.error().err();
      if (err == ENOENT || err == ENOTDIR || err == ELOOP) continue;
      return std::move(fd).error();
    }
    TRY(SetAttributes(fd->get(), directory.path, directory.uid, directory.gid, directory.mode, true,
                      directory.xattrs, directory.mtime, directory.mtime_ns));
  }
  pending_.clear();
  return {};
}

}  // namespace rkt::store
