// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/file_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/file.h"
#include "base/strings.h"

namespace rkt {

namespace {

constexpr char kMagic[8] = {'r', 'k', 't', 'c', 'a', 'c', 'h', '1'};
constexpr size_t kLargestFile = 1u << 20;
constexpr size_t kLargestOrigin = 64u << 10;
constexpr int64_t kSecondsBetweenNotes = 24 * 3600;

struct Header {
  char magic[8];
  uint64_t checksum;  // of what follows it
  uint64_t origin_size;
  uint64_t result_size;
};

// FNV-1a. Files are compared with what they were made from and only our own user's are read: this need not withstand
// anybody.
uint64_t Checksum(std::string_view text, uint64_t sum = 0xcbf29ce484222325) {
  for (char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return sum;
}

uint64_t Checksum(const Header& header, std::string_view rest) {
  std::string_view sizes(reinterpret_cast<const char*>(&header.origin_size),
                         sizeof header.origin_size + sizeof header.result_size);
  return Checksum(rest, Checksum(sizes));
}

std::string FileName(std::string_view made_from) {
  uint64_t sum = Checksum(made_from);
  return HexEncode(&sum, sizeof sum);
}

bool IsFileName(const std::string& name) {
  return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Whether only our own user can have made it what it is.
bool IsOwn(const struct stat& st) { return st.st_uid == ::geteuid() && (st.st_mode & 022) == 0; }

}  // namespace

bool FileCache::Open() {
  if (opened_) return true;
  Fd fd(::openat(directory_, path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) != 0 || !IsOwn(st)) return false;
  opened_ = std::move(fd);
  return true;
}

std::optional<std::string> FileCache::Find(std::string_view made_from) {
  if (!Open()) return std::nullopt;
  Fd fd(::openat(opened_.get(), FileName(made_from).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || !IsOwn(st)) return std::nullopt;
  auto size = static_cast<size_t>(st.st_size);
  if (size < sizeof(Header) || size > kLargestFile) return std::nullopt;
  std::string text(size, '\0');
  if (::read(fd.get(), text.data(), size) != static_cast<ssize_t>(size)) return std::nullopt;
  Header header;
  memcpy(&header, text.data(), sizeof header);
  std::string_view rest = std::string_view(text).substr(sizeof header);
  if (memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.origin_size != made_from.size() ||
      header.origin_size > rest.size() || header.result_size != rest.size() - header.origin_size ||
      header.checksum != Checksum(header, rest) || rest.substr(0, made_from.size()) != made_from) {
    return std::nullopt;
  }
  if (::time(nullptr) - st.st_mtime > kSecondsBetweenNotes) ::futimens(fd.get(), nullptr);
  text.erase(0, sizeof header + made_from.size());
  return text;
}

void FileCache::Keep(std::string_view made_from, std::string_view result) {
  if (made_from.size() > kLargestOrigin || made_from.size() + result.size() + sizeof(Header) > kLargestFile) return;
  if (!Open() && (!MakeDirAt(directory_, path_, 0700) || !Open())) return;
  Header header = {};
  memcpy(header.magic, kMagic, sizeof kMagic);
  header.origin_size = made_from.size();
  header.result_size = result.size();
  std::string rest = StrCat(made_from, result);
  header.checksum = Checksum(header, rest);
  std::string text(reinterpret_cast<const char*>(&header), sizeof header);
  text += rest;
  (void)WriteFileAtomicAt(opened_.get(), FileName(made_from), text, 0600);
}

Status FileCache::Collect(int directory, const std::string& path, int64_t seconds, size_t most) {
  auto fd = OpenAt(directory, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return fd.error().code() == Code::kNotFound ? Status() : Status(std::move(fd).error());
  struct stat own;
  if (::fstat(fd->get(), &own) != 0) return SysErr("stat ", path);
  if (!IsOwn(own)) return Err(Code::kCorrupt, "directory ", Quote(path), " is not used: others may write there");
  constexpr int64_t kSecondsOfAWriter = 3600;  // longer does nobody need for a temporary file
  int64_t now = ::time(nullptr);
  std::vector<std::pair<int64_t, std::string>> kept;
  for (const DirEntry& entry : TRY(ListDirFd(fd->get()))) {
    struct stat st;
    if (::fstatat(fd->get(), entry.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    bool file = IsFileName(entry.name) && S_ISREG(st.st_mode) && IsOwn(st);
    if (now - st.st_mtime > (file ? seconds : kSecondsOfAWriter)) {
      TRY(RemoveTreeAt(fd->get(), entry.name));
    } else if (file) {
      kept.emplace_back(st.st_mtime, entry.name);
    }
  }
  if (kept.size() <= most) return {};
  std::sort(kept.begin(), kept.end());
  for (size_t i = 0; i < kept.size() - most; ++i) TRY(UnlinkAt(fd->get(), kept[i].second));
  return {};
}

}  // namespace rkt
