// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The user's terminal under --interactive: raw while the app runs, put back afterwards; the way out by ^] thrice
// within a second; the window's size handed on.

#include <termios.h>

#include <cstdint>
#include <string_view>

namespace rkt::native {

// Remembers the modes of a terminal and restores them; does nothing on anything else.
class TerminalModes {
 public:
  explicit TerminalModes(int fd);
  bool is_terminal() const { return is_terminal_; }
  void MakeRaw();
  void Restore();
  // Gives another terminal the modes that this one had.
  void CopyModes(int to);

 private:
  int fd_;
  bool is_terminal_ = false;
  struct termios saved_ = {};
};

// Copies the window size of one terminal to another.
void CopyWindowSize(int from, int to);

// Counts ^] (0x1d): true when the third within a second has been typed. Times in milliseconds.
class EscapeDetector {
 public:
  bool Feed(std::string_view typed, int64_t now_ms);

 private:
  static constexpr char kEscape = 0x1d;
  int count_ = 0;
  int64_t first_ms_ = 0;
};

}  // namespace rkt::native
