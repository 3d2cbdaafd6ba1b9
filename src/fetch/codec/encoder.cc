// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/codec/encoder.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <utility>

namespace rkt::fetch {

namespace {

constexpr size_t kBuffer = 128u << 10;
constexpr int kGzipLevel = 6;
constexpr int kRawDeflate = -15;  // with the largest window, without a header
constexpr int kGzipMemory = 8;
constexpr uint32_t kXzPreset = 6;
constexpr int kZstdLevel = 3;

Error OutOfMemory() { return Err(Code::kInternal, "no memory for compressing"); }

// A piece of the stream, compressed by itself with what comes before it as its dictionary.
struct GzipPiece {
  std::string bytes;
  uint32_t crc = 0;
  size_t size = 0;  // before compression
};

Result<GzipPiece> CompressPiece(const std::string& dictionary, const std::string& data, bool last) {
  z_stream stream = {};
  if (::deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kRawDeflate, kGzipMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    return OutOfMemory();
  }
  GzipPiece piece;
  piece.size = data.size();
  piece.crc = static_cast<uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
  if (!dictionary.empty()) {
    ::deflateSetDictionary(&stream, reinterpret_cast<const Bytef*>(dictionary.data()), static_cast<uInt>(dictionary.size()));
  }
  // Room for an end of the piece at a byte, too.
  piece.bytes.resize(::deflateBound(&stream, static_cast<uLong>(data.size())) + 64);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(piece.bytes.data());
  stream.avail_out = static_cast<uInt>(piece.bytes.size());
  int result = ::deflate(&stream, last ? Z_FINISH : Z_SYNC_FLUSH);
  bool whole = stream.avail_in == 0 && stream.avail_out != 0 && result == (last ? Z_STREAM_END : Z_OK);
  piece.bytes.resize(piece.bytes.size() - stream.avail_out);
  ::deflateEnd(&stream);
  if (!whole) return Err(Code::kInternal, "compressing failed");
  return piece;
}

// One gzip member made by several threads. Where it is cut depends on the data alone: the same bytes come out whatever the
// number of threads. ISA-L would be faster, but what it writes depends on the processor.
class GzipEncoder : public Encoder {
 public:
  explicit GzipEncoder(Sink sink) : sink_(std::move(sink)) {}
  Status Start() {
    at_once_ = std::clamp(std::thread::hardware_concurrency(), 1u, kMaxThreads) + 1;
    return {};
  }
  Status Write(std::string_view data) override {
    while (!data.empty()) {
      if (next_.size() == kPiece) TRY(Push(false));
      size_t size = std::min(data.size(), kPiece - next_.size());
      next_.append(data.substr(0, size));
      data.remove_prefix(size);
    }
    return {};
  }
  Status Finish() override {
    TRY(Push(true));
    while (!pieces_.empty()) TRY(Pop());
    char trailer[8];
    for (int i = 0; i < 4; ++i) {
      trailer[i] = static_cast<char>(crc_ >> 8 * i);
      trailer[4 + i] = static_cast<char>(size_ >> 8 * i);
    }
    return sink_(std::string_view(trailer, sizeof trailer));
  }

 private:
  static constexpr size_t kPiece = 512u << 10, kDictionary = 32u << 10;
  static constexpr unsigned kMaxThreads = 8;

  Status Push(bool last) {
    if (pieces_.size() >= at_once_) TRY(Pop());
    std::string dictionary = std::move(dictionary_);
    dictionary_ = next_.substr(next_.size() - std::min(next_.size(), kDictionary));
    pieces_.push_back(std::async(std::launch::async, CompressPiece, std::move(dictionary), std::move(next_), last));
    next_ = std::string();
    next_.reserve(kPiece);
    return {};
  }
  Status Pop() {
    auto piece = pieces_.front().get();
    pieces_.pop_front();
    if (!piece) return std::move(piece).error();
    // Neither time nor name; made on Unix.
    if (!std::exchange(began_, true)) TRY(sink_(std::string_view("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10)));
    crc_ = ::crc32_combine(crc_, piece->crc, static_cast<z_off_t>(piece->size));
    size_ += piece->size;
    return sink_(piece->bytes);
  }

  Sink sink_;
  std::string next_, dictionary_;
  std::deque<std::future<Result<GzipPiece>>> pieces_;
  size_t at_once_ = 2;
  bool began_ = false;
  uLong crc_ = 0;
  uint64_t size_ = 0;
};

class XzEncoder : public Encoder {
 public:
  explicit XzEncoder(Sink sink) : sink_(std::move(sink)), buffer_(kBuffer, '\0') {}
  ~XzEncoder() override { ::lzma_end(&stream_); }
  Status Start() {
    return ::lzma_easy_encoder(&stream_, kXzPreset, LZMA_CHECK_CRC64) == LZMA_OK ? Status() : OutOfMemory();
  }
  Status Write(std::string_view data) override { return Run(data, LZMA_RUN); }
  Status Finish() override { return Run({}, LZMA_FINISH); }

 private:
  Status Run(std::string_view data, lzma_action action) {
    stream_.next_in = reinterpret_cast<const uint8_t*>(data.data());
    stream_.avail_in = data.size();
    for (;;) {
      if (action == LZMA_RUN && stream_.avail_in == 0) return {};
      stream_.next_out = reinterpret_cast<uint8_t*>(buffer_.data());
      stream_.avail_out = buffer_.size();
      lzma_ret result = ::lzma_code(&stream_, action);
      if (result != LZMA_OK && result != LZMA_STREAM_END) {
        return result == LZMA_MEM_ERROR ? OutOfMemory() : Err(Code::kInternal, "compressing failed");
      }
      TRY(sink_(std::string_view(buffer_).substr(0, buffer_.size() - stream_.avail_out)));
      if (result == LZMA_STREAM_END) return {};
    }
  }

  Sink sink_;
  std::string buffer_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class ZstdEncoder : public Encoder {
 public:
  explicit ZstdEncoder(Sink sink) : sink_(std::move(sink)), buffer_(kBuffer, '\0'), context_(::ZSTD_createCCtx()) {}
  ~ZstdEncoder() override { ::ZSTD_freeCCtx(context_); }
  Status Start() {
    if (context_ == nullptr || ::ZSTD_isError(::ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel)) ||
        ::ZSTD_isError(::ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1))) {
      return OutOfMemory();
    }
    return {};
  }
  Status Write(std::string_view data) override { return Run(data, ZSTD_e_continue); }
  Status Finish() override { return Run({}, ZSTD_e_end); }

 private:
  Status Run(std::string_view data, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in = {data.data(), data.size(), 0};
    for (;;) {
      ZSTD_outBuffer out = {buffer_.data(), buffer_.size(), 0};
      size_t left = ::ZSTD_compressStream2(context_, &out, &in, directive);
      if (::ZSTD_isError(left)) return Err(Code::kInternal, "compressing failed: ", ::ZSTD_getErrorName(left));
      TRY(sink_(std::string_view(buffer_).substr(0, out.pos)));
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }

  Sink sink_;
  std::string buffer_;
  ZSTD_CCtx* context_;
};

template <typename T>
Result<std::unique_ptr<Encoder>> Make(Encoder::Sink sink) {
  auto encoder = std::make_unique<T>(std::move(sink));
  TRY(encoder->Start());
  return std::unique_ptr<Encoder>(std::move(encoder));
}

}  // namespace

Result<std::unique_ptr<Encoder>> MakeEncoder(std::string_view format, Encoder::Sink sink) {
  if (format == "gzip") return Make<GzipEncoder>(std::move(sink));
  if (format == "xz") return Make<XzEncoder>(std::move(sink));
  if (format == "zstd") return Make<ZstdEncoder>(std::move(sink));
  return Err(Code::kInvalid, "unknown compression ", Quote(format));
}

}  // namespace rkt::fetch
