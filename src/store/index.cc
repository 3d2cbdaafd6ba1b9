// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "store/index.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

#include "base/fd.h"

namespace rkt::store {

namespace {

// "rktindex 1 COUNT KEYS-OFFSET FILE-SIZE\n", numbers with leading zeros.
constexpr char kMagic[] = "rktindex 1 ";
constexpr size_t kHeaderSize = 11 + 10 + 1 + 12 + 1 + 12 + 1;
// "HEX OFFSET\n"
constexpr size_t kKeyLineSize = kKeyDigits + 1 + 12 + 1;

Error Damaged(std::string_view what) {
  return Err(Code::kCorrupt, "the index of the image store is damaged: ", what);
}

bool IsHex(std::string_view text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

// Values of labels may hold anything.
std::string Escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || c == '%' || c == ',' || c == '=') {
      out += '%';
      out += HexEncode(&c, 1);
    } else {
      out += c;
    }
  }
  return out;
}

int HexDigit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool Unescape(std::string_view text, std::string* out) {
  out->clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) return false;
    *out += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
    i += 2;
  }
  return true;
}

std::string_view NextField(std::string_view* line) {
  size_t tab = line->find('\t');
  std::string_view field = line->substr(0, tab);
  line->remove_prefix(tab == std::string_view::npos ? line->size() : tab + 1);
  return field;
}

}  // namespace

bool IsKey(std::string_view text) {
  return text.size() == sizeof kKeyPrefix - 1 + kKeyDigits && text.starts_with(kKeyPrefix) &&
         IsHex(text.substr(sizeof kKeyPrefix - 1));
}

std::string WriteIndex(std::vector<IndexRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const IndexRow& a, const IndexRow& b) {
    return a.name != b.name ? a.name < b.name : a.key < b.key;
  });
  std::string text(kHeaderSize, '0');
  text.reserve(rows.size() * 300);
  std::vector<std::pair<std::string_view, size_t>> keys;
  for (const IndexRow& row : rows) {
    std::string_view digits = std::string_view(row.key).substr(sizeof kKeyPrefix - 1);
    keys.emplace_back(digits, text.size());
    text += StrCat(row.name, "\t", digits, "\t", row.import_time_ns, "\t", row.latest ? '1' : '0', "\t", row.size, "\t",
                   row.tree_size, "\t");
    for (size_t i = 0; i < row.labels.size(); ++i) {
      text += StrCat(i == 0 ? "" : ",", Escape(row.labels[i].name), "=", Escape(row.labels[i].value));
    }
    text += '\n';
  }
  size_t keys_offset = text.size();
  std::sort(keys.begin(), keys.end());
  char line[kKeyLineSize + 1];
  for (const auto& [digits, offset] : keys) {
    std::snprintf(line, sizeof line, "%.64s %012zu\n", digits.data(), offset);
    text += line;
  }
  char header[kHeaderSize + 1];
  std::snprintf(header, sizeof header, "%s%010zu %012zu %012zu\n", kMagic, rows.size(), keys_offset, text.size());
  text.replace(0, kHeaderSize, header);
  return text;
}

IndexView::IndexView(IndexView&& other) noexcept { *this = std::move(other); }
IndexView& IndexView::operator=(IndexView&& other) noexcept {
  if (this == &other) return *this;
  if (mapping_ != nullptr) ::munmap(mapping_, text_.size());
  mapping_ = std::exchange(other.mapping_, nullptr);
  owned_ = std::move(other.owned_);
  text_ = mapping_ != nullptr ? other.text_ : std::string_view(owned_);
  count_ = other.count_;
  keys_offset_ = other.keys_offset_;
  return *this;
}
IndexView::~IndexView() {
  if (mapping_ != nullptr) ::munmap(mapping_, text_.size());
}

Result<IndexView> IndexView::Open(int cas_dir) {
  auto file = OpenAt(cas_dir, "index", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) {
    if (file.error().err() == ELOOP) return Damaged("it is a symlink");
    return std::move(file).error();
  }
  struct stat st;
  if (::fstat(file->get(), &st) != 0) return SysErr("stat index");
  if (!S_ISREG(st.st_mode)) return Damaged("it is no regular file");
  if (st.st_size < static_cast<off_t>(kHeaderSize)) return Damaged("it is too short");
  IndexView view;
  void* mapping = ::mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE, file->get(), 0);
  if (mapping == MAP_FAILED) return SysErr("mmap index");
  view.mapping_ = mapping;
  view.text_ = std::string_view(static_cast<const char*>(mapping), static_cast<size_t>(st.st_size));
  TRY(view.ReadHeader());
  return view;
}

Result<IndexView> IndexView::OfText(std::string text) {
  IndexView view;
  view.owned_ = std::move(text);
  view.text_ = view.owned_;
  if (view.text_.size() < kHeaderSize) return Damaged("it is too short");
  TRY(view.ReadHeader());
  return view;
}

Status IndexView::ReadHeader() {
  constexpr size_t kMagicSize = sizeof kMagic - 1;
  auto count = ParseUint(text_.substr(kMagicSize, 10));
  auto keys = ParseUint(text_.substr(kMagicSize + 11, 12));
  auto size = ParseUint(text_.substr(kMagicSize + 24, 12));
  if (!text_.starts_with(kMagic) || !count || !keys || !size) return Damaged("its first line is not what it must be");
  if (*size != text_.size()) return Damaged(StrCat("it has ", text_.size(), " bytes instead of ", *size));
  if (*keys < kHeaderSize || *keys > *size || *size - *keys != *count * kKeyLineSize) {
    return Damaged("its parts do not fit together");
  }
  count_ = *count;
  keys_offset_ = *keys;
  return {};
}

Result<IndexRow> IndexView::RowAt(size_t offset, size_t* next) const {
  size_t end = offset < keys_offset_ ? text_.find('\n', offset) : std::string_view::npos;
  if (end == std::string_view::npos || end >= keys_offset_) return Damaged("a row does not end");
  std::string_view line = text_.substr(offset, end - offset);
  if (next != nullptr) *next = end + 1;
  IndexRow row;
  row.name = std::string(NextField(&line));
  row.key = StrCat(kKeyPrefix, NextField(&line));
  auto import_time = ParseInt(NextField(&line));
  std::string_view latest = NextField(&line);
  auto size = ParseInt(NextField(&line)), tree_size = ParseInt(NextField(&line));
  if (!appc::IsACIdentifier(row.name) || !IsKey(row.key) || !import_time || !size || !tree_size ||
      (latest != "0" && latest != "1")) {
    return Damaged(StrCat("the row at byte ", offset, " is malformed"));
  }
  row.import_time_ns = *import_time;
  row.latest = latest == "1";
  row.size = *size;
  row.tree_size = *tree_size;
  while (!line.empty()) {
    size_t comma = line.find(',');
    std::string_view label = line.substr(0, comma);
    line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
    size_t equals = label.find('=');
    appc::Label parsed;
    if (equals == std::string_view::npos || !Unescape(label.substr(0, equals), &parsed.name) ||
        !Unescape(label.substr(equals + 1), &parsed.value)) {
      return Damaged(StrCat("the row at byte ", offset, " has a malformed label"));
    }
    row.labels.push_back(std::move(parsed));
  }
  return row;
}

Result<std::vector<IndexRow>> IndexView::All() const {
  std::vector<IndexRow> rows;
  rows.reserve(count_);
  for (size_t offset = kHeaderSize; offset < keys_offset_;) rows.push_back(TRY(RowAt(offset, &offset)));
  if (rows.size() != count_) return Damaged("its rows are not as many as it says");
  return rows;
}

Result<std::vector<IndexRow>> IndexView::ByName(std::string_view name) const {
  // Bisects by bytes, then goes to the begin of the line: lines have no fixed length.
  auto line_start = [&](size_t at) {
    size_t newline = at == 0 ? std::string_view::npos : text_.rfind('\n', at - 1);
    return newline == std::string_view::npos ? 0 : newline + 1;
  };
  auto name_at = [&](size_t offset) {
    std::string_view line = text_.substr(offset, keys_offset_ - offset);
    return line.substr(0, line.find_first_of("\t\n"));
  };
  size_t low = kHeaderSize, high = keys_offset_;
  while (low < high) {
    size_t start = std::max(low, line_start(low + (high - low) / 2));
    if (name_at(start) < name) {
      size_t newline = text_.find('\n', start);
      if (newline == std::string_view::npos || newline >= keys_offset_) return Damaged("a row does not end");
      low = newline + 1;
    } else {
      high = start;
    }
  }
  std::vector<IndexRow> rows;
  while (low < keys_offset_ && name_at(low) == name) rows.push_back(TRY(RowAt(low, &low)));
  return rows;
}

std::string_view IndexView::KeyLine(size_t i) const {
  return text_.substr(keys_offset_ + i * kKeyLineSize, kKeyLineSize);
}

size_t IndexView::FirstKeyNotBelow(std::string_view digits) const {
  size_t low = 0, high = count_;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (KeyLine(middle).substr(0, kKeyDigits) < digits) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::optional<IndexRow>> IndexView::ByKey(std::string_view key) const {
  if (!IsKey(key)) return std::optional<IndexRow>();
  std::string_view digits = key.substr(sizeof kKeyPrefix - 1);
  size_t i = FirstKeyNotBelow(digits);
  if (i == count_ || KeyLine(i).substr(0, kKeyDigits) != digits) return std::optional<IndexRow>();
  auto offset = ParseUint(KeyLine(i).substr(kKeyDigits + 1, 12));
  if (!offset || *offset < kHeaderSize) return Damaged("a key leads nowhere");
  IndexRow row = TRY(RowAt(*offset, nullptr));
  if (row.key != key) return Damaged("a key leads to another row");
  return std::optional<IndexRow>(std::move(row));
}

Result<std::vector<std::string>> IndexView::ByKeyPrefix(std::string_view digits, size_t limit) const {
  std::vector<std::string> keys;
  for (size_t i = FirstKeyNotBelow(digits); i < count_ && keys.size() < limit; ++i) {
    std::string_view found = KeyLine(i).substr(0, kKeyDigits);
    if (!found.starts_with(digits)) break;
    if (!IsHex(found)) return Damaged("a malformed key");
    keys.push_back(StrCat(kKeyPrefix, found));
  }
  return keys;
}

}  // namespace rkt::store
