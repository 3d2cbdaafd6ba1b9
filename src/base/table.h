// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Tables for people and for scripts that cut at tabs: columns aligned as Go's text/tabwriter does
// it with minimal width 0, tabs of 8, padding 1 and tabs as padding, which is the layout that
// scripts of the original know.

#include <string>
#include <string_view>
#include <vector>

namespace rkt {

// `text` with every tab-terminated cell padded with tabs to the width of its column. A column is a
// run of consecutive lines that have a cell there; the text after a line's last tab belongs to no
// column.
std::string AlignTabs(std::string_view text);

// Rows of cells, aligned when printed. Cells hold no tab and no newline (TerminalSafe sees to
// that).
class Table {
 public:
  void AddRow(const std::vector<std::string>& cells);
  std::string Text() const { return AlignTabs(text_); }

 private:
  std::string text_;
};

}  // namespace rkt
