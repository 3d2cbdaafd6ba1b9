// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The progress of several transfers at once on standard error: on a terminal a line with a bar for each one under way,
// drawn anew twice a second, what is complete standing above them; elsewhere a line each time, at most one a second for
// each transfer, and one at its end.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rkt {

// "Downloading sha256:e5922158a48 [==  ] 180 B / 188 B" fills `columns`; with 0 (no terminal) there is no bar. The digest is
// cut to 18 characters. A total of 0 is not known.
std::string LayerProgressText(std::string_view digest, uint64_t done, uint64_t total, int columns);

class LayerProgress {
 public:
  LayerProgress();
  LayerProgress(const LayerProgress&) = delete;
  LayerProgress& operator=(const LayerProgress&) = delete;

  void Update(const std::string& digest, uint64_t done, uint64_t total);
  // Makes room for other lines on the terminal: what is under way is drawn again below them.
  void Clear();
  // Draws what was last heard of.
  void Finish();

 private:
  struct Layer {
    std::string digest;
    uint64_t done = 0, total = 0;
    double drawn = -1;         // when, without a terminal
    bool complete = false;     // its last line was drawn
  };
  void DrawPlain(Layer& layer, double now);
  void DrawTerminal(double now);

  bool terminal_;
  std::vector<Layer> layers_;
  size_t lines_ = 0;  // that can be drawn anew
  double last_ = -1;
};

}  // namespace rkt
