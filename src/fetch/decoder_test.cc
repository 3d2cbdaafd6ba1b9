// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/decoder.h"

#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "fetch/test_compress.h"
#include "store/test_images.h"

namespace rkt::fetch {
namespace {

Result<std::string> Decode(const std::string& file, size_t chunk = 100000) {
  Fd fd = FileOf(file);
  Input input(fd.get(), "test");
  auto decoder = TRY(MakeDecoder(input));
  std::string out, buffer(chunk, '\0');
  for (;;) {
    size_t n = TRY(decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return out;
    out.append(buffer, 0, n);
  }
}

// Neither all noise nor all zeros, and longer than the buffers.
std::string Sample() {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < 1500000) text += StrCat(random() % 1000, " words of ", random(), "\n");
  return text;
}

struct Format {
  const char* name;
  std::string (*compress)(std::string_view);
};
const Format kFormats[] = {{"gzip", Gzip}, {"bzip2", Bzip2}, {"xz", Xz}, {"zstd", Zstd}};

TEST(Decoder, EveryFormatComesOutWhateverTheSizeOfTheReads) {
  std::string sample = Sample();
  for (const Format& format : kFormats) {
    std::string file = format.compress(sample);
    for (size_t chunk : {4096, 262144, 4000000}) {
      auto decoded = Decode(file, chunk);
      ASSERT_TRUE(decoded) << format.name << ": " << decoded.error().Text();
      EXPECT_TRUE(*decoded == sample) << format.name;
    }
  }
}

// However the pieces and the reads lie: nothing of the next member is lost at the end of one.
TEST(Decoder, MembersEndAnywhereInThePiecesOfTheirSource) {
  std::mt19937 random(2);
  std::string noise(3000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const std::string first = Gzip(noise), file = first + Gzip("second") + Gzip("") + Gzip("third");
  for (size_t split = first.size() - 40; split <= file.size(); ++split) {
    for (size_t chunk : {noise.size(), noise.size() + 6, size_t{7}}) {
      // Each piece has a buffer of its own, and so has what lies before it.
      std::vector<std::string> pieces = {file.substr(0, split), file.substr(split)};
      size_t next = 0;
      Input input([&]() -> Result<std::string_view> {
        return next < pieces.size() ? std::string_view(pieces[next++]) : std::string_view();
      }, "test");
      auto decoder = MakeLayerDecoder(input);
      ASSERT_TRUE(decoder) << decoder.error().Text();
      std::string out, buffer(chunk, '\0');
      for (;;) {
        auto n = (*decoder)->Read(buffer.data(), buffer.size());
        ASSERT_TRUE(n) << "split at " << split << ", reads of " << chunk << ": " << n.error().Text();
        if (*n == 0) break;
        out.append(buffer, 0, *n);
      }
      ASSERT_TRUE(out == noise + "secondthird") << "split at " << split << ", reads of " << chunk;
    }
  }
}

TEST(Decoder, SeveralMembersInARowAreOneText) {
  std::string sample = Sample();
  for (const Format& format : kFormats) {
    std::string file;
    // Members of all lengths, so that ends fall anywhere in the decoder's buffers.
    for (size_t at = 0, size = 0; at < sample.size(); at += size) {
      size = 1 + at / 3 % 70001;
      file += format.compress(std::string_view(sample).substr(at, size));
    }
    auto decoded = Decode(file);
    ASSERT_TRUE(decoded) << format.name << ": " << decoded.error().Text();
    EXPECT_TRUE(*decoded == sample) << format.name;
  }
}

TEST(Decoder, CutFilesAreNoticed) {
  std::string sample = Sample().substr(0, 200000);
  for (const Format& format : kFormats) {
    std::string file = format.compress(sample);
    for (size_t cut : {size_t{10}, file.size() / 2, file.size() - 5, file.size() - 1}) {
      EXPECT_FALSE(Decode(file.substr(0, cut))) << format.name << " cut at " << cut;
    }
  }
}

TEST(Decoder, ChangedAndAppendedBytesAreNoticed) {
  std::string sample = Sample().substr(0, 200000);
  for (const Format& format : kFormats) {
    std::string file = format.compress(sample);
    std::string changed = file;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 0x55);
    EXPECT_FALSE(Decode(changed)) << format.name;
    EXPECT_FALSE(Decode(file + "trailing")) << format.name;
  }
}

TEST(Decoder, WhatIsNoImageIsSaidAsEver) {
  EXPECT_EQ(Decode("").error().message(), "no type returned from DetectFileType?");
  EXPECT_EQ(Decode("just text\n").error().message(), "no type returned from DetectFileType?");
  EXPECT_EQ(Decode(std::string(600, '\1')).error().message(), "error: unknown image filetype");
  store::TestArchive archive;
  archive.File("manifest", "{}");
  std::string tar = archive.Finish();
  EXPECT_EQ(Decode(tar).value_or(""), tar);
  tar.replace(257, 8, std::string(8, '\0'));  // v7: no magic
  EXPECT_EQ(Decode(tar).error().message(), "error: unknown image filetype");
}

TEST(Decoder, FilesThatWantMuchMemoryAreRefused) {
  auto decoded = Decode(ZstdWithWindow(Sample(), 27));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), Code::kUnsupported);
  EXPECT_NE(decoded.error().message().find("window"), std::string::npos) << decoded.error().message();
}

}  // namespace
}  // namespace rkt::fetch
