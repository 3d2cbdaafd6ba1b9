// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include <cstdio>
#include <cstring>

#include "base/tar.h"

namespace rkt {

namespace {

const char kZeros[kTarBlock] = {};

// One PAX record: its length counts itself, so it is tried until it fits.
std::string PaxRecord(std::string_view key, std::string_view value) {
  size_t rest = key.size() + value.size() + 3;  // blank, '=', newline
  size_t length = rest + 1;
  while (rest + std::to_string(length).size() != length) ++length;
  return StrCat(length, " ", key, "=", value, "\n");
}

// Octal digits and a NUL; false where the number has too many.
bool PutNumber(char* field, size_t size, uint64_t number) {
  field[size - 1] = '\0';
  for (size_t i = size - 1; i-- > 0;) {
    field[i] = static_cast<char>('0' + (number & 7));
    number >>= 3;
  }
  return number == 0;
}

// Cuts a path so that it fits the fields prefix (155) and name (100).
bool PutName(char* block, std::string_view name) {
  if (name.size() <= 100) {
    std::memcpy(block, name.data(), name.size());
    return true;
  }
  if (name.size() > 256) return false;
  size_t slash = name.rfind('/', 155);
  if (slash == std::string_view::npos || slash == 0 || name.size() - slash - 1 > 100 ||
      slash + 1 == name.size()) {
    return false;
  }
  std::memcpy(block + 345, name.data(), slash);
  std::memcpy(block, name.data() + slash + 1, name.size() - slash - 1);
  return true;
}

}  // namespace

Status TarWriter::WriteHeader(const TarEntry& entry, char type, uint64_t size) {
  char block[kTarBlock] = {};
  std::string pax;
  if (!PutName(block, entry.name)) pax += PaxRecord("path", entry.name);
  if (entry.link_name.size() <= 100) {
    std::memcpy(block + 157, entry.link_name.data(), entry.link_name.size());
  } else {
    pax += PaxRecord("linkpath", entry.link_name);
  }
  (void)PutNumber(block + 100, 8, entry.mode & 07777);
  if (!PutNumber(block + 108, 8, entry.uid)) pax += PaxRecord("uid", std::to_string(entry.uid));
  if (!PutNumber(block + 116, 8, entry.gid)) pax += PaxRecord("gid", std::to_string(entry.gid));
  if (!PutNumber(block + 124, 12, size)) pax += PaxRecord("size", std::to_string(size));
  bool time_fits = entry.mtime >= 0 && PutNumber(block + 136, 12, static_cast<uint64_t>(entry.mtime));
  if (!time_fits || entry.mtime_ns != 0) {
    if (!time_fits) (void)PutNumber(block + 136, 12, 0);
    int64_t seconds = entry.mtime;
    uint32_t ns = entry.mtime_ns;
    bool negative = seconds < 0;
    if (negative && ns != 0) {
      seconds += 1;
      ns = 1000000000 - ns;
    }
    char text[48];
    std::snprintf(text, sizeof text, "%s%lld.%09u", negative ? "-" : "",
                  static_cast<long long>(negative ? -seconds : seconds), ns);
    pax += PaxRecord("mtime", text);
  }
  for (const auto& [name, value] : entry.xattrs) pax += PaxRecord(StrCat("SCHILY.xattr.", name), value);
  if (!pax.empty() && type != 'x') {
    TarEntry header;
    header.name = "PaxHeaders/entry";
    header.mode = 0644;
    header.mtime = time_fits ? entry.mtime : 0;
    TRY(WriteHeader(header, 'x', pax.size()));
    TRY(sink_(pax));
    TRY(sink_({kZeros, (kTarBlock - pax.size() % kTarBlock) % kTarBlock}));
  }
  (void)PutNumber(block + 329, 8, entry.dev_major);
  (void)PutNumber(block + 337, 8, entry.dev_minor);
  block[156] = type;
  std::memcpy(block + 257, "ustar\00000", 8);
  std::memset(block + 148, ' ', 8);
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  (void)PutNumber(block + 148, 7, sum);
  return sink_({block, sizeof block});
}

Status TarWriter::Begin(const TarEntry& entry) {
  if (remaining_ != 0) return Err(Code::kInvalid, "tar entry ", entry.name, " begun before the last was complete");
  TRY(sink_({kZeros, padding_}));
  uint64_t size = entry.type == TarType::kFile ? entry.size : 0;
  TRY(WriteHeader(entry, static_cast<char>(entry.type), size));
  remaining_ = size;
  padding_ = (kTarBlock - size % kTarBlock) % kTarBlock;
  return {};
}

Status TarWriter::Data(std::string_view data) {
  if (data.size() > remaining_) return Err(Code::kInvalid, "more data than the tar entry's size");
  remaining_ -= data.size();
  return sink_(data);
}

Status TarWriter::Add(TarEntry entry, std::string_view data) {
  entry.size = data.size();
  TRY(Begin(entry));
  return Data(data);
}

Status TarWriter::Finish() {
  if (remaining_ != 0) return Err(Code::kInvalid, "the last tar entry is incomplete");
  TRY(sink_({kZeros, padding_}));
  padding_ = 0;
  TRY(sink_({kZeros, kTarBlock}));
  return sink_({kZeros, kTarBlock});
}

}  // namespace rkt
