// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace rkt::native {

namespace {
constexpr size_t kPiece = 16 << 10;
}  // namespace

Status Relay::Open() {
  auto [read_end, write_end] = TRY(MakePipe());
  ours_ = std::move(input_ ? write_end : read_end);
  theirs_ = std::move(input_ ? read_end : write_end);
  if (::fcntl(ours_.get(), F_SETFL, O_NONBLOCK) != 0) return SysErr("fcntl");
  return {};
}

struct pollfd Relay::Wanted() const {
  if (!ours_) return {-1, 0, 0};
  int from = input_ ? descriptor_ : ours_.get();
  int to = input_ ? ours_.get() : descriptor_;
  if (!buffer_.empty()) return {to, POLLOUT, 0};
  return open_ ? pollfd{from, POLLIN, 0} : pollfd{-1, 0, 0};
}

// Whether something has come.
bool Relay::Read() {
  char piece[kPiece];
  ssize_t n = ::read(input_ ? descriptor_ : ours_.get(), piece, sizeof piece);
  if (n > 0) buffer_.append(piece, static_cast<size_t>(n));
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) open_ = false;
  return n > 0;
}

// Whether something has gone.
bool Relay::Write() {
  ssize_t n = ::write(input_ ? ours_.get() : descriptor_, buffer_.data(), buffer_.size());
  if (n > 0) buffer_.erase(0, static_cast<size_t>(n));
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    // Nobody is there to take it any more.
    buffer_.clear();
    open_ = false;
  }
  return n > 0;
}

void Relay::Serve() {
  if (buffer_.empty() && open_) {
    Read();
  } else if (!buffer_.empty()) {
    Write();
  }
  if (!open_ && buffer_.empty()) ours_.Close();
}

void Relay::Finish() {
  if (input_ || !ours_) return;
  // As much as a pipe holds, and the buffer.
  for (int round = 0; round < 64 && open_ && Read(); ++round) {
  }
  while (!buffer_.empty()) {
    struct pollfd poll = {descriptor_, POLLOUT, 0};
    if (::poll(&poll, 1, 1000) <= 0 || !Write()) break;
  }
  ours_.Close();
}

}  // namespace rkt::native
