// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/build.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "appc/image_manifest.h"
#include "base/file.h"
#include "base/tar.h"
#include "image/make/output_file.h"
#include "store/extract.h"

namespace rkt::image {

namespace {

constexpr char kManifest[] = "manifest";
constexpr char kRootfs[] = "rootfs";
constexpr size_t kBuffer = 256u << 10;
constexpr size_t kMaxXattrs = 64u << 10;  // of one file; the kernel's own limit

bool SameTime(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }
// Whether nobody touched the file between the two looks. The access time may move: that is us.
bool Unchanged(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_size == b.st_size &&
         SameTime(a.st_mtim, b.st_mtim) && SameTime(a.st_ctim, b.st_ctim);
}

class Builder {
 public:
  Builder(ArchiveOutput& output, const BuildOptions& options)
      : writer_([&output](std::string_view data) { return output.Write(data); }),
        options_(options),
        buffer_(kBuffer, '\0') {}

  Status Manifest(const std::string& text, const struct stat& st) {
    TarEntry entry;
    entry.name = kManifest;
    entry.mtime = options_.timestamp.value_or(st.st_mtim.tv_sec);
    return writer_.Add(std::move(entry), text);
  }

  // An open directory and all below it; `path` is its name in the archive.
  Status Directory(int dir, const std::string& path) {
    struct stat before, after;
    if (::fstat(dir, &before) != 0) return SysErr("stat ", Quote(path));
    TarEntry entry = EntryOf(path, before, TarType::kDirectory);
    TRY(AddXattrs(dir, &entry));
    TRY(writer_.Begin(entry));
    std::vector<DirEntry> children = TRY_CTX(ListDirFd(dir), "reading ", Quote(path));
    std::sort(children.begin(), children.end(), [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    for (const DirEntry& child : children) TRY(Child(dir, child.name, StrCat(path, "/", child.name)));
    if (::fstat(dir, &after) != 0) return SysErr("stat ", Quote(path));
    if (!Unchanged(before, after)) return Changed(path);
    return {};
  }

  Status Finish() { return writer_.Finish(); }

 private:
  static Error Changed(const std::string& path) {
    return Err(Code::kBusy, Quote(path), " changed while it was read");
  }

  TarEntry EntryOf(const std::string& path, const struct stat& st, TarType type) const {
    TarEntry entry;
    entry.name = path;
    entry.type = type;
    entry.mode = st.st_mode & 07777;
    entry.uid = options_.owner ? options_.owner->first : st.st_uid;
    entry.gid = options_.owner ? options_.owner->second : st.st_gid;
    entry.mtime = options_.timestamp.value_or(st.st_mtim.tv_sec);
    return entry;
  }

  static Status AddXattrs(int file, TarEntry* entry) {
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
      entry->xattrs.emplace_back(name, std::move(value));
    }
    std::sort(entry->xattrs.begin(), entry->xattrs.end());
    return {};
  }

  Status Child(int parent, const std::string& name, const std::string& path) {
    struct stat st;
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT ? Changed(path) : SysErr("stat ", Quote(path));
    }
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      auto [first, is_new] = links_.emplace(std::pair(st.st_dev, st.st_ino), path);
      if (!is_new) {
        TarEntry entry = EntryOf(path, st, TarType::kHardLink);
        entry.link_name = first->second;
        return writer_.Begin(entry);
      }
    }
    switch (st.st_mode & S_IFMT) {
      case S_IFREG: return File(parent, name, path, st);
      case S_IFDIR: {
        Fd dir = TRY_CTX(OpenAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), "reading ", Quote(path));
        return Directory(dir.get(), path);
      }
      case S_IFLNK: return Symlink(parent, name, path, st);
      case S_IFCHR: return Device(path, st, TarType::kCharDevice);
      case S_IFBLK: return Device(path, st, TarType::kBlockDevice);
      case S_IFIFO: return writer_.Begin(EntryOf(path, st, TarType::kFifo));
      default: return Err(Code::kInvalid, Quote(path), " is a socket, which no image can hold");
    }
  }

  Status Device(const std::string& path, const struct stat& st, TarType type) {
    TarEntry entry = EntryOf(path, st, type);
    entry.dev_major = ::major(st.st_rdev);
    entry.dev_minor = ::minor(st.st_rdev);
    return writer_.Begin(entry);
  }

  Status Symlink(int parent, const std::string& name, const std::string& path, const struct stat& st) {
    TarEntry entry = EntryOf(path, st, TarType::kSymlink);
    entry.mode = 0777;
    entry.link_name.resize(PATH_MAX);
    ssize_t n = ::readlinkat(parent, name.c_str(), entry.link_name.data(), entry.link_name.size());
    if (n < 0) return errno == EINVAL || errno == ENOENT ? Changed(path) : SysErr("readlink ", Quote(path));
    entry.link_name.resize(static_cast<size_t>(n));
    return writer_.Begin(entry);
  }

  Status File(int parent, const std::string& name, const std::string& path, const struct stat& seen) {
    // What has become a FIFO meanwhile must not keep us waiting.
    Fd file = TRY_CTX(OpenAt(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), "reading ", Quote(path));
    struct stat st;
    if (::fstat(file.get(), &st) != 0) return SysErr("stat ", Quote(path));
    if (!Unchanged(seen, st)) return Changed(path);
    TarEntry entry = EntryOf(path, st, TarType::kFile);
    entry.size = static_cast<uint64_t>(st.st_size);
    TRY(AddXattrs(file.get(), &entry));
    TRY(writer_.Begin(entry));
    for (uint64_t left = entry.size; left > 0;) {
      ssize_t n = ::read(file.get(), buffer_.data(), static_cast<size_t>(std::min<uint64_t>(left, buffer_.size())));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SysErr("read ", Quote(path));
      if (n == 0) return Changed(path);
      TRY(writer_.Data(std::string_view(buffer_).substr(0, static_cast<size_t>(n))));
      left -= static_cast<uint64_t>(n);
    }
    struct stat after;
    if (::fstat(file.get(), &after) != 0) return SysErr("stat ", Quote(path));
    // A new name or one less changes nothing that was read.
    if (!Unchanged(st, after) && !(after.st_nlink != st.st_nlink && SameTime(st.st_mtim, after.st_mtim))) {
      return Changed(path);
    }
    return {};
  }

  TarWriter writer_;
  const BuildOptions& options_;
  std::string buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

Result<std::string> BuildImage(const std::string& directory, const std::string& output, const BuildOptions& options) {
  Fd dir = TRY(Open(directory, O_RDONLY | O_DIRECTORY));
  for (const DirEntry& entry : TRY(ListDirFd(dir.get()))) {
    if (entry.name != kManifest && entry.name != kRootfs) {
      return Err(Code::kInvalid, directory, "/", entry.name, " does not belong into an image (manifest and rootfs/ do)");
    }
  }
  Fd manifest = TRY(OpenAt(dir.get(), kManifest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (::fstat(manifest.get(), &st) != 0) return SysErr("stat ", directory, "/manifest");
  if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, directory, "/manifest is no regular file");
  std::string text = TRY(ReadFd(manifest.get(), appc::kMaxManifestSize));
  if (auto parsed = appc::ParseImageManifest(text); !parsed) {
    return Err(Code::kInvalid, directory, "/manifest: ", parsed.error().Text());
  }
  Fd rootfs = TRY(OpenAt(dir.get(), kRootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));

  OutputFile file = TRY(OutputFile::Create(output, options.overwrite));
  ArchiveOutput archive = TRY(ArchiveOutput::Open(file.fd(), output, options.compression));
  Builder builder(archive, options);
  TRY(builder.Manifest(text, st));
  TRY(builder.Directory(rootfs.get(), kRootfs));
  TRY(builder.Finish());
  std::string key = TRY(archive.Finish());
  TRY(file.Commit());
  return key;
}

Result<int64_t> ParseTimestamp(std::string_view text) {
  if (auto seconds = ParseInt(text)) return *seconds;
  Error bad = Err(Code::kInvalid, "neither seconds since the epoch nor a time such as 2017-07-14T02:40:00Z");
  tm time = {};
  std::string copy(text);
  const char* rest = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr) return bad;
  int64_t seconds = ::timegm(&time);
  if (*rest == '.') {
    const char* digits = ++rest;
    while (*rest >= '0' && *rest <= '9') ++rest;
    if (rest == digits) return bad;
  }
  std::string_view zone = rest;
  if (zone == "Z" || zone == "z") return seconds;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return bad;
  auto hours = ParseUint(zone.substr(1, 2)), minutes = ParseUint(zone.substr(4, 2));
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return bad;
  int64_t offset = static_cast<int64_t>(*hours * 3600 + *minutes * 60);
  return zone[0] == '+' ? seconds - offset : seconds + offset;
}

}  // namespace rkt::image
