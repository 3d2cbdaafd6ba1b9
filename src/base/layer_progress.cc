// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/layer_progress.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/progress.h"

namespace rkt {

namespace {

constexpr size_t kDigestShown = 18;
constexpr int kColumns = 80;
constexpr double kRedraw = 0.5, kPlainInterval = 1;

double Seconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

std::string LayerProgressText(std::string_view digest, uint64_t done, uint64_t total, int columns) {
  std::string head = StrCat("Downloading ", TerminalSafe(digest.substr(0, kDigestShown)), " ");
  std::string amount = total == 0 ? StrCat(TransferSize(done), " of an unknown total size")
                                  : StrCat(TransferSize(done), " / ", TransferSize(total));
  size_t width = static_cast<size_t>(std::max(columns, 0)), used = head.size() + amount.size() + 3;
  if (columns == 0 || total == 0 || used + 4 > width) return (head + amount).substr(0, columns == 0 ? std::string::npos : width);
  size_t bar = width - used;
  size_t filled = static_cast<size_t>(std::min(1.0, static_cast<double>(done) / static_cast<double>(total)) *
                                      static_cast<double>(bar));
  return StrCat(head, "[", std::string(filled, '='), std::string(bar - filled, ' '), "] ", amount);
}

LayerProgress::LayerProgress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void LayerProgress::Update(const std::string& digest, uint64_t done, uint64_t total) {
  auto layer = std::find_if(layers_.begin(), layers_.end(), [&](const Layer& other) { return other.digest == digest; });
  if (layer == layers_.end()) layer = layers_.insert(layer, Layer{.digest = digest});
  layer->done = done;
  layer->total = total;
  double now = Seconds();
  if (terminal_) {
    if (last_ < 0 || now - last_ >= kRedraw) DrawTerminal(now);
  } else if (done == total || layer->drawn < 0 || now - layer->drawn >= kPlainInterval) {
    DrawPlain(*layer, now);
  }
}

void LayerProgress::DrawPlain(Layer& layer, double now) {
  if (layer.complete) return;
  layer.drawn = now;
  layer.complete = layer.done == layer.total;
  (void)WriteAll(STDERR_FILENO, LayerProgressText(layer.digest, layer.done, layer.total, 0) + "\n");
}

void LayerProgress::DrawTerminal(double now) {
  last_ = now;
  winsize size = {};
  int columns = kColumns;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = std::min<int>(kColumns, size.ws_col);
  // Back to the first line that may change; what is complete comes before what is not, and stays.
  std::string text = lines_ == 0 ? std::string() : StrCat("\x1b[", lines_, "A");
  lines_ = 0;
  for (bool complete : {true, false}) {
    for (Layer& layer : layers_) {
      if (layer.complete || (layer.done == layer.total) != complete) continue;
      text += StrCat("\r", LayerProgressText(layer.digest, layer.done, layer.total, columns), "\x1b[K\n");
      layer.complete = complete;
      lines_ += complete ? 0 : 1;
    }
  }
  (void)WriteAll(STDERR_FILENO, text);
}

void LayerProgress::Clear() {
  if (lines_ != 0) (void)WriteAll(STDERR_FILENO, StrCat("\x1b[", lines_, "A\r\x1b[J"));
  lines_ = 0;
  last_ = -1;
}

void LayerProgress::Finish() {
  double now = Seconds();
  if (terminal_) {
    if (!layers_.empty()) DrawTerminal(now);
    return;
  }
  for (Layer& layer : layers_) DrawPlain(layer, now);
}

}  // namespace rkt
