// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

// libexec/rkt/codec: compression for the commands that make images, so that rkt links none. Started by rkt:
//   codec compress gzip|zstd|xz     descriptor 0 to descriptor 1
//   codec decompress NAME           the same; the format is found in the data, NAME is for messages
// What went wrong is said on descriptor 2, without a newline, and the exit status is 1 where the input is at fault, else 2.

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "base/file.h"
#include "fetch/codec/encoder.h"
#include "fetch/decoder.h"

namespace {

using rkt::Result;
using rkt::Status;

constexpr size_t kBuffer = 256u << 10;

Status Write(std::string_view data) {
  if (Status written = rkt::WriteAll(STDOUT_FILENO, data); !written) {
    return rkt::ErrnoError(written.error().err(), "write");
  }
  return {};
}

Status Compress(const char* format) {
  auto encoder = TRY(rkt::fetch::MakeEncoder(format, Write));
  std::string buffer(kBuffer, '\0');
  for (;;) {
    ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return rkt::SysErr("read");
    if (n == 0) return encoder->Finish();
    TRY(encoder->Write(std::string_view(buffer).substr(0, static_cast<size_t>(n))));
  }
}

Status Decompress(const char* name) {
  rkt::fetch::Input input(STDIN_FILENO, name);
  auto decoder = TRY(rkt::fetch::MakeDecoder(input));
  std::string buffer(kBuffer, '\0');
  for (;;) {
    size_t n = TRY(decoder->Read(buffer.data(), buffer.size()));
    if (n == 0) return {};
    TRY(Write(std::string_view(buffer).substr(0, n)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  Status status = rkt::Err(rkt::Code::kInternal, "usage: codec compress FORMAT | codec decompress NAME");
  if (argc == 3 && std::strcmp(argv[1], "compress") == 0) {
    status = Compress(argv[2]);
  } else if (argc == 3 && std::strcmp(argv[1], "decompress") == 0) {
    status = Decompress(argv[2]);
  }
  if (status) return 0;
  (void)rkt::WriteAll(STDERR_FILENO, status.error().Text());
  return status.error().code() == rkt::Code::kInvalid ? 1 : 2;
}
