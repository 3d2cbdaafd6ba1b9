// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/output_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"

namespace rkt::image {

namespace {

constexpr mode_t kMode = 0644;

Error Exists(const std::string& path) {
  return Err(Code::kExists, "output file ", path, " exists (try --overwrite)");
}

Result<std::string> TemporaryName(const std::string& name) {
  unsigned char bytes[8];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return SysErr("getrandom");
  return StrCat(".", name.substr(0, 200), ".tmp.", HexEncode(bytes, sizeof bytes));
}

}  // namespace

Result<OutputFile> OutputFile::Create(const std::string& path, bool overwrite) {
  OutputFile file(path, overwrite);
  size_t slash = path.rfind('/');
  std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  file.name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  if (file.name_.empty() || file.name_ == "." || file.name_ == "..") {
    return Err(Code::kInvalid, Quote(path), " is no name for a file");
  }
  file.directory_ = TRY(Open(directory, O_RDONLY | O_DIRECTORY));
  struct stat st = {};
  bool exists = ::fstatat(file.directory_.get(), file.name_.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
  struct stat behind = st;
  if (exists && S_ISLNK(st.st_mode) && ::fstatat(file.directory_.get(), file.name_.c_str(), &behind, 0) != 0) behind = st;
  if (exists) {
    if (S_ISDIR(st.st_mode)) return Err(Code::kInvalid, path, " is a directory");
    if (S_ISCHR(behind.st_mode) || S_ISBLK(behind.st_mode) || S_ISFIFO(behind.st_mode)) {
      file.file_ = TRY(OpenAt(file.directory_.get(), file.name_, O_WRONLY));
      file.in_place_ = true;
      return file;
    }
    if (!overwrite) return Exists(path);
    // "/dev/stdout" where that is a file is one, too: its place is not to be taken.
    if (S_ISLNK(st.st_mode)) return Err(Code::kInvalid, path, " is a symbolic link, name the file itself");
    if (!S_ISREG(st.st_mode)) return Err(Code::kInvalid, path, " is no regular file");
  }
  auto unnamed = OpenAt(file.directory_.get(), ".", O_RDWR | O_TMPFILE, kMode);
  if (unnamed) {
    file.file_ = *std::move(unnamed);
    return file;
  }
  int err = unnamed.error().err();
  if (err != EOPNOTSUPP && err != EISDIR && err != EINVAL && err != ENOENT) {
    return ErrnoError(err, StrCat("create ", path));
  }
  file.temporary_ = TRY(TemporaryName(file.name_));
  file.file_ = TRY(OpenAt(file.directory_.get(), file.temporary_, O_RDWR | O_CREAT | O_EXCL, kMode));
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      overwrite_(other.overwrite_),
      directory_(std::move(other.directory_)),
      name_(std::move(other.name_)),
      temporary_(std::move(other.temporary_)),
      in_place_(other.in_place_),
      file_(std::move(other.file_)) {
  other.temporary_.clear();
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void OutputFile::TakeAttributes(const struct stat& old) {
  // The owner first: a change of it clears set-id bits.
  if (::fchown(file_.get(), old.st_uid, old.st_gid) != 0) (void)::fchown(file_.get(), static_cast<uid_t>(-1), old.st_gid);
  (void)::fchmod(file_.get(), old.st_mode & 0777);
}

Status OutputFile::Commit() {
  if (in_place_) return {};
  int dir = directory_.get();
  if (overwrite_ && ::fsync(file_.get()) != 0) return SysErr("write ", path_);
  if (temporary_.empty()) {
    std::string self = StrCat("/proc/self/fd/", file_.get());
    if (::linkat(AT_FDCWD, self.c_str(), dir, name_.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
    if (errno != EEXIST) return SysErr("create ", path_);
    if (!overwrite_) return Exists(path_);
    std::string name = TRY(TemporaryName(name_));
    if (::linkat(AT_FDCWD, self.c_str(), dir, name.c_str(), AT_SYMLINK_FOLLOW) != 0) return SysErr("create ", path_);
    temporary_ = std::move(name);
  }
  Status renamed = RenameAt(dir, temporary_, dir, name_, /*no_replace=*/!overwrite_);
  if (!renamed) {
    if (renamed.error().err() == EEXIST) return Exists(path_);
    return ErrnoError(renamed.error().err(), StrCat("create ", path_));
  }
  temporary_.clear();
  return {};
}

}  // namespace rkt::image
