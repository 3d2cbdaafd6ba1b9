// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/tar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace rkt {
namespace {

TarReader ReaderOf(const std::string& bytes, size_t piece = 1000) {
  auto at = std::make_shared<size_t>(0);
  return TarReader([&bytes, at, piece]() -> Result<std::string_view> {
    std::string_view next = std::string_view(bytes).substr(*at, piece);
    *at += next.size();
    return next;
  });
}

struct Read {
  TarEntry entry;
  std::string data;
};
Result<std::vector<Read>> ReadAll(const std::string& bytes, size_t piece = 1000) {
  TarReader reader = ReaderOf(bytes, piece);
  std::vector<Read> entries;
  while (TRY(reader.Next())) {
    Read read{reader.entry(), {}};
    for (;;) {
      std::string_view data = TRY(reader.ReadData());
      if (data.empty()) break;
      read.data.append(data);
    }
    entries.push_back(std::move(read));
  }
  TRY(reader.Drain());
  return entries;
}

struct Archive {
  std::string bytes;
  TarWriter writer{[this](std::string_view data) -> Status {
    bytes.append(data);
    return {};
  }};
  Archive& Add(TarEntry entry, std::string_view data = {}) {
    EXPECT_TRUE(writer.Add(std::move(entry), data));
    return *this;
  }
  const std::string& Finish() {
    EXPECT_TRUE(writer.Finish());
    return bytes;
  }
};

TarEntry Named(std::string name, TarType type = TarType::kFile, std::string link = {}) {
  TarEntry entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.link_name = std::move(link);
  return entry;
}

// Puts the checksum right after a header was changed by hand.
void Seal(std::string& bytes, size_t at = 0) {
  std::memset(&bytes[at + 148], ' ', 8);
  unsigned sum = 0;
  for (size_t i = 0; i < kTarBlock; ++i) sum += static_cast<unsigned char>(bytes[at + i]);
  std::snprintf(&bytes[at + 148], 7, "%06o", sum);
}

// A block of the given type whose data is `data`, for what the writer does not write.
std::string RawEntry(char type, std::string_view data, std::string_view name = "x") {
  Archive archive;
  archive.Add(Named(std::string(name)), data);
  archive.bytes[156] = type;
  Seal(archive.bytes);
  archive.bytes.resize((archive.bytes.size() + 511) / 512 * 512);
  return archive.bytes;
}

std::string TextOf(const Result<std::vector<Read>>& result) {
  return result ? "no error" : result.error().Text();
}

TEST(Tar, WhatIsWrittenIsReadAgain) {
  Archive archive;
  TarEntry file = Named("rootfs/bin/sh");
  file.mode = 04755;
  file.uid = 3000000;  // more than seven octal digits hold
  file.gid = 65534;
  file.mtime = 1234567890;
  file.mtime_ns = 120000000;
  file.xattrs = {{"security.capability", std::string("\1\0\0\2", 4)}, {"user.x", "y\nz"}};
  TarEntry device = Named("rootfs/dev/null", TarType::kCharDevice);
  device.dev_major = 1;
  device.dev_minor = 3;
  TarEntry old = Named(std::string(99, 'a') + "/" + std::string(120, 'b'), TarType::kSymlink, std::string(300, 'c'));
  old.mtime = -2;
  old.mtime_ns = 500000000;
  archive.Add(file, "#!/bin/sh\n").Add(device).Add(old).Add(Named("rootfs/d/", TarType::kDirectory));
  for (size_t piece : {1, 511, 512, 4096}) {
    auto read = ReadAll(archive.bytes + std::string(1024, '\0'), piece);
    ASSERT_TRUE(read) << read.error().Text();
    ASSERT_EQ(read->size(), 4u);
    const TarEntry& first = (*read)[0].entry;
    EXPECT_EQ(first.name, "rootfs/bin/sh");
    EXPECT_EQ(first.mode, 04755u);
    EXPECT_EQ(first.uid, 3000000u);
    EXPECT_EQ(first.gid, 65534u);
    EXPECT_EQ(first.mtime, 1234567890);
    EXPECT_EQ(first.mtime_ns, 120000000u);
    EXPECT_EQ(first.xattrs, file.xattrs);
    EXPECT_EQ((*read)[0].data, "#!/bin/sh\n");
    EXPECT_EQ((*read)[1].entry.type, TarType::kCharDevice);
    EXPECT_EQ((*read)[1].entry.dev_minor, 3u);
    EXPECT_EQ((*read)[2].entry.name, old.name);
    EXPECT_EQ((*read)[2].entry.link_name, old.link_name);
    EXPECT_EQ((*read)[2].entry.mtime, -2);
    EXPECT_EQ((*read)[2].entry.mtime_ns, 500000000u);
    EXPECT_EQ((*read)[3].entry.type, TarType::kDirectory);
  }
}

TEST(Tar, LongPathsUsePrefixWhereTheyFit) {
  Archive archive;
  std::string name = std::string(150, 'd') + "/" + std::string(90, 'f');
  archive.Add(Named(name), "data");
  EXPECT_EQ(archive.bytes[156], '0') << "no extended header needed";
  auto read = ReadAll(archive.Finish());
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)[0].entry.name, name);
}

TEST(Tar, GnuLongNamesAreRead) {
  std::string name(300, 'n'), link(400, 'l');
  std::string bytes = RawEntry('L', name + '\0') + RawEntry('K', link + '\0');
  Archive rest;
  rest.Add(Named("short", TarType::kSymlink, "short"));
  auto read = ReadAll(bytes + rest.Finish());
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ((*read)[0].entry.name, name);
  EXPECT_EQ((*read)[0].entry.link_name, link);
}

TEST(Tar, SizesInBase256AreRead) {
  Archive archive;
  archive.Add(Named("f"), "12345");
  std::string& bytes = archive.bytes;
  std::memset(&bytes[124], 0, 12);
  bytes[124] = static_cast<char>(0x80);
  bytes[135] = 5;
  Seal(bytes);
  auto read = ReadAll(archive.Finish());
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ((*read)[0].data, "12345");
}

TEST(Tar, GlobalRecordsHoldForAllAndMustNotName) {
  Archive rest;
  rest.Add(Named("a")).Add(Named("b"));
  std::string entries = rest.Finish();
  auto read = ReadAll(RawEntry('g', "12 uid=1001\n14 comment=hi\n") + entries);
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ((*read)[0].entry.uid, 1001u);
  EXPECT_EQ((*read)[1].entry.uid, 1001u);
  EXPECT_NE(TextOf(ReadAll(RawEntry('g', "10 path=x\n") + entries)).find("for all entries"), std::string::npos);
}

TEST(Tar, EveryCutIsNoticed) {
  Archive archive;
  archive.Add(Named("a"), std::string(700, 'x')).Add(Named(std::string(300, 'b')), "y");
  std::string bytes = archive.Finish();
  for (size_t cut = 0; cut < bytes.size(); cut += 97) {
    EXPECT_FALSE(ReadAll(bytes.substr(0, cut))) << cut;
  }
  for (size_t cut = 0; cut < bytes.size(); cut += kTarBlock) {
    EXPECT_FALSE(ReadAll(bytes.substr(0, cut))) << cut;
  }
  EXPECT_TRUE(ReadAll(bytes + std::string(9000, '\0'))) << "padding behind the end is fine";
}

TEST(Tar, SkippedDataNeedNotBeRead) {
  Archive archive;
  archive.Add(Named("a"), std::string(100000, 'x')).Add(Named("b"), "y").Add(Named("c"), std::string(3000, 'z'));
  const std::string& bytes = archive.Finish();
  size_t at = 0, read = 0;
  TarReader reader([&]() -> Result<std::string_view> {
    std::string_view next = std::string_view(bytes).substr(std::min(at, bytes.size()), 1000);
    at += next.size();
    read += next.size();
    return next;
  });
  reader.SetSeek([&](uint64_t skip) -> Status {
    at += skip;
    return {};
  });
  std::string names;
  while (*reader.Next()) {
    names += reader.entry().name;
    EXPECT_EQ(bytes.substr(reader.data_offset(), 1), names == "a" ? "x" : names == "ab" ? "y" : "z");
  }
  EXPECT_EQ(names, "abc");
  EXPECT_LT(read, 9000u);
}

TEST(Tar, HostileHeadersAreRefused) {
  Archive end;
  std::string tail = end.Finish();
  auto refused = [&](const std::string& bytes, std::string_view word) {
    std::string text = TextOf(ReadAll(bytes + tail));
    EXPECT_NE(text.find(word), std::string::npos) << text << " lacks " << word;
  };
  Archive file;
  file.Add(Named("f"));
  std::string broken = file.bytes;
  broken[0] = 'g';
  refused(broken, "checksum");
  auto with = [&](size_t offset, std::string_view value) {
    std::string bytes = file.bytes;
    bytes.replace(offset, value.size(), value);
    Seal(bytes);
    return bytes;
  };
  refused(with(124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "bad size");
  refused(with(124, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "bad size");
  refused(with(124, "12x45678901"), "bad size");
  refused(with(108, std::string_view("\x80\0\0\0\xff\xff\xff\xff", 8)), "bad user id");
  refused(with(156, "S"), "sparse");
  refused(with(156, "Z"), "unknown type");
  refused(RawEntry('x', "17 uid=4294967295\n") + file.bytes, "PAX record");
  refused(RawEntry('x', "18 uid=4294967295\n") + file.bytes, "PAX record uid");
  refused(RawEntry('x', "8 path=x\n") + file.bytes, "malformed");
  refused(RawEntry('x', "99999999999999999999 a=b\n") + file.bytes, "malformed");
  refused(RawEntry('x', "-5 a=b\n") + file.bytes, "malformed");
  refused(RawEntry('x', std::string_view("12 path=a\0b\n", 12)) + file.bytes, "NUL");
  refused(RawEntry('x', "22 GNU.sparse.major=1\n") + file.bytes, "sparse");
  refused(RawEntry('x', "10 path=x\n"), "without an entry");
  refused(RawEntry('5', "data") + file.bytes, "with data");
  refused(std::string(512, '\0') + file.bytes, "lone zero block");
  std::string many;
  for (int i = 0; i < 40; ++i) many += RawEntry('x', "10 path=x\n");
  refused(many + file.bytes, "in a row");
}

TEST(Tar, AbsurdSizesOfNamesAndAttributesAreRefusedUnread) {
  // Headers that promise much more than follows: refused by the promise, before anything is allocated.
  auto promise = [](char type, const char* octal) {
    Archive archive;
    archive.Add(Named("x"));
    archive.bytes[156] = type;
    archive.bytes.replace(124, 11, octal, 11);
    Seal(archive.bytes);
    return archive.bytes + std::string(4096, 'x');
  };
  EXPECT_NE(TextOf(ReadAll(promise('x', "77777777777"))).find("a PAX header of"), std::string::npos);
  EXPECT_NE(TextOf(ReadAll(promise('g', "77777777777"))).find("a PAX header of"), std::string::npos);
  EXPECT_NE(TextOf(ReadAll(promise('L', "77777777777"))).find("a long name of"), std::string::npos);
  Archive archive;
  TarEntry entry = Named("x");
  entry.xattrs = {{"user.big", std::string(70000, 'x')}};
  archive.Add(entry);
  EXPECT_NE(TextOf(ReadAll(archive.Finish())).find("extended attribute"), std::string::npos);
}

TEST(Tar, MagicTellsTarFromOtherFiles) {
  Archive archive;
  archive.Add(Named("x"));
  EXPECT_TRUE(LooksLikeTar(archive.bytes));
  EXPECT_FALSE(LooksLikeTar("ustar"));
  EXPECT_FALSE(LooksLikeTar(std::string(512, '\0')));
}

TEST(Tar, WriterRefusesWrongAmountsOfData) {
  Archive archive;
  TarEntry entry = Named("x");
  entry.size = 3;
  ASSERT_TRUE(archive.writer.Begin(entry));
  EXPECT_FALSE(archive.writer.Data("four"));
  EXPECT_FALSE(archive.writer.Finish());
}

}  // namespace
}  // namespace rkt
