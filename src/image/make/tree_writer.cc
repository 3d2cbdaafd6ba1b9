// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/tree_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/mount.h"
#include "store/extract.h"

namespace rkt::image {

namespace {

constexpr char kManifest[] = "manifest";
constexpr char kCapability[] = "security.capability";
constexpr size_t kBuffer = 256u << 10;
constexpr size_t kMaxXattrs = 64u << 10;  // of one file; the kernel's own limit

bool SameTime(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }
// Whether nobody touched the file between the two looks. The access time may move: that is us.
bool Unchanged(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_size == b.st_size &&
         SameTime(a.st_mtim, b.st_mtim) && SameTime(a.st_ctim, b.st_ctim);
}

Error Changed(const std::string& path) { return Err(Code::kBusy, Quote(path), " changed while it was read"); }

// Capabilities of a file that hold for the root of one user namespace (revision 3), as those of any root (2).
std::string WithoutRoot(const std::string& value) {
  vfs_ns_cap_data data;
  if (value.size() != sizeof data) return value;
  memcpy(&data, value.data(), sizeof data);
  data.magic_etc = (data.magic_etc & ~static_cast<uint32_t>(VFS_CAP_REVISION_MASK)) | VFS_CAP_REVISION_2;
  return std::string(reinterpret_cast<const char*>(&data), sizeof(vfs_cap_data));
}

}  // namespace

TreeWriter::TreeWriter(ArchiveOutput& output, const TreeOptions& options)
    : writer_([&output](std::string_view data) { return output.Write(data); }),
      options_(options),
      buffer_(kBuffer, '\0') {}

Status TreeWriter::Manifest(const std::string& text, int64_t mtime) {
  TarEntry entry;
  entry.name = kManifest;
  entry.mtime = options_.timestamp.value_or(mtime);
  return writer_.Add(std::move(entry), text);
}

Status TreeWriter::Directory(int dir, const std::string& path) {
  struct stat before, after;
  if (::fstat(dir, &before) != 0) return SysErr("stat ", Quote(path));
  if (options_.live && IsKernelFile(dir)) return LeaveOut(path, "it is the kernel's");
  TarEntry entry = TRY(EntryOf(path, before, TarType::kDirectory));
  TRY(AddXattrs(dir, &entry));
  TRY(writer_.Begin(entry));
  std::vector<DirEntry> children = TRY_CTX(ListDirFd(dir), "reading ", Quote(path));
  std::sort(children.begin(), children.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
  for (const DirEntry& child : children) TRY(Child(dir, child.name, StrCat(path, "/", child.name)));
  if (::fstat(dir, &after) != 0) return SysErr("stat ", Quote(path));
  if (!options_.live && !Unchanged(before, after)) return Changed(path);
  return {};
}

Result<TarEntry> TreeWriter::EntryOf(const std::string& path, const struct stat& st, TarType type) const {
  TarEntry entry;
  entry.name = path;
  entry.type = type;
  entry.mode = st.st_mode & 07777;
  if (options_.users && (!options_.users->HasOutside(st.st_uid) || !options_.users->HasOutside(st.st_gid))) {
    return Err(Code::kCorrupt, Quote(path), " belongs to ", st.st_uid, ":", st.st_gid, ", which is nobody of the pod");
  }
  uint32_t uid = options_.users ? options_.users->Inside(st.st_uid) : st.st_uid;
  uint32_t gid = options_.users ? options_.users->Inside(st.st_gid) : st.st_gid;
  entry.uid = options_.owner ? options_.owner->first : uid;
  entry.gid = options_.owner ? options_.owner->second : gid;
  entry.mtime = options_.timestamp.value_or(st.st_mtim.tv_sec);
  return entry;
}

Status TreeWriter::AddXattrs(int file, TarEntry* entry) const {
  std::string names(kMaxXattrs, '\0');
  ssize_t n = ::flistxattr(file, names.data(), names.size());
  if (n < 0 && errno == EOPNOTSUPP) return {};
  if (n < 0) return SysErr("reading the attributes of ", Quote(entry->name));
  names.resize(static_cast<size_t>(n));
  for (const std::string& name : Split(names, '\0')) {
    if (name.empty() || !store::IsKeptXattr(name)) continue;
    if (name.find('=') != std::string::npos) {
      return Err(Code::kInvalid, Quote(entry->name), ": an archive cannot hold the attribute ", Quote(name));
    }
    std::string value(kMaxXattrs, '\0');
    ssize_t size = ::fgetxattr(file, name.c_str(), value.data(), value.size());
    if (size < 0) return SysErr("reading the attribute ", name, " of ", Quote(entry->name));
    value.resize(static_cast<size_t>(size));
    if (options_.users && name == kCapability) value = WithoutRoot(value);
    entry->xattrs.emplace_back(name, std::move(value));
  }
  std::sort(entry->xattrs.begin(), entry->xattrs.end());
  return {};
}

Status TreeWriter::Child(int parent, const std::string& name, const std::string& path) {
  // Looked up once: what is opened below is what was looked at, and no device or FIFO that has come in its place.
  auto found = OpenAt(parent, name, O_PATH | O_NOFOLLOW);
  if (!found) {
    if (found.error().err() != ENOENT) return std::move(found).error().Wrap(StrCat("reading ", Quote(path)));
    return options_.live ? Status() : Changed(path);
  }
  struct stat st;
  if (::fstat(found->get(), &st) != 0) return SysErr("stat ", Quote(path));
  if (!S_ISDIR(st.st_mode)) return Opened(found->get(), path);
  Fd dir = TRY_CTX(OpenAt(found->get(), ".", O_RDONLY | O_DIRECTORY), "reading ", Quote(path));
  return Directory(dir.get(), path);
}

Status TreeWriter::Opened(int file, const std::string& path) {
  struct stat st;
  if (::fstat(file, &st) != 0) return SysErr("stat ", Quote(path));
  if (options_.live && IsKernelFile(file)) return LeaveOut(path, "it is the kernel's");
  if (S_ISSOCK(st.st_mode)) {
    if (options_.live) return LeaveOut(path, "it is a socket");
    if (options_.skip_sockets) return {};
    return Err(Code::kInvalid, Quote(path), " is a socket, which no image can hold");
  }
  if (st.st_nlink > 1) {
    auto [first, is_new] = links_.emplace(std::pair(st.st_dev, st.st_ino), path);
    if (!is_new) {
      TarEntry entry = TRY(EntryOf(path, st, TarType::kHardLink));
      entry.link_name = first->second;
      return writer_.Begin(entry);
    }
  }
  switch (st.st_mode & S_IFMT) {
    case S_IFREG: return File(file, path, st);
    case S_IFLNK: return Symlink(file, path, st);
    case S_IFCHR: return Device(path, st, TarType::kCharDevice);
    case S_IFBLK: return Device(path, st, TarType::kBlockDevice);
    case S_IFIFO: return writer_.Begin(TRY(EntryOf(path, st, TarType::kFifo)));
    default: return Err(Code::kInvalid, Quote(path), " is of a kind that no image can hold");
  }
}

Status TreeWriter::LeaveOut(const std::string& path, const char* why) const {
  if (options_.notice) options_.notice(StrCat(Quote(path), " is left out: ", why));
  return {};
}

Status TreeWriter::Device(const std::string& path, const struct stat& st, TarType type) {
  TarEntry entry = TRY(EntryOf(path, st, type));
  entry.dev_major = ::major(st.st_rdev);
  entry.dev_minor = ::minor(st.st_rdev);
  return writer_.Begin(entry);
}

Status TreeWriter::Symlink(int link, const std::string& path, const struct stat& st) {
  TarEntry entry = TRY(EntryOf(path, st, TarType::kSymlink));
  entry.mode = 0777;
  entry.link_name.resize(PATH_MAX);
  ssize_t n = ::readlinkat(link, "", entry.link_name.data(), entry.link_name.size());
  if (n < 0) return errno == EINVAL || errno == ENOENT ? Changed(path) : SysErr("readlink ", Quote(path));
  entry.link_name.resize(static_cast<size_t>(n));
  return writer_.Begin(entry);
}

Status TreeWriter::File(int opened, const std::string& path, const struct stat& seen) {
  Fd file = TRY_CTX(Open(StrCat("/proc/self/fd/", opened), O_RDONLY | O_NONBLOCK | O_NOCTTY), "reading ", Quote(path));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) return SysErr("stat ", Quote(path));
  if (!options_.live && !Unchanged(seen, st)) return Changed(path);
  TarEntry entry = TRY(EntryOf(path, st, TarType::kFile));
  entry.size = static_cast<uint64_t>(st.st_size);
  TRY(AddXattrs(file.get(), &entry));
  TRY(writer_.Begin(entry));
  for (uint64_t left = entry.size; left > 0;) {
    size_t want = static_cast<size_t>(std::min<uint64_t>(left, buffer_.size()));
    ssize_t n = ::read(file.get(), buffer_.data(), want);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("read ", Quote(path));
    if (n == 0) {
      if (!options_.live) return Changed(path);
      memset(buffer_.data(), 0, want);
      n = static_cast<ssize_t>(want);
    }
    TRY(writer_.Data(std::string_view(buffer_).substr(0, static_cast<size_t>(n))));
    left -= static_cast<uint64_t>(n);
  }
  if (options_.live) return {};
  struct stat after;
  if (::fstat(file.get(), &after) != 0) return SysErr("stat ", Quote(path));
  // A new name or one less changes nothing that was read.
  if (!Unchanged(st, after) && !(after.st_nlink != st.st_nlink && SameTime(st.st_mtim, after.st_mtim))) {
    return Changed(path);
  }
  return {};
}

}  // namespace rkt::image
