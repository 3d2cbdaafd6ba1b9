// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/codec/encoder.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

#include "fetch/decoder.h"
#include "fetch/test_compress.h"

namespace rkt::fetch {
namespace {

// Compressed in pieces of the given size.
std::string Compressed(std::string_view format, std::string_view text, size_t piece) {
  std::string out;
  auto encoder = MakeEncoder(format, [&](std::string_view data) -> Status {
    out.append(data);
    return {};
  });
  EXPECT_TRUE(encoder);
  for (size_t at = 0; at < text.size(); at += piece) EXPECT_TRUE((*encoder)->Write(text.substr(at, piece)));
  EXPECT_TRUE((*encoder)->Finish());
  return out;
}

std::string Decompressed(const std::string& bytes) {
  Fd file = FileOf(bytes);
  Input input(file.get(), "test");
  auto decoder = MakeDecoder(input);
  EXPECT_TRUE(decoder) << decoder.error().Text();
  std::string out, buffer(100000, '\0');
  for (;;) {
    auto n = (*decoder)->Read(buffer.data(), buffer.size());
    EXPECT_TRUE(n) << n.error().Text();
    if (!n || *n == 0) return out;
    out.append(buffer, 0, *n);
  }
}

std::string SomeText(size_t size = 600'000) {
  std::string text;
  uint32_t state = 1;
  while (text.size() < size) {
    state = state * 1664525 + 1013904223;
    text += StrCat(state >> 20, state % 7 == 0 ? "\n" : " words that repeat ");
  }
  return text;
}

TEST(Encoder, WhatComesOutIsReadBackWhole) {
  const std::string text = SomeText();
  for (const char* format : {"gzip", "zstd", "xz"}) {
    std::string bytes = Compressed(format, text, 65536);
    EXPECT_LT(bytes.size(), text.size() / 2) << format;
    EXPECT_EQ(Decompressed(bytes), text) << format;
  }
}

TEST(Encoder, GzipIsOneStreamWhateverItsPieces) {
  const std::string text = SomeText(3 << 20);
  for (size_t size : {size_t{0}, size_t{1}, (size_t{512} << 10) - 1, size_t{512} << 10, (size_t{512} << 10) + 1, size_t{1} << 20,
                      text.size()}) {
    std::string bytes = Compressed("gzip", text.substr(0, size), 65536);
    // zlib's own reader, which takes one member and checks its sums; what references across pieces is in the dictionary.
    z_stream stream = {};
    ASSERT_EQ(::inflateInit2(&stream, 15 + 16), Z_OK);
    std::string out(size + 1, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END) << size;
    EXPECT_EQ(stream.avail_in, 0u) << size;
    EXPECT_EQ(stream.total_out, size);
    EXPECT_TRUE(std::string_view(out).substr(0, size) == std::string_view(text).substr(0, size)) << size;
    ::inflateEnd(&stream);
    EXPECT_EQ(Compressed("gzip", text.substr(0, size), 1000), bytes) << "the same whatever pieces it came in";
  }
}

TEST(Encoder, TheBytesDoNotDependOnTheRun) {
  const std::string text = SomeText();
  for (const char* format : {"gzip", "zstd", "xz"}) {
    EXPECT_EQ(Compressed(format, text, 65536), Compressed(format, text, 65536)) << format;
  }
  // No time and no name in gzip's header.
  EXPECT_EQ(Compressed("gzip", "x", 1).substr(3, 5), std::string(5, '\0'));
}

TEST(Encoder, AnErrorOfTheSinkEndsIt) {
  const std::string text = SomeText();
  for (const char* format : {"gzip", "zstd", "xz"}) {
    auto encoder = MakeEncoder(format, [](std::string_view data) -> Status {
      if (data.empty()) return {};
      return Err(Code::kInternal, "disk full");
    });
    ASSERT_TRUE(encoder);
    Status status = (*encoder)->Write(text);
    if (status) status = (*encoder)->Finish();
    ASSERT_FALSE(status) << format;
    EXPECT_EQ(status.error().Text(), "disk full");
  }
}

TEST(Encoder, UnknownFormatsAreRefused) {
  auto encoder = MakeEncoder("lzop", [](std::string_view) -> Status { return {}; });
  ASSERT_FALSE(encoder);
  EXPECT_EQ(encoder.error().code(), Code::kInvalid);
}

}  // namespace
}  // namespace rkt::fetch
