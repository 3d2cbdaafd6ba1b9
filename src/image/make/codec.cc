// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/make/codec.h"

#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/tar.h"

namespace rkt::image {

namespace {

constexpr size_t kBuffer = 256u << 10;
constexpr size_t kMaxMessage = 64u << 10;

Result<std::string> FindCodec() {
  char executable[PATH_MAX];
  ssize_t n = ::readlink("/proc/self/exe", executable, sizeof executable);
  if (n <= 0) return SysErr("readlink /proc/self/exe");
  std::string directory(executable, static_cast<size_t>(n));
  directory.resize(directory.rfind('/'));
  std::string installed = StrCat(directory, "/../libexec/rkt/codec");
  for (const std::string& candidate : {installed, StrCat(directory, "/codec")}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Err(Code::kNotFound, "the program that compresses is missing: ", installed);
}

struct Started {
  Child child;
  Fd messages;
};

Result<Started> StartCodec(std::vector<std::string> arguments, int in, int out) {
  auto [messages, messages_end] = TRY(MakePipe());
  SpawnOptions spawn;
  spawn.program = TRY(FindCodec());
  spawn.argv = std::move(arguments);
  spawn.argv.insert(spawn.argv.begin(), "codec");
  spawn.fds = {{in, 0}, {out, 1}, {messages_end.get(), 2}};
  return Started{TRY(Child::Spawn(spawn)), std::move(messages)};
}

// How the codec ended: success, or what it had to say.
Status EndCodec(std::optional<Child>& child, const Fd& messages, const std::string& name) {
  std::string message = TRY(ReadFd(messages.get(), kMaxMessage));
  ExitStatus exit = TRY(child->Wait());
  child.reset();
  if (exit.ok()) return {};
  if (exit.signaled) return Err(Code::kInternal, name, ": libexec/rkt/codec was killed by signal ", exit.code);
  if (message.empty()) return Err(Code::kInternal, name, ": libexec/rkt/codec failed without a word");
  return Err(exit.code == 1 ? Code::kInvalid : Code::kInternal, name, ": ", message);
}

}  // namespace

Result<Compression> ParseCompression(std::string_view word) {
  if (word == "gzip") return Compression::kGzip;
  if (word == "zstd") return Compression::kZstd;
  if (word == "xz") return Compression::kXz;
  if (word == "none") return Compression::kNone;
  return Err(Code::kInvalid, "unknown compression ", Quote(word), " (known are gzip, zstd, xz, none)");
}

Result<Compression> CompressionOf(int file) {
  char head[kTarBlock] = {};
  ssize_t n = ::pread(file, head, sizeof head, 0);
  if (n < 0) return SysErr("read");
  std::string_view block(head, static_cast<size_t>(n));
  using namespace std::string_view_literals;
  if (block.starts_with("\x1f\x8b"sv)) return Compression::kGzip;
  if (block.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::kZstd;
  if (block.starts_with("\xfd"
                        "7zXZ\0"sv)) {
    return Compression::kXz;
  }
  if (LooksLikeTar(block)) return Compression::kNone;
  return Compression::kOther;
}

// --- reading

Result<ArchiveInput> ArchiveInput::Open(int file, const std::string& name) {
  ArchiveInput input(name);
  if (TRY(CompressionOf(file)) == Compression::kNone) {
    input.data_ = TRY(DupFd(file));
    return input;
  }
  auto [data, data_end] = TRY(MakePipe());
  Started started = TRY(StartCodec({"decompress", name}, file, data_end.get()));
  input.data_ = std::move(data);
  input.messages_ = std::move(started.messages);
  input.codec_ = std::move(started.child);
  return input;
}

Result<std::string_view> ArchiveInput::Read() {
  while (!ended_) {
    ssize_t n = ::read(data_.get(), buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SysErr("read ", name_);
    if (n > 0) return std::string_view(buffer_).substr(0, static_cast<size_t>(n));
    ended_ = true;
    if (codec_) TRY(EndCodec(codec_, messages_, name_));
  }
  return std::string_view();
}

// --- writing

Result<ArchiveOutput> ArchiveOutput::Open(int file, const std::string& name, Compression compression) {
  ArchiveOutput output(name);
  const char* format = compression == Compression::kGzip   ? "gzip"
                       : compression == Compression::kZstd ? "zstd"
                       : compression == Compression::kXz   ? "xz"
                                                           : nullptr;
  if (format == nullptr) {
    if (compression != Compression::kNone) return Err(Code::kUnsupported, name, ": images are not compressed so");
    output.data_ = TRY(DupFd(file));
    return output;
  }
  // A socket and no pipe: writing to a codec that has died must not kill this process.
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return SysErr("socketpair");
  output.data_ = Fd(ends[0]);
  Fd theirs(ends[1]);
  Started started = TRY(StartCodec({"compress", format}, theirs.get(), file));
  output.messages_ = std::move(started.messages);
  output.codec_ = std::move(started.child);
  return output;
}

Status ArchiveOutput::Flush() {
  std::string_view data = buffer_;
  while (!data.empty()) {
    ssize_t n = codec_ ? ::send(data_.get(), data.data(), data.size(), MSG_NOSIGNAL)
                       : ::write(data_.get(), data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int err = errno;
      if (codec_ && (err == EPIPE || err == ECONNRESET)) TRY(EndCodec(codec_, messages_, name_));
      return ErrnoError(err, StrCat("write ", name_));
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  buffer_.clear();
  return {};
}

Status ArchiveOutput::Write(std::string_view data) {
  hash_.Update(data);
  buffer_.append(data);
  return buffer_.size() < kBuffer ? Status() : Flush();
}

Result<std::string> ArchiveOutput::Finish() {
  TRY(Flush());
  data_.Close();
  if (codec_) TRY(EndCodec(codec_, messages_, name_));
  return StrCat("sha512-", hash_.HexDigest().substr(0, 64));
}

}  // namespace rkt::image
