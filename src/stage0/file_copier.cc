// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage0/file_copier.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/file.h"
#include "base/mount.h"
#include "store/image_archive.h"

namespace rkt::stage0 {

namespace {

constexpr size_t kBuffer = 256u << 10;
constexpr size_t kMaxXattrs = 64u << 10;
constexpr size_t kMaxLinked = 128;  // descriptors
constexpr int kMaxDepth = 200;      // directories, each with two descriptors

Result<std::string> TemporaryName() {
  unsigned char bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return SysErr("getrandom");
  return StrCat(".rkt-cp.", HexEncode(bytes, sizeof bytes));
}

// A file that has no name until it is whole.
class NewFile {
 public:
  static Result<NewFile> Create(int directory) {
    NewFile file(directory);
    auto unnamed = OpenAt(directory, ".", O_WRONLY | O_TMPFILE, 0600);
    if (unnamed) {
      file.file_ = *std::move(unnamed);
      return file;
    }
    int err = unnamed.error().err();
    if (err != EOPNOTSUPP && err != EISDIR && err != EINVAL && err != ENOENT) return std::move(unnamed).error();
    file.temporary_ = TRY(TemporaryName());
    file.file_ = TRY(OpenAt(directory, file.temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    return file;
  }
  NewFile(NewFile&& other) noexcept
      : directory_(other.directory_), temporary_(std::move(other.temporary_)), file_(std::move(other.file_)) {
    other.temporary_.clear();
  }
  ~NewFile() {
    if (!temporary_.empty()) ::unlinkat(directory_, temporary_.c_str(), 0);
  }
  int fd() const { return file_.get(); }

  Status Place(const std::string& name) {
    if (temporary_.empty()) {
      std::string self = StrCat("/proc/self/fd/", file_.get());
      if (::linkat(AT_FDCWD, self.c_str(), directory_, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
      if (errno != EEXIST) return SysErr("create ", Quote(name));
      std::string temporary = TRY(TemporaryName());
      if (::linkat(AT_FDCWD, self.c_str(), directory_, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        return SysErr("create ", Quote(name));
      }
      temporary_ = std::move(temporary);
    }
    if (::renameat(directory_, temporary_.c_str(), directory_, name.c_str()) != 0) return SysErr("replace ", Quote(name));
    temporary_.clear();
    return {};
  }

 private:
  explicit NewFile(int directory) : directory_(directory) {}
  int directory_;
  std::string temporary_;
  Fd file_;
};

// Makes something under a temporary name and lets it take the place of what is there.
template <typename Make>
Status Replace(int directory, const std::string& name, const Make& make) {
  std::string temporary = TRY(TemporaryName());
  Status made = make(temporary);
  if (made && ::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    made = SysErr("replace ", Quote(name));
  }
  if (!made) ::unlinkat(directory, temporary.c_str(), 0);
  return made;
}

Status SetTime(int file, const timespec& modified) {
  timespec times[2] = {{0, UTIME_OMIT}, modified};
  if (::futimens(file, times) != 0) return SysErr("utimens");
  return {};
}
Status SetTimeAt(int directory, const std::string& name, const timespec& modified) {
  timespec times[2] = {{0, UTIME_OMIT}, modified};
  if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return SysErr("utimens ", Quote(name));
  return {};
}

}  // namespace

void FileCopier::LeaveOut(const std::string& shown, const std::string& why) {
  if (policy_.notice) policy_.notice(StrCat(Quote(shown), " is left out: ", why));
}

Result<FileCopier::Attributes> FileCopier::AttributesOf(const struct stat& st, const std::string& shown) const {
  Attributes attributes;
  attributes.modified = st.st_mtim;
  attributes.mode = st.st_mode & (policy_.archive || policy_.keep_set_id ? 07777 : 01777);
  if (!policy_.archive) {
    std::tie(attributes.uid, attributes.gid) = policy_.owner;
    return attributes;
  }
  attributes.uid = st.st_uid;
  attributes.gid = st.st_gid;
  if (policy_.source_users) {
    const IdRange& users = *policy_.source_users;
    if (!users.HasOutside(st.st_uid) || !users.HasOutside(st.st_gid)) {
      return Err(Code::kInvalid, Quote(shown), " belongs to ", st.st_uid, ":", st.st_gid, ", which is nobody of the pod");
    }
    attributes.uid = users.Inside(st.st_uid);
    attributes.gid = users.Inside(st.st_gid);
  }
  if (policy_.target_users) {
    const IdRange& users = *policy_.target_users;
    if (attributes.uid >= users.count || attributes.gid >= users.count) {
      return Err(Code::kInvalid, Quote(shown), " belongs to ", attributes.uid, ":", attributes.gid,
                 ", which is nobody of the pod");
    }
    attributes.uid = users.Outside(attributes.uid);
    attributes.gid = users.Outside(attributes.gid);
  }
  return attributes;
}

Result<FileCopier::Attributes> FileCopier::AttributesOf(const TarEntry& entry) const {
  struct stat st = {};
  st.st_mode = entry.mode;
  st.st_uid = entry.uid;
  st.st_gid = entry.gid;
  st.st_mtim = {static_cast<time_t>(entry.mtime), static_cast<long>(entry.mtime_ns)};
  return AttributesOf(st, entry.name);
}

Status FileCopier::CopyXattrs(int from, int to) const {
  if (!policy_.archive) return {};
  std::string names(kMaxXattrs, '\0');
  ssize_t n = ::flistxattr(from, names.data(), names.size());
  if (n < 0) return errno == EOPNOTSUPP ? Status() : SysErr("listxattr");
  names.resize(static_cast<size_t>(n));
  std::string value(kMaxXattrs, '\0');
  for (const std::string& name : Split(names, '\0')) {
    if (!name.starts_with("user.")) continue;
    ssize_t size = ::fgetxattr(from, name.c_str(), value.data(), value.size());
    if (size < 0) continue;  // it has gone meanwhile
    if (::fsetxattr(to, name.c_str(), value.data(), static_cast<size_t>(size), 0) != 0 && errno != EOPNOTSUPP) {
      return SysErr("setxattr ", name);
    }
  }
  return {};
}

Status FileCopier::Entry(int source, int target, const std::string& name, const std::string& shown) {
  struct stat st;
  if (::fstat(source, &st) != 0) return SysErr("stat ", Quote(shown));
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
      return Directory(source, st, target, name, shown);
    case S_IFREG:
      return File(source, st, target, name, shown);
    case S_IFLNK: {
      std::string link(PATH_MAX, '\0');
      ssize_t n = ::readlinkat(source, "", link.data(), link.size());
      if (n < 0) return SysErr("readlink ", Quote(shown));
      link.resize(static_cast<size_t>(n));
      return Symlink(link, TRY(AttributesOf(st, shown)), target, name);
    }
    default:
      return Special(st.st_mode & S_IFMT, st.st_rdev, TRY(AttributesOf(st, shown)), target, name, shown);
  }
}

Status FileCopier::Directory(int source, const struct stat& st, int target, const std::string& name,
                             const std::string& shown) {
  if (IsKernelFile(source)) {
    LeaveOut(shown, "it is the kernel's");
    return {};
  }
  if (depth_ >= kMaxDepth) return Err(Code::kInvalid, "directories nested deeper than ", kMaxDepth, " at ", Quote(shown));
  bool made = ::mkdirat(target, name.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return SysErr("mkdir ", Quote(name));
  auto directory = OpenAt(target, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) {
    if (!made && (directory.error().err() == ENOTDIR || directory.error().err() == ELOOP)) {
      return Err(Code::kInvalid, Quote(name), " is in the place of a directory, and is none");
    }
    return std::move(directory).error();
  }
  if (IsKernelFile(directory->get())) return Err(Code::kInvalid, Quote(name), " is the kernel's: nothing is copied there");
  ++depth_;
  Status copied = Contents(source, directory->get(), shown);
  --depth_;
  TRY(std::move(copied));
  if (!made) return {};
  Attributes attributes = TRY(AttributesOf(st, shown));
  if (::fchown(directory->get(), attributes.uid, attributes.gid) != 0) return SysErr("chown ", Quote(name));
  if (::fchmod(directory->get(), attributes.mode) != 0) return SysErr("chmod ", Quote(name));
  Fd readable = TRY(OpenAt(source, ".", O_RDONLY | O_DIRECTORY));
  TRY(CopyXattrs(readable.get(), directory->get()));
  return SetTime(directory->get(), attributes.modified);
}

Status FileCopier::Contents(int source, int target, const std::string& shown) {
  if (IsKernelFile(source)) return Err(Code::kInvalid, Quote(shown), " is the kernel's: nothing is copied from there");
  Fd directory = TRY(OpenAt(source, ".", O_RDONLY | O_DIRECTORY));
  std::vector<DirEntry> entries = TRY(ListDirFd(directory.get()));
  std::sort(entries.begin(), entries.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  for (const DirEntry& entry : entries) {
    auto found = OpenAt(directory.get(), entry.name, O_PATH | O_NOFOLLOW);
    if (!found) {
      if (found.error().code() == Code::kNotFound) continue;  // it has gone meanwhile
      return std::move(found).error();
    }
    TRY(Entry(found->get(), target, entry.name, StrCat(shown, shown.ends_with('/') ? "" : "/", entry.name)));
  }
  return {};
}

// Another name of a file that was copied.
bool FileCopier::LinkedBefore(int, const struct stat& st, int target, const std::string& name) {
  auto found = linked_.find({st.st_dev, st.st_ino});
  if (found == linked_.end()) return false;
  std::string self = StrCat("/proc/self/fd/", found->second.get());
  Status linked = Replace(target, name, [&](const std::string& temporary) -> Status {
    if (::linkat(AT_FDCWD, self.c_str(), target, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) return SysErr("link");
    return {};
  });
  return static_cast<bool>(linked);
}

Status FileCopier::File(int source, const struct stat& st, int target, const std::string& name,
                        const std::string& shown) {
  if (IsKernelFile(source)) {
    LeaveOut(shown, "it is the kernel's");
    return {};
  }
  if (st.st_nlink > 1 && LinkedBefore(source, st, target, name)) return {};
  // The file that was looked at and no other, which is known to be regular: opening waits for nobody.
  Fd from = TRY_CTX(Open(StrCat("/proc/self/fd/", source), O_RDONLY | O_NONBLOCK | O_NOCTTY), "reading ", Quote(shown));
  NewFile file = TRY_CTX(NewFile::Create(target), "writing ", Quote(name));
  std::string buffer(kBuffer, '\0');
  // As much as there was: somebody may write faster than this reads.
  for (int64_t left = st.st_size; left > 0;) {
    ssize_t n = ::read(from.get(), buffer.data(), static_cast<size_t>(std::min<int64_t>(left, kBuffer)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("read ", Quote(shown));
    if (n == 0) break;
    TRY_CTX(WriteAll(file.fd(), std::string_view(buffer).substr(0, static_cast<size_t>(n))), "writing ", Quote(name));
    left -= n;
  }
  Attributes attributes = TRY(AttributesOf(st, shown));
  if (::fchown(file.fd(), attributes.uid, attributes.gid) != 0) return SysErr("chown ", Quote(name));
  if (::fchmod(file.fd(), attributes.mode) != 0) return SysErr("chmod ", Quote(name));
  TRY(CopyXattrs(from.get(), file.fd()));
  TRY(SetTime(file.fd(), attributes.modified));
  if (st.st_nlink > 1 && linked_.size() < kMaxLinked) {
    if (auto kept = DupFd(file.fd())) linked_.emplace(std::pair(st.st_dev, st.st_ino), *std::move(kept));
  }
  return file.Place(name);
}

Status FileCopier::Symlink(const std::string& link, const Attributes& attributes, int target, const std::string& name) {
  return Replace(target, name, [&](const std::string& temporary) -> Status {
    if (::symlinkat(link.c_str(), target, temporary.c_str()) != 0) return SysErr("symlink ", Quote(name));
    if (::fchownat(target, temporary.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return SysErr("chown ", Quote(name));
    }
    return SetTimeAt(target, temporary, attributes.modified);
  });
}

Status FileCopier::Special(mode_t type, dev_t device, const Attributes& attributes, int target, const std::string& name,
                           const std::string& shown) {
  bool is_device = type == S_IFCHR || type == S_IFBLK;
  if (type != S_IFIFO && !is_device) {
    LeaveOut(shown, "it is a socket");
    return {};
  }
  if (is_device && !policy_.archive) {
    LeaveOut(shown, "it is a device (--archive takes those too)");
    return {};
  }
  return Replace(target, name, [&](const std::string& temporary) -> Status {
    if (::mknodat(target, temporary.c_str(), type | 0600, device) != 0) return SysErr("mknod ", Quote(name));
    Fd made = TRY(OpenAt(target, temporary, O_PATH | O_NOFOLLOW));
    // Nobody must have swapped it for a link to something of the host's.
    struct stat st;
    if (::fstat(made.get(), &st) != 0) return SysErr("stat ", Quote(name));
    if ((st.st_mode & S_IFMT) != type) return Err(Code::kBusy, Quote(name), " was replaced meanwhile");
    if (::fchownat(made.get(), "", attributes.uid, attributes.gid, AT_EMPTY_PATH) != 0) return SysErr("chown ", Quote(name));
    std::string self = StrCat("/proc/self/fd/", made.get());
    if (::chmod(self.c_str(), attributes.mode) != 0) return SysErr("chmod ", Quote(name));
    return SetTimeAt(target, temporary, attributes.modified);
  });
}

Status FileCopier::Archive(TarReader& reader, int root, const std::string& path) {
  while (TRY(reader.Next())) {
    TRY_CTX(ArchiveEntry(reader, root, path), "archive entry ", Quote(reader.entry().name.substr(0, 512)));
  }
  return reader.Drain();
}

Status FileCopier::ArchiveEntry(TarReader& reader, int root, const std::string& path) {
  const TarEntry& entry = reader.entry();
  std::string clean = TRY(store::CleanEntryPath(entry.name));
  Attributes attributes = TRY(AttributesOf(entry));
  if (clean.empty()) return {};  // the directory itself
  size_t slash = clean.rfind('/');
  std::string name = slash == std::string::npos ? clean : clean.substr(slash + 1);
  std::string parent = path;
  // Parents as they are, made where they are missing.
  Fd directory = TRY(OpenInRoot(root, parent, O_PATH | O_DIRECTORY));
  for (const std::string& step : slash == std::string::npos ? std::vector<std::string>() : Split(clean.substr(0, slash), '/')) {
    parent += StrCat("/", step);
    auto next = OpenInRoot(root, parent, O_PATH | O_DIRECTORY);
    if (!next && next.error().err() == ENOENT) {
      if (::mkdirat(directory.get(), step.c_str(), 0755) != 0) return SysErr("mkdir ", Quote(parent));
      if (::fchownat(directory.get(), step.c_str(), policy_.owner.first, policy_.owner.second, AT_SYMLINK_NOFOLLOW) != 0) {
        return SysErr("chown ", Quote(parent));
      }
      next = OpenInRoot(root, parent, O_PATH | O_DIRECTORY);
    }
    directory = TRY(std::move(next));
  }
  if (IsKernelFile(directory.get())) return Err(Code::kInvalid, Quote(parent), " is the kernel's: nothing is copied there");
  int target = directory.get();
  switch (entry.type) {
    case TarType::kDirectory: {
      if (::mkdirat(target, name.c_str(), 0700) != 0) {
        if (errno != EEXIST) return SysErr("mkdir ", Quote(name));
        TRY(OpenInRoot(root, StrCat(parent, "/", name), O_PATH | O_DIRECTORY));
        return {};
      }
      Fd made = TRY(OpenAt(target, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (::fchown(made.get(), attributes.uid, attributes.gid) != 0) return SysErr("chown");
      if (::fchmod(made.get(), attributes.mode) != 0) return SysErr("chmod");
      return {};
    }
    case TarType::kFile: {
      NewFile file = TRY(NewFile::Create(target));
      for (;;) {
        std::string_view piece = TRY(reader.ReadData());
        if (piece.empty()) break;
        TRY(WriteAll(file.fd(), piece));
      }
      if (::fchown(file.fd(), attributes.uid, attributes.gid) != 0) return SysErr("chown");
      if (::fchmod(file.fd(), attributes.mode) != 0) return SysErr("chmod");
      TRY(SetTime(file.fd(), attributes.modified));
      return file.Place(name);
    }
    case TarType::kSymlink:
      return Symlink(entry.link_name, attributes, target, name);
    case TarType::kHardLink: {
      std::string link = TRY(store::CleanEntryPath(entry.link_name));
      Fd other = TRY(OpenInRoot(root, StrCat(path, "/", link), O_PATH | O_NOFOLLOW));
      struct stat st;
      if (::fstat(other.get(), &st) != 0) return SysErr("stat ", Quote(link));
      if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, Quote(link), " is no regular file");
      std::string self = StrCat("/proc/self/fd/", other.get());
      return Replace(target, name, [&](const std::string& temporary) -> Status {
        if (::linkat(AT_FDCWD, self.c_str(), target, temporary.c_str(), AT_SYMLINK_FOLLOW) != 0) return SysErr("link");
        return {};
      });
    }
    default: {
      mode_t type = entry.type == TarType::kFifo ? S_IFIFO : entry.type == TarType::kCharDevice ? S_IFCHR : S_IFBLK;
      return Special(type, ::makedev(entry.dev_major, entry.dev_minor), attributes, target, name, entry.name);
    }
  }
}

}  // namespace rkt::stage0
