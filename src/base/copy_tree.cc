// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/copy_tree.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/file.h"

namespace rkt {

namespace {

Status CopyXattrs(int from, int to) {
  char names[64 << 10];
  ssize_t size = ::flistxattr(from, names, sizeof names);
  if (size < 0) {
    if (errno == EOPNOTSUPP) return {};
    return SysErr("listxattr");
  }
  std::vector<char> value;
  for (const char* name = names; name < names + size; name += std::string_view(name).size() + 1) {
    if (!IsKeptXattr(name)) continue;
    value.resize(64 << 10);
    ssize_t n = ::fgetxattr(from, name, value.data(), value.size());
    if (n < 0) return SysErr("getxattr ", name);
    if (::fsetxattr(to, name, value.data(), static_cast<size_t>(n), 0) != 0 && errno != EOPNOTSUPP) {
      return SysErr("setxattr ", name);
    }
  }
  return {};
}

}  // namespace

bool IsKeptXattr(std::string_view name) {
  return name == "security.capability" || name.starts_with("user.");
}

// Owner before mode and capabilities: chown takes those away.
Status CopyAttributes(int from, int to, const struct stat& st) {
  if (::fchown(to, st.st_uid, st.st_gid) != 0) return SysErr("chown");
  if (::fchmod(to, st.st_mode & 07777) != 0) return SysErr("chmod");
  TRY(CopyXattrs(from, to));
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (::futimens(to, times) != 0) return SysErr("utimens");
  return {};
}

Status TreeCopier::File(int from, int to, const std::string& name, const struct stat& st) {
  Fd source = TRY(OpenAt(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  Fd target = TRY(OpenAt(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(CopyFileData(source.get(), target.get()));
  return CopyAttributes(source.get(), target.get(), st);
}

Status TreeCopier::Entry(int from, int to, const std::string& name, const std::string& path, int depth) {
  struct stat st = TRY(StatAt(from, name));
  if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
    auto [first, is_new] = links_.emplace(std::pair(st.st_dev, st.st_ino), path);
    if (!is_new) {
      if (::linkat(top_, first->second.c_str(), to, name.c_str(), 0) != 0) return SysErr("link ", name);
      return {};
    }
  }
  switch (st.st_mode & S_IFMT) {
    case S_IFREG:
      return File(from, to, name, st);
    case S_IFDIR: {
      if (depth > kMaxDepth) return Err(Code::kInvalid, "directories nested deeper than ", kMaxDepth);
      Fd source = TRY(OpenAt(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      if (::mkdirat(to, name.c_str(), 0700) != 0) return SysErr("mkdir ", name);
      Fd target = TRY(OpenAt(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return Directory(source.get(), target.get(), path, depth + 1);
    }
    case S_IFLNK: {
      char link[4097];
      ssize_t n = ::readlinkat(from, name.c_str(), link, sizeof link - 1);
      if (n < 0) return SysErr("readlink ", name);
      link[n] = '\0';
      if (::symlinkat(link, to, name.c_str()) != 0) return SysErr("symlink ", name);
      break;
    }
    case S_IFSOCK:
      return {};
    default:
      if (::mknodat(to, name.c_str(), st.st_mode & (S_IFMT | 0777), st.st_rdev) != 0) return SysErr("mknod ", name);
      break;
  }
  if (::fchownat(to, name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) return SysErr("chown ", name);
  if (!S_ISLNK(st.st_mode) && ::fchmodat(to, name.c_str(), st.st_mode & 07777, 0) != 0) {
    return SysErr("chmod ", name);
  }
  timespec times[2] = {st.st_atim, st.st_mtim};
  if (::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return SysErr("utimens ", name);
  return {};
}

Status TreeCopier::Directory(int from, int to, const std::string& path, int depth) {
  struct stat st;
  if (::fstat(from, &st) != 0) return SysErr("stat ", path);
  for (const DirEntry& entry : TRY(ListDirFd(from))) {
    std::string entry_path = path.empty() ? entry.name : StrCat(path, "/", entry.name);
    TRY_CTX(Entry(from, to, entry.name, entry_path, depth), "copying ", Quote(entry_path));
  }
  return CopyAttributes(from, to, st);
}

Status CopyDirectoryAttributes(int from, int to) {
  struct stat st;
  if (::fstat(from, &st) != 0) return SysErr("stat");
  return CopyAttributes(from, to, st);
}

Status CopyFileData(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  off_t in = 0, out = 0;
  for (;;) {
    ssize_t n = ::copy_file_range(from, &in, to, &out, size_t{1} << 30, 0);
    if (n == 0) {
      // Some file systems say 0 where they cannot; a plain read tells the end from that.
      break;
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS) break;
      return SysErr("copy");
    }
  }
  std::vector<char> buffer(256u << 10);
  for (;;) {
    ssize_t n = ::pread(from, buffer.data(), buffer.size(), in);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SysErr("read");
    }
    if (n == 0) return {};
    for (ssize_t done = 0; done < n;) {
      ssize_t w = ::pwrite(to, buffer.data() + done, static_cast<size_t>(n - done), out);
      if (w < 0) {
        if (errno == EINTR) continue;
        return SysErr("write");
      }
      done += w;
      out += w;
    }
    in += n;
  }
}

Status CopyDirectory(int from, int to) { return TreeCopier(to).Directory(from, to, "", 0); }

}  // namespace rkt
