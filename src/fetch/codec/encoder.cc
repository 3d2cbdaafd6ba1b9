// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/codec/encoder.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <climits>
#include <string>

namespace rkt::fetch {

namespace {

constexpr size_t kBuffer = 128u << 10;
constexpr int kGzipLevel = 6;
constexpr int kGzipWindow = 15 + 16;  // 16: with gzip's header
constexpr int kGzipMemory = 8;
constexpr uint32_t kXzPreset = 6;
constexpr int kZstdLevel = 3;

Error OutOfMemory() { return Err(Code::kInternal, "no memory for compressing"); }

class GzipEncoder : public Encoder {
 public:
  explicit GzipEncoder(Sink sink) : sink_(std::move(sink)), buffer_(kBuffer, '\0') {}
  ~GzipEncoder() override {
    if (ready_) ::deflateEnd(&stream_);
  }
  Status Start() {
    if (::deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, kGzipMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
      return OutOfMemory();
    }
    ready_ = true;
    return {};
  }
  Status Write(std::string_view data) override {
    while (!data.empty()) {
      size_t size = std::min<size_t>(data.size(), UINT_MAX);
      TRY(Run(data.substr(0, size), Z_NO_FLUSH));
      data.remove_prefix(size);
    }
    return {};
  }
  Status Finish() override { return Run({}, Z_FINISH); }

 private:
  Status Run(std::string_view data, int flush) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream_.avail_in = static_cast<uInt>(data.size());
    for (;;) {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      int result = ::deflate(&stream_, flush);
      if (result == Z_STREAM_ERROR) return Err(Code::kInternal, "compressing failed");
      TRY(sink_(std::string_view(buffer_).substr(0, buffer_.size() - stream_.avail_out)));
      if (flush == Z_FINISH ? result == Z_STREAM_END : stream_.avail_out != 0) return {};
    }
  }

  Sink sink_;
  std::string buffer_;
  z_stream stream_ = {};
  bool ready_ = false;
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
