// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Files on disk as an image's archive: entries sorted by name, owners as numbers, times in whole seconds, nothing of the
// machine in it. What is on disk is read by descriptor; links are never followed.

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/tar.h"
#include "base/user_namespace.h"
#include "image/make/codec.h"

namespace rkt::image {

struct TreeOptions {
  std::optional<int64_t> timestamp;                    // of every entry, seconds since the epoch; nothing: the files' own
  std::optional<std::pair<uint32_t, uint32_t>> owner;  // of every entry; nothing: the files' own
  std::optional<IdRange> users;  // the files belong to these ids of the host: the archive has those inside
  bool skip_sockets = false;     // otherwise they are an error
  // The files are being worked on: what has gone or changed meanwhile is no error (a file that has become shorter ends in
  // zeros), and what is the kernel's (/proc, /sys) is left out, as are sockets.
  bool live = false;
  std::function<void(const std::string&)> notice;  // of what is left out
};

class TreeWriter {
 public:
  TreeWriter(ArchiveOutput& output, const TreeOptions& options);

  Status Manifest(const std::string& text, int64_t mtime);
  // An open directory and all below it; `path` is its name in the archive. Of extended attributes those are taken that an
  // import keeps. kInvalid names what cannot be in an image; kBusy: a file changed while it was read.
  Status Directory(int dir, const std::string& path);
  // A file that is no directory, opened with O_PATH.
  Status Opened(int file, const std::string& path);
  Status Finish() { return writer_.Finish(); }

 private:
  Status LeaveOut(const std::string& path, const char* why) const;
  Result<TarEntry> EntryOf(const std::string& path, const struct stat& st, TarType type) const;
  Status AddXattrs(int file, TarEntry* entry) const;
  Status Child(int parent, const std::string& name, const std::string& path);
  Status Device(const std::string& path, const struct stat& st, TarType type);
  Status Symlink(int link, const std::string& path, const struct stat& st);
  Status File(int opened, const std::string& path, const struct stat& seen);

  TarWriter writer_;
  const TreeOptions& options_;
  std::string buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace rkt::image
