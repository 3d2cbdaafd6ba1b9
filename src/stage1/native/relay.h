// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Between a descriptor of the caller's and a program that must not have it itself: a terminal of the host's, which
// whoever has it open can read and write for as long as they like, and whose modes and input they can change.

#include <poll.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::native {

class Relay {
 public:
  // `descriptor` is the caller's; what comes out of it is the program's input, or its output goes there.
  Relay(int descriptor, bool input) : descriptor_(descriptor), input_(input) {}

  Status Open();
  // For the program. Closed by Start, in this process.
  int program_end() const { return theirs_.get(); }
  // When the program has been started.
  void Start() { theirs_.Close(); }
  // What is waited for: nothing (-1), or reading or writing.
  struct pollfd Wanted() const;
  void Serve();
  // The program has ended: what it left in the pipe goes out. Others may go on writing there; they are not waited for.
  void Finish();

 private:
  bool Read();
  bool Write();

  int descriptor_;
  bool input_;
  Fd ours_, theirs_;
  std::string buffer_;
  bool open_ = true;  // where it comes from has not ended
};

}  // namespace rkt::native
