// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The index of the store, docs/formats/store-index.md: a file of sorted text lines, searched in place and replaced
// as a whole by rename. Readers take no lock; writers hold index.lock (Store does that).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/names.h"
#include "base/result.h"

namespace rkt::store {

struct IndexRow {
  std::string key;   // with "sha512-"
  std::string name;
  std::vector<appc::Label> labels;
  int64_t import_time_ns = 0;
  bool latest = false;
  int64_t size = 0;
  int64_t tree_size = 0;
  bool operator==(const IndexRow&) const = default;
};

inline constexpr char kKeyPrefix[] = "sha512-";
inline constexpr size_t kKeyDigits = 64;

// Whether the text is a whole key: "sha512-" and 64 lower-case hex digits.
bool IsKey(std::string_view text);

// The file's content for these rows, in any order.
std::string WriteIndex(std::vector<IndexRow> rows);

// The index as it was when opened. All errors are kCorrupt: the index is damaged, and can be rebuilt.
class IndexView {
 public:
  // kNotFound where there is no index.
  static Result<IndexView> Open(int cas_dir);
  static Result<IndexView> OfText(std::string text);  // for tests
  IndexView(IndexView&& other) noexcept;
  IndexView& operator=(IndexView&& other) noexcept;
  ~IndexView();

  size_t size() const { return count_; }
  Result<std::vector<IndexRow>> All() const;
  Result<std::vector<IndexRow>> ByName(std::string_view name) const;
  Result<std::optional<IndexRow>> ByKey(std::string_view key) const;
  // Keys beginning with the hex digits, `limit` at most.
  Result<std::vector<std::string>> ByKeyPrefix(std::string_view digits, size_t limit) const;

 private:
  IndexView() = default;
  Status ReadHeader();
  Result<IndexRow> RowAt(size_t offset, size_t* next) const;
  std::string_view KeyLine(size_t i) const;
  size_t FirstKeyNotBelow(std::string_view digits) const;

  std::string_view text_;
  void* mapping_ = nullptr;
  std::string owned_;
  size_t count_ = 0;
  size_t keys_offset_ = 0;
};

}  // namespace rkt::store
