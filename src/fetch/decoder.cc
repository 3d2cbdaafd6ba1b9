// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/decoder.h"

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>

#include "base/file.h"
#include "base/tar.h"

namespace rkt::fetch {

namespace {

constexpr size_t kInputBuffer = 256u << 10;
// What a decoder may take: enough for xz -9 (65 MiB) and zstd -19 (8 MiB), not for a file that asks for gigabytes.
constexpr uint64_t kXzMemory = 80u << 20;
// More threads are used only where their buffers stay below this.
constexpr uint64_t kXzThreadedMemory = 40u << 20;
constexpr int kZstdWindowLog = 25;

Error CutShort(const char* format) { return Err(Code::kInvalid, format, ": unexpected EOF"); }

class PlainDecoder : public Decoder {
 public:
  explicit PlainDecoder(Input& input) : input_(input) {}
  Result<size_t> Read(char* data, size_t size) override {
    std::string_view piece = TRY(input_.Peek());
    const size_t n = piece.copy(data, size);  // of nothing at the end, from nowhere
    input_.Use(n);
    return n;
  }

 private:
  Input& input_;
};

class GzipDecoder : public Decoder {
 public:
  explicit GzipDecoder(Input& input) : input_(input), state_(std::make_unique<inflate_state>()) { Start(); }

  Result<size_t> Read(char* data, size_t size) override {
    state_->next_out = reinterpret_cast<uint8_t*>(data);
    state_->avail_out = static_cast<uint32_t>(size);
    for (;;) {
      std::string_view piece = TRY(input_.Peek());
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        if (piece.empty()) return Got(size);
        Start();  // another member
        state_->next_out = reinterpret_cast<uint8_t*>(data + Got(size));
      }
      state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(piece.data()));
      state_->avail_in = static_cast<uint32_t>(piece.size());
      uint32_t room = state_->avail_out;
      int status = isal_inflate(state_.get());
      // A damaged member may end in what came with an earlier piece, and the library gives that back: more than it was given.
      if (state_->avail_in > piece.size()) return Err(Code::kInvalid, "gzip: corrupt data");
      input_.Use(piece.size() - state_->avail_in);
      if (status == ISAL_INCORRECT_CHECKSUM) return Err(Code::kInvalid, "gzip: invalid checksum");
      if (status != ISAL_DECOMP_OK) {
        return Err(Code::kInvalid, status == ISAL_INVALID_WRAPPER ? "gzip: invalid header" : "gzip: corrupt data");
      }
      if (state_->avail_out == 0) return size;
      bool moved = state_->avail_in != piece.size() || state_->avail_out != room;
      if (state_->block_state != ISAL_BLOCK_FINISH && piece.empty() && !moved) return CutShort("gzip");
    }
  }

 private:
  void Start() {
    uint32_t room = started_ ? state_->avail_out : 0;
    uint8_t* out = started_ ? state_->next_out : nullptr;
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
    state_->avail_out = room;
    state_->next_out = out;
    started_ = true;
  }
  size_t Got(size_t size) const { return size - state_->avail_out; }

  Input& input_;
  std::unique_ptr<inflate_state> state_;
  bool started_ = false;
};

class Bzip2Decoder : public Decoder {
 public:
  explicit Bzip2Decoder(Input& input) : input_(input) {}
  ~Bzip2Decoder() override {
    if (open_) BZ2_bzDecompressEnd(&stream_);
  }
  Result<size_t> Read(char* data, size_t size) override {
    stream_.next_out = data;
    stream_.avail_out = static_cast<unsigned>(size);
    while (stream_.avail_out != 0) {
      std::string_view piece = TRY(input_.Peek());
      if (!open_) {
        if (piece.empty()) break;
        bz_stream fresh = {};
        fresh.next_out = stream_.next_out;
        fresh.avail_out = stream_.avail_out;
        stream_ = fresh;
        if (BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) return Err(Code::kInternal, "bzip2: cannot start");
        open_ = true;
      } else if (piece.empty()) {
        return CutShort("bzip2");
      }
      stream_.next_in = const_cast<char*>(piece.data());
      stream_.avail_in = static_cast<unsigned>(piece.size());
      int status = BZ2_bzDecompress(&stream_);
      input_.Use(piece.size() - stream_.avail_in);
      if (status == BZ_STREAM_END) {
        BZ2_bzDecompressEnd(&stream_);
        open_ = false;
      } else if (status != BZ_OK) {
        return Err(Code::kInvalid, "bzip2: corrupt data");
      }
    }
    return size - stream_.avail_out;
  }

 private:
  Input& input_;
  bz_stream stream_ = {};
  bool open_ = false;
};

class XzDecoder : public Decoder {
 public:
  explicit XzDecoder(Input& input) : input_(input) {}
  ~XzDecoder() override { lzma_end(&stream_); }
  Status Start() {
    lzma_mt options = {};
    options.flags = LZMA_CONCATENATED;
    options.threads = 2;
    options.memlimit_threading = kXzThreadedMemory;
    options.memlimit_stop = kXzMemory;
    if (lzma_stream_decoder_mt(&stream_, &options) != LZMA_OK) return Err(Code::kInternal, "xz: cannot start");
    return {};
  }
  Result<size_t> Read(char* data, size_t size) override {
    if (ended_) return size_t{0};
    stream_.next_out = reinterpret_cast<uint8_t*>(data);
    stream_.avail_out = size;
    while (stream_.avail_out != 0) {
      std::string_view piece = TRY(input_.Peek());
      stream_.next_in = reinterpret_cast<const uint8_t*>(piece.data());
      stream_.avail_in = piece.size();
      lzma_ret status = lzma_code(&stream_, piece.empty() ? LZMA_FINISH : LZMA_RUN);
      input_.Use(piece.size() - stream_.avail_in);
      if (status == LZMA_STREAM_END) {
        ended_ = true;
        break;
      }
      if (status == LZMA_BUF_ERROR && piece.empty()) return CutShort("xz");
      if (status == LZMA_MEMLIMIT_ERROR) {
        return Err(Code::kUnsupported, "xz: the file needs more than ", kXzMemory >> 20, " MiB of memory");
      }
      if (status != LZMA_OK && status != LZMA_BUF_ERROR) return Err(Code::kInvalid, "xz: corrupt data");
    }
    return size - stream_.avail_out;
  }

 private:
  Input& input_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class ZstdDecoder : public Decoder {
 public:
  explicit ZstdDecoder(Input& input) : input_(input), context_(ZSTD_createDCtx()) {}
  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }
  Status Start() {
    if (context_ == nullptr ||
        ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLog))) {
      return Err(Code::kInternal, "zstd: cannot start");
    }
    return {};
  }
  Result<size_t> Read(char* data, size_t size) override {
    ZSTD_outBuffer out = {data, size, 0};
    while (out.pos < size) {
      std::string_view piece = TRY(input_.Peek());
      if (piece.empty() && frame_ended_) break;
      ZSTD_inBuffer in = {piece.data(), piece.size(), 0};
      size_t before = out.pos;
      size_t status = ZSTD_decompressStream(context_, &out, &in);
      input_.Use(in.pos);
      if (ZSTD_isError(status)) {
        if (ZSTD_getErrorCode(status) == kWindowTooLarge) {
          return Err(Code::kUnsupported, "zstd: the file needs a window of more than ",
                     uint64_t{1} << (kZstdWindowLog - 20), " MiB");
        }
        return Err(Code::kInvalid, "zstd: corrupt data: ", ZSTD_getErrorName(status));
      }
      frame_ended_ = status == 0;
      if (piece.empty() && out.pos == before && !frame_ended_) return CutShort("zstd");
    }
    return out.pos;
  }

 private:
  // ZSTD_error_frameParameter_windowTooLarge of zstd_errors.h, stable since 1.3.1.
  static constexpr int kWindowTooLarge = 16;
  static int ZSTD_getErrorCode(size_t status) { return static_cast<int>(-static_cast<int64_t>(status)); }

  Input& input_;
  ZSTD_DCtx* context_;
  bool frame_ended_ = true;
};

// As the original guessed: no control characters that text does not have.
bool LooksLikeText(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte < 0x09 || byte == 0x0b || (byte > 0x0d && byte < 0x1b) || (byte > 0x1b && byte < 0x20);
  });
}

template <typename T>
Result<std::unique_ptr<Decoder>> Started(Input& input) {
  auto decoder = std::make_unique<T>(input);
  TRY(decoder->Start());
  return std::unique_ptr<Decoder>(std::move(decoder));
}

}  // namespace

Input::Input(int fd, std::string name, std::function<void(uint64_t)> on_read, int copy)
    : fd_(fd), name_(std::move(name)), on_read_(std::move(on_read)), copy_(copy), buffer_(kInputBuffer, '\0') {}

Input::Input(std::function<Result<std::string_view>()> source, std::string name)
    : fd_(-1), source_(std::move(source)), name_(std::move(name)), copy_(-1) {}

Result<size_t> Input::Fill(size_t offset) {
  ssize_t n;
  do {
    n = ::read(fd_, buffer_.data() + offset, buffer_.size() - offset);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return SysErr("read ", name_);
  const auto size = static_cast<size_t>(n);
  total_ += size;
  if (copy_ >= 0) {
    Status copied = WriteAll(copy_, std::string_view(buffer_).substr(offset, size));
    if (!copied && copied.error().err() != EPIPE) return std::move(copied).error();
    if (!copied) copy_ = -1;
  }
  return size;
}

Result<std::string_view> Input::Peek() {
  if (pending_.empty() && source_) {
    pending_ = TRY(source_());
  } else if (pending_.empty()) {
    size_t n = TRY(Fill(0));
    pending_ = std::string_view(buffer_).substr(0, n);
    if (n != 0 && on_read_) on_read_(total_);
  }
  return pending_;
}

Result<std::string_view> Input::Head(size_t size) {
  size_t have = 0;
  while (have < size && source_) {
    std::string_view piece = TRY(source_());
    if (piece.empty()) break;
    buffer_ += piece;
    have = buffer_.size();
  }
  while (have < size && !source_) {
    size_t n = TRY(Fill(have));
    if (n == 0) break;
    have += n;
  }
  pending_ = std::string_view(buffer_).substr(0, have);
  return pending_.substr(0, size);
}

namespace {
// By the first bytes; nothing where they are those of no compressed file.
Result<std::unique_ptr<Decoder>> MakeDecompressor(Input& input, std::string_view head) {
  if (head.starts_with("\x1f\x8b")) return std::unique_ptr<Decoder>(std::make_unique<GzipDecoder>(input));
  if (head.starts_with("BZh")) return std::unique_ptr<Decoder>(std::make_unique<Bzip2Decoder>(input));
  if (head.starts_with(std::string_view("\xfd" "7zXZ\0", 6))) return Started<XzDecoder>(input);
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Started<ZstdDecoder>(input);
  return std::unique_ptr<Decoder>();
}
}  // namespace

Result<std::unique_ptr<Decoder>> MakeLayerDecoder(Input& input) {
  auto decoder = TRY(MakeDecompressor(input, TRY(input.Head(kTarBlock))));
  if (!decoder) decoder = std::make_unique<PlainDecoder>(input);
  return decoder;
}

Result<std::unique_ptr<Decoder>> MakeDecoder(Input& input) {
  std::string_view head = TRY(input.Head(kTarBlock));
  if (auto decoder = TRY(MakeDecompressor(input, head))) return decoder;
  if (LooksLikeTar(head)) return std::unique_ptr<Decoder>(std::make_unique<PlainDecoder>(input));
  if (LooksLikeText(head)) return Err(Code::kInvalid, "no type returned from DetectFileType?");
  return Err(Code::kInvalid, "error: unknown image filetype");
}

}  // namespace rkt::fetch
