// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/native/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace rkt::native {

TerminalModes::TerminalModes(int fd) : fd_(fd) { is_terminal_ = ::tcgetattr(fd, &saved_) == 0; }

void TerminalModes::MakeRaw() {
  if (!is_terminal_) return;
  struct termios raw = saved_;
  ::cfmakeraw(&raw);
  ::tcsetattr(fd_, TCSANOW, &raw);
}

void TerminalModes::Restore() {
  if (is_terminal_) ::tcsetattr(fd_, TCSADRAIN, &saved_);
}

void TerminalModes::CopyModes(int to) {
  if (is_terminal_) ::tcsetattr(to, TCSANOW, &saved_);
}

void CopyWindowSize(int from, int to) {
  struct winsize size;
  if (::ioctl(from, TIOCGWINSZ, &size) == 0) ::ioctl(to, TIOCSWINSZ, &size);
}

bool EscapeDetector::Feed(std::string_view typed, int64_t now_ms) {
  for (char c : typed) {
    if (c != kEscape) {
      count_ = 0;
      continue;
    }
    if (count_ == 0 || now_ms - first_ms_ > 1000) {
      count_ = 0;
      first_ms_ = now_ms;
    }
    if (++count_ == 3) return true;
  }
  return false;
}

}  // namespace rkt::native
