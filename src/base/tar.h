// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Tar archives in a stream: POSIX ustar, PAX and GNU long names in; ustar with PAX records out. The reader keeps a
// bounded amount of memory whatever the archive says, and refuses what other readers might understand differently.
// It judges no names: what may be put where is the extractor's business.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rkt {

inline constexpr size_t kTarBlock = 512;

enum class TarType : char {
  kFile = '0',
  kHardLink = '1',
  kSymlink = '2',
  kCharDevice = '3',
  kBlockDevice = '4',
  kDirectory = '5',
  kFifo = '6',
};
// "file", "hard link" ...
const char* TarTypeName(TarType type);

struct TarEntry {
  std::string name;
  std::string link_name;  // of hard links and symlinks
  TarType type = TarType::kFile;
  uint32_t mode = 0644;  // the twelve permission bits
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t size = 0;  // bytes of data that follow; 0 for all but files
  int64_t mtime = 0;  // seconds since the epoch
  uint32_t mtime_ns = 0;
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// Whether the first block of a file says "ustar" where it must.
bool LooksLikeTar(std::string_view first_block);

class TarReader {
 public:
  // Gives the next piece of the archive, empty at its end. The piece stays valid until the next call.
  using Source = std::function<Result<std::string_view>()>;
  explicit TarReader(Source source) : source_(std::move(source)) {}

  // The source may end behind an entry, without an end mark and even without the padding of the last file: layers of OCI
  // images come so (umoci 0.4 writes them), and whether something is missing, their digest tells.
  void AllowOpenEnd() { open_end_ = true; }
  // For archives in files: goes that many bytes on without reading them, where data are skipped.
  void SetSeek(std::function<Status(uint64_t bytes)> seek) { seek_ = std::move(seek); }

  // Goes to the next entry, skipping what is left of the current one's data. False at the end of the archive. Errors
  // are kInvalid (or the source's) and name the entry where there is one; the reader is spent after one.
  Result<bool> Next();
  const TarEntry& entry() const { return entry_; }
  // Where the entry's data begin, in bytes from the start of the archive.
  uint64_t data_offset() const { return data_offset_; }
  // The next piece of the entry's data, empty after the last. Points into the source's piece.
  Result<std::string_view> ReadData();
  // Reads to the end of the source, past the end mark of the archive: a hash covers every byte.
  Status Drain();

 private:
  Result<std::string_view> Piece(uint64_t limit);
  Status ReadBlock(char* block, bool* end);
  Status Skip(uint64_t bytes);
  Result<std::string> ReadText(uint64_t size, size_t limit, const char* what);
  Status ParsePax(std::string_view text, std::map<std::string, std::string>* records) const;
  Status ApplyPax(const std::map<std::string, std::string>& records);
  Status ParseHeader(const char* block);

  Source source_;
  std::function<Status(uint64_t)> seek_;
  std::string_view buffer_;   // what of the source's last piece was not used yet
  uint64_t position_ = 0;     // bytes used
  uint64_t data_offset_ = 0;
  uint64_t remaining_ = 0;    // of the entry's data
  uint64_t padding_ = 0;      // behind them
  bool source_ended_ = false;
  bool open_end_ = false;
  bool ended_ = false;
  TarEntry entry_;
  std::map<std::string, std::string> global_;
};

class TarWriter {
 public:
  using Sink = std::function<Status(std::string_view)>;
  explicit TarWriter(Sink sink) : sink_(std::move(sink)) {}

  // An entry with its data (entry.size is taken from it).
  Status Add(TarEntry entry, std::string_view data = {});
  // An entry whose `size` bytes follow by Data, in pieces.
  Status Begin(const TarEntry& entry);
  Status Data(std::string_view data);
  // The end mark. kInvalid where an entry got fewer bytes than its size.
  Status Finish();

 private:
  Status WriteHeader(const TarEntry& entry, char type, uint64_t size);
  Sink sink_;
  uint64_t remaining_ = 0;
  uint64_t padding_ = 0;
};

}  // namespace rkt
