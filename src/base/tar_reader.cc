// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/tar.h"

namespace rkt {

namespace {

constexpr size_t kMaxPax = 1u << 20;        // bytes of one extended header
constexpr size_t kMaxLongName = 64u << 10;  // of a GNU long name
constexpr size_t kMaxXattrValue = 64u << 10;  // XATTR_SIZE_MAX of the kernel
constexpr size_t kMaxXattrs = 128;
constexpr uint64_t kMaxSize = uint64_t{1} << 60;
// Extended headers in a row before an entry; an honest archive has three at most.
constexpr int kMaxExtensions = 16;

constexpr char kXattrPrefix[] = "SCHILY.xattr.";

// Field positions of a header block (POSIX.1-1988).
struct Field {
  size_t offset, size;
};
constexpr Field kName = {0, 100}, kMode = {100, 8}, kUid = {108, 8}, kGid = {116, 8}, kSize = {124, 12},
                kMtime = {136, 12}, kChecksum = {148, 8}, kLinkName = {157, 100}, kMagic = {257, 8},
                kDevMajor = {329, 8}, kDevMinor = {337, 8}, kPrefix = {345, 155};
constexpr size_t kTypeFlag = 156;

std::string TextField(const char* block, Field field) {
  return std::string(block + field.offset, ::strnlen(block + field.offset, field.size));
}

// Octal digits with blanks around, or the GNU base-256 form. Nothing for all else.
std::optional<int64_t> NumberField(const char* block, Field field) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(block + field.offset);
  if ((bytes[0] & 0x80) != 0) {
    bool negative = (bytes[0] & 0x40) != 0;
    unsigned char inversion = negative ? 0xff : 0;
    uint64_t number = 0;
    for (size_t i = 0; i < field.size; ++i) {
      unsigned char byte = bytes[i] ^ inversion;
      if (i == 0) byte &= 0x7f;
      if (number >> 55 != 0) return std::nullopt;
      number = number << 8 | byte;
    }
    if (number >> 63 != 0) return std::nullopt;
    return negative ? ~static_cast<int64_t>(number) : static_cast<int64_t>(number);
  }
  size_t i = 0;
  while (i < field.size && bytes[i] == ' ') ++i;
  int64_t number = 0;
  for (; i < field.size && bytes[i] >= '0' && bytes[i] <= '7'; ++i) number = number * 8 + (bytes[i] - '0');
  for (; i < field.size; ++i) {
    if (bytes[i] != ' ' && bytes[i] != '\0') return std::nullopt;
  }
  return number;
}

bool ChecksumHolds(const char* block) {
  auto expected = NumberField(block, kChecksum);
  if (!expected) return false;
  int64_t sum = 0, signed_sum = 0;  // some old writers added signed characters
  for (size_t i = 0; i < kTarBlock; ++i) {
    bool inside = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    char c = inside ? ' ' : block[i];
    sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  return *expected == sum || *expected == signed_sum;
}

bool IsZero(const char* block) {
  return block[0] == '\0' && std::memcmp(block, block + 1, kTarBlock - 1) == 0;
}

// "-12.345": seconds rounded down, and nanoseconds.
bool ParseTime(std::string_view text, int64_t* seconds, uint32_t* nanoseconds) {
  bool negative = !text.empty() && text[0] == '-';
  size_t dot = text.find('.');
  auto whole = ParseInt(text.substr(0, dot));
  if (!whole) return false;
  uint32_t ns = 0;
  if (dot != std::string_view::npos) {
    std::string_view fraction = text.substr(dot + 1);
    uint32_t unit = 100000000;
    for (char c : fraction) {
      if (c < '0' || c > '9') return false;
      ns += static_cast<uint32_t>(c - '0') * unit;
      unit /= 10;
    }
  }
  *seconds = *whole;
  *nanoseconds = ns;
  if (negative && ns != 0) {
    *seconds -= 1;
    *nanoseconds = 1000000000 - ns;
  }
  return true;
}

Error Bad(std::string_view what) { return Err(Code::kInvalid, "invalid tar archive: ", what); }
Error BadEntry(const std::string& name, std::string_view what) {
  return Err(Code::kInvalid, "invalid tar archive: entry ", Quote(name.substr(0, 512)), ": ", what);
}
Error Truncated() { return Err(Code::kInvalid, "invalid tar archive: it ends too early"); }

}  // namespace

const char* TarTypeName(TarType type) {
  switch (type) {
    case TarType::kFile: return "file";
    case TarType::kHardLink: return "hard link";
    case TarType::kSymlink: return "symlink";
    case TarType::kCharDevice: return "character device";
    case TarType::kBlockDevice: return "block device";
    case TarType::kDirectory: return "directory";
    case TarType::kFifo: return "fifo";
  }
  return "entry";
}

bool LooksLikeTar(std::string_view first_block) {
  return first_block.size() >= kMagic.offset + 5 && first_block.substr(kMagic.offset, 5) == "ustar";
}

// At most `limit` bytes; empty at the end of the source.
Result<std::string_view> TarReader::Piece(uint64_t limit) {
  while (buffer_.empty()) {
    if (source_ended_) return std::string_view();
    buffer_ = TRY(source_());
    if (buffer_.empty()) {
      source_ended_ = true;
      return std::string_view();
    }
  }
  std::string_view piece = buffer_.substr(0, static_cast<size_t>(std::min<uint64_t>(limit, buffer_.size())));
  buffer_.remove_prefix(piece.size());
  position_ += piece.size();
  return piece;
}

Status TarReader::ReadBlock(char* block, bool* end) {
  size_t have = 0;
  while (have < kTarBlock) {
    std::string_view piece = TRY(Piece(kTarBlock - have));
    if (piece.empty()) {
      if (have != 0) return Truncated();
      *end = true;
      return {};
    }
    std::memcpy(block + have, piece.data(), piece.size());
    have += piece.size();
  }
  *end = false;
  return {};
}

Status TarReader::Skip(uint64_t bytes) {
  if (seek_ && bytes > buffer_.size()) {
    bytes -= buffer_.size();
    position_ += buffer_.size();
    buffer_ = {};
    // Past the end of a cut file nothing is read any more, which is noticed then.
    position_ += bytes;
    return seek_(bytes);
  }
  while (bytes != 0) {
    std::string_view piece = TRY(Piece(bytes));
    if (piece.empty()) return Truncated();
    bytes -= piece.size();
  }
  return {};
}

Result<std::string> TarReader::ReadText(uint64_t size, size_t limit, const char* what) {
  if (size > limit) return Bad(StrCat(what, " of ", size, " bytes (at most ", limit, ")"));
  std::string text;
  text.reserve(static_cast<size_t>(size));
  while (text.size() < size) {
    std::string_view piece = TRY(Piece(size - text.size()));
    if (piece.empty()) return Truncated();
    text.append(piece);
  }
  TRY(Skip((kTarBlock - size % kTarBlock) % kTarBlock));
  return text;
}

// Records of the form "LENGTH KEY=VALUE\n", where LENGTH counts the whole record. An empty value takes back an
// earlier one.
Status TarReader::ParsePax(std::string_view text, std::map<std::string, std::string>* records) const {
  size_t xattrs = 0;
  while (!text.empty()) {
    size_t space = text.find(' ');
    auto length = space == std::string_view::npos ? std::nullopt : ParseUint(text.substr(0, space));
    if (!length || *length > text.size() || *length < space + 3 || text[*length - 1] != '\n') {
      return Bad("malformed PAX record");
    }
    std::string_view record = text.substr(space + 1, *length - space - 2);
    text.remove_prefix(*length);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) return Bad("malformed PAX record");
    std::string key(record.substr(0, equals));
    std::string_view value = record.substr(equals + 1);
    if (key.find('\0') != std::string::npos) return Bad("NUL in a PAX keyword");
    if (key.starts_with("GNU.sparse.") || key == "SCHILY.realsize") {
      return Err(Code::kUnsupported, "sparse files in tar archives are not supported");
    }
    if (key.starts_with(kXattrPrefix)) {
      if (value.size() > kMaxXattrValue || key.size() > 255 + sizeof kXattrPrefix || ++xattrs > kMaxXattrs) {
        return Bad(StrCat("extended attribute ", Quote(key.substr(0, 300)), " is too large, or there are too many"));
      }
    } else if (value.find('\0') != std::string_view::npos) {
      return Bad(StrCat("NUL in PAX record ", Quote(key)));
    }
    if (value.empty() && !key.starts_with(kXattrPrefix)) {
      records->erase(key);
    } else {
      (*records)[std::move(key)] = std::string(value);
    }
  }
  return {};
}

Status TarReader::ApplyPax(const std::map<std::string, std::string>& records) {
  for (const auto& [key, value] : records) {
    bool good = true;
    if (key == "path") {
      entry_.name = value;
    } else if (key == "linkpath") {
      entry_.link_name = value;
    } else if (key == "size") {
      auto number = ParseUint(value);
      good = number && *number <= kMaxSize;
      if (good) entry_.size = *number;
    } else if (key == "uid" || key == "gid") {
      auto number = ParseUint(value);
      good = number && *number < UINT32_MAX;
      if (good) (key == "uid" ? entry_.uid : entry_.gid) = static_cast<uint32_t>(*number);
    } else if (key == "mtime") {
      good = ParseTime(value, &entry_.mtime, &entry_.mtime_ns);
    } else if (key.starts_with(kXattrPrefix)) {
      entry_.xattrs.emplace_back(key.substr(sizeof kXattrPrefix - 1), value);
    }  // the others say nothing that is kept: names of owners, access times, comments
    if (!good) return Bad(StrCat("PAX record ", key, "=", Quote(value.substr(0, 64))));
  }
  return {};
}

Status TarReader::ParseHeader(const char* block) {
  entry_ = TarEntry();
  std::string name = TextField(block, kName);
  // GNU's own magic ("ustar  ") keeps times where POSIX has the prefix.
  if (std::memcmp(block + kMagic.offset, "ustar\0", 6) == 0) {
    std::string prefix = TextField(block, kPrefix);
    if (!prefix.empty()) name = StrCat(prefix, "/", name);
  }
  entry_.name = std::move(name);
  entry_.link_name = TextField(block, kLinkName);
  auto mode = NumberField(block, kMode), uid = NumberField(block, kUid), gid = NumberField(block, kGid),
       size = NumberField(block, kSize), mtime = NumberField(block, kMtime);
  if (!mode || *mode < 0) return BadEntry(entry_.name, "bad mode");
  if (!uid || *uid < 0 || *uid >= UINT32_MAX) return BadEntry(entry_.name, "bad user id");
  if (!gid || *gid < 0 || *gid >= UINT32_MAX) return BadEntry(entry_.name, "bad group id");
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > kMaxSize) return BadEntry(entry_.name, "bad size");
  if (!mtime) return BadEntry(entry_.name, "bad modification time");
  entry_.mode = static_cast<uint32_t>(*mode) & 07777;
  entry_.uid = static_cast<uint32_t>(*uid);
  entry_.gid = static_cast<uint32_t>(*gid);
  entry_.size = static_cast<uint64_t>(*size);
  entry_.mtime = *mtime;
  return {};
}

Result<bool> TarReader::Next() {
  if (ended_) return false;
  TRY(Skip(remaining_));
  if (Status skipped = Skip(padding_); !skipped && !(open_end_ && source_ended_)) return std::move(skipped).error();
  remaining_ = padding_ = 0;
  std::map<std::string, std::string> records = global_;
  std::optional<std::string> long_name, long_link;
  bool extended = false;
  for (int extensions = 0; extensions <= kMaxExtensions; ++extensions) {
    char block[kTarBlock];
    bool end = false;
    TRY(ReadBlock(block, &end));
    // Every writer closes an archive with two zero blocks: one that just stops was cut off.
    if (end && open_end_ && !extended) {
      ended_ = true;
      return false;
    }
    if (end) return Truncated();
    if (IsZero(block)) {
      if (extended) return Bad("an extended header without an entry");
      TRY(ReadBlock(block, &end));
      if (end && open_end_) {
        ended_ = true;
        return false;
      }
      if (end) return Truncated();
      if (!IsZero(block)) return Bad("a lone zero block");
      ended_ = true;
      return false;
    }
    if (!ChecksumHolds(block)) return Bad("wrong header checksum");
    TRY(ParseHeader(block));
    char type = block[kTypeFlag];
    switch (type) {
      case 'x': {
        std::string text = TRY(ReadText(entry_.size, kMaxPax, "a PAX header"));
        TRY(ParsePax(text, &records));
        extended = true;
        continue;
      }
      case 'g': {
        std::string text = TRY(ReadText(entry_.size, kMaxPax, "a PAX header"));
        TRY(ParsePax(text, &global_));
        size_t held = 0;
        for (const auto& [key, value] : global_) {
          held += key.size() + value.size();
          if (key == "path" || key == "linkpath" || key == "size" || key.starts_with(kXattrPrefix)) {
            return Bad(StrCat("PAX record ", Quote(key), " for all entries"));
          }
        }
        if (held > kMaxPax) return Bad("too many PAX records for all entries");
        for (const auto& record : global_) records.insert(record);
        continue;
      }
      case 'L':
      case 'K': {
        std::string text = TRY(ReadText(entry_.size, kMaxLongName, "a long name"));
        text.resize(std::min(text.find('\0'), text.size()));
        (type == 'L' ? long_name : long_link) = std::move(text);
        extended = true;
        continue;
      }
      default:
        break;
    }
    if (long_name) entry_.name = *long_name;
    if (long_link) entry_.link_name = *long_link;
    TRY(ApplyPax(records));
    switch (type) {
      case '\0':
      case '0':
      case '7':
        entry_.type = TarType::kFile;
        // Before directories had a type of their own, a slash at the end made one.
        if (entry_.name.ends_with('/')) {
          if (entry_.size != 0) return BadEntry(entry_.name, "a file whose name ends in a slash");
          entry_.type = TarType::kDirectory;
        }
        break;
      case '1': case '2': case '3': case '4': case '5': case '6':
        entry_.type = static_cast<TarType>(type);
        break;
      case 'S':
        return Err(Code::kUnsupported, "sparse files in tar archives are not supported: ",
                   Quote(entry_.name.substr(0, 512)));
      default:
        return BadEntry(entry_.name, StrCat("unknown type ", Quote(std::string_view(&type, 1))));
    }
    // Some writers note the size of a hard link's target; no reader takes data from it. Elsewhere readers differ.
    if (entry_.type == TarType::kHardLink) entry_.size = 0;
    if (entry_.type != TarType::kFile && entry_.size != 0) {
      return BadEntry(entry_.name, StrCat("a ", TarTypeName(entry_.type), " with data"));
    }
    if (entry_.type != TarType::kHardLink && entry_.type != TarType::kSymlink) entry_.link_name.clear();
    if (entry_.type == TarType::kCharDevice || entry_.type == TarType::kBlockDevice) {
      auto dev_major = NumberField(block, kDevMajor), dev_minor = NumberField(block, kDevMinor);
      if (!dev_major || !dev_minor || *dev_major < 0 || *dev_minor < 0 || *dev_major > 0xfff ||
          *dev_minor > 0xfffff) {
        return BadEntry(entry_.name, "bad device number");
      }
      entry_.dev_major = static_cast<uint32_t>(*dev_major);
      entry_.dev_minor = static_cast<uint32_t>(*dev_minor);
    }
    data_offset_ = position_;
    remaining_ = entry_.size;
    padding_ = (kTarBlock - entry_.size % kTarBlock) % kTarBlock;
    return true;
  }
  return Bad("too many extended headers in a row");
}

Result<std::string_view> TarReader::ReadData() {
  if (remaining_ == 0) return std::string_view();
  std::string_view piece = TRY(Piece(remaining_));
  if (piece.empty()) return Truncated();
  remaining_ -= piece.size();
  return piece;
}

Status TarReader::Drain() {
  for (;;) {
    std::string_view piece = TRY(Piece(UINT64_MAX));
    if (piece.empty()) return {};
  }
}

}  // namespace rkt
