// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Reading typed values out of a JSON document: every error names line, column, field and rule. The
// first error stays, later steps go on harmlessly, so that callers ask once at the end. Null counts
// as missing, as in Go.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appc/app.h"
#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

// Where in the document: a chain on the stack, put into text only for an error.
struct Path {
  const Path* parent = nullptr;
  std::string_view key = {};
  size_t index = SIZE_MAX;

  // app.ports[0].port
  std::string Text() const;
};

// The document that is being read and its first error.
class Source {
 public:
  explicit Source(std::string_view text) : text_(text) {}
  // "line L, column C: FIELD: RULE"
  void Fail(const json::Value& at, const Path& path, std::string_view rule);
  bool failed() const { return error_.has_value(); }
  Status Finish() const;

 private:
  std::string_view text_;
  std::optional<Error> error_;
};

// A value as it may appear in a message: quoted and cut.
std::string Shown(std::string_view text);

// The members of one object.
class ObjectReader {
 public:
  ObjectReader(Source& source, const json::Value& value, const Path& path);

  // The member, nullptr where it is missing or null. Counted as known from then on.
  const json::Value* Take(std::string_view key);
  // The same, an error where it is missing.
  const json::Value* Require(std::string_view key);
  void Missing(std::string_view key) { Fail(value_, key, "is missing"); }
  void Fail(const json::Value& at, std::string_view key, std::string_view rule);

  // Each leaves `out` alone where the member is missing.
  void String(std::string_view key, std::string* out);
  void Bool(std::string_view key, bool* out);
  void Uint(std::string_view key, uint64_t max, uint64_t* out);
  void Uint32(std::string_view key, uint32_t max, uint32_t* out);
  void Strings(std::string_view key, std::vector<std::string>* out);
  // Required text that `check` lets pass.
  void Checked(std::string_view key, Status (*check)(std::string_view), std::string* out);
  // Calls read(item, path) for each item of an array.
  template <typename Read>
  void Each(std::string_view key, Read read) {
    const json::Value* list = Take(key);
    if (!list) return;
    if (!list->is_array()) return Fail(*list, key, "must be an array");
    Path here{&path_, key};
    for (size_t i = 0; i < list->items().size() && !source_.failed(); ++i) {
      read(list->items()[i], Path{&here, {}, i});
    }
  }
  // The members that nobody took.
  void Finish(Unknown* unknown);

  Source& source() { return source_; }
  const json::Value& value() const { return value_; }
  const Path& path() const { return path_; }

 private:
  Source& source_;
  const json::Value& value_;
  const Path& path_;
  std::vector<bool> taken_;
};

// A string without NUL, else an error.
bool ReadString(Source& source, const json::Value& value, const Path& path, std::string* out);

// The parts that both kinds of manifest have.
void ReadKindAndVersion(ObjectReader& reader, std::string_view kind, std::string* version);
void ReadLabels(ObjectReader& reader, bool manifest_rules, std::vector<Label>* out);
void ReadAnnotations(ObjectReader& reader, Annotations* out);
void ReadIsolators(ObjectReader& reader, Isolators* out);
void ReadStringMap(ObjectReader& reader, std::string_view key, StringMap* out);
void ReadVolume(Source& source, const json::Value& value, const Path& path, Volume* out);
void ReadPort(Source& source, const json::Value& value, const Path& path, Port* out);
void ReadApp(Source& source, const json::Value& value, const Path& path, App* out);

// Appends the members that were kept.
void WriteUnknown(json::Value& object, const Unknown& unknown);

}  // namespace rkt::appc
