// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/table.h"

#include <algorithm>

#include "base/strings.h"

namespace rkt {

namespace {

constexpr size_t kTabWidth = 8;
constexpr size_t kPadding = 1;

using Line = std::vector<std::string_view>;

// Characters, not bytes: every byte that does not continue a UTF-8 sequence.
size_t Width(std::string_view cell) {
  return static_cast<size_t>(
      std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class Aligner {
 public:
  explicit Aligner(std::vector<Line> lines) : lines_(std::move(lines)) {}

  std::string Run() {
    Block(0, lines_.size());
    return std::move(out_);
  }

 private:
  // Whether the line has a tab-terminated cell in this column.
  bool HasCell(size_t line, size_t column) const { return column + 1 < lines_[line].size(); }

  // Writes the lines [first, end), whose columns up to widths_.size() have their widths in widths_.
  void Block(size_t first, size_t end) {
    size_t column = widths_.size();
    for (size_t i = first; i < end;) {
      if (!HasCell(i, column)) {
        ++i;
        continue;
      }
      for (; first < i; ++first) Write(first);
      size_t width = 0;
      for (; i < end && HasCell(i, column); ++i) {
        width = std::max(width, Width(lines_[i][column]) + kPadding);
      }
      widths_.push_back((width + kTabWidth - 1) / kTabWidth * kTabWidth);
      Block(first, i);
      widths_.pop_back();
      first = i;
    }
    for (; first < end; ++first) Write(first);
  }

  void Write(size_t index) {
    const Line& line = lines_[index];
    for (size_t j = 0; j < line.size(); ++j) {
      out_ += line[j];
      if (j < widths_.size() && j + 1 < line.size()) {
        size_t missing = widths_[j] - Width(line[j]);
        out_.append((missing + kTabWidth - 1) / kTabWidth, '\t');
      }
    }
    if (index + 1 < lines_.size()) out_ += '\n';
  }

  std::vector<Line> lines_;
  std::vector<size_t> widths_;
  std::string out_;
};

std::vector<std::string_view> SplitViews(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    size_t at = text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

std::string AlignTabs(std::string_view text) {
  std::vector<Line> lines;
  for (std::string_view line : SplitViews(text, '\n')) lines.push_back(SplitViews(line, '\t'));
  return Aligner(std::move(lines)).Run();
}

void Table::AddRow(const std::vector<std::string>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) text_ += '\t';
    text_ += cells[i];
  }
  text_ += '\n';
}

}  // namespace rkt
