// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The progress of a transfer on standard error: on a terminal one line that is drawn anew, with a
// bar, the rate and the time that is left; elsewhere a line of its own each time. At most one a
// second, and a last one at the end.

#include <cstdint>
#include <string>
#include <string_view>

namespace rkt {

// Decimal multiples, three significant digits: "0 B", "32.8 KB", "1.15 MB".
std::string TransferSize(uint64_t bytes);

// "Downloading ACI: [=====   ] 1.15 MB/3.34 MB  420 KB/s, 5s left": fills `columns`. Without a
// terminal (columns 0): "Downloading ACI:  1.15 MB/3.34 MB". A size of 0 is not known: "... 32.8 KB
// of an unknown total size". `seconds` is how long it took up to now, for `since_start` bytes (a
// resumed transfer had some before).
std::string ProgressText(std::string_view what, uint64_t done, uint64_t total, int columns,
                         double seconds = 0, uint64_t since_start = 0);

class Progress {
 public:
  // `what` is what is downloaded: "ACI".
  explicit Progress(std::string what);
  // Finishes the line on a terminal.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // total 0: not known.
  void Update(uint64_t done, uint64_t total);
  // Draws what was last heard of once more, and ends the line.
  void Finish();

 private:
  void Draw(double now);
  std::string what_;
  bool terminal_;
  bool open_ = false;  // a line was drawn and not ended
  bool heard_ = false;
  uint64_t done_ = 0, total_ = 0, first_ = 0, drawn_ = 0;
  double start_ = 0, last_ = 0;
};

}  // namespace rkt
