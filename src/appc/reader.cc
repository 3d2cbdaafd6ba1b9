// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/reader.h"

#include <algorithm>

namespace rkt::appc {

std::string Path::Text() const {
  std::string out = parent ? parent->Text() : std::string();
  if (index != SIZE_MAX) return StrCat(out, "[", index, "]");
  if (key.empty()) return out;
  // Keys come from the document: what is no plain word is shown quoted.
  bool plain = key.size() <= 80 && std::all_of(key.begin(), key.end(), [](char c) {
                 return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/';
               });
  if (!plain) return StrCat(out, "[", Shown(key), "]");
  return out.empty() ? std::string(key) : StrCat(out, ".", key);
}

void Source::Fail(const json::Value& at, const Path& path, std::string_view rule) {
  if (error_) return;
  json::Position position = json::Locate(text_, at.offset());
  std::string field = path.Text();
  error_ = Err(Code::kInvalid, "line ", position.line, ", column ", position.column, ": ",
               field.empty() ? "manifest" : field, ": ", rule);
}

Status Source::Finish() const {
  if (error_) return *error_;
  return {};
}

std::string Shown(std::string_view text) {
  constexpr size_t kMost = 80;
  return text.size() <= kMost ? Quote(text) : StrCat(Quote(text.substr(0, kMost)), "...");
}

ObjectReader::ObjectReader(Source& source, const json::Value& value, const Path& path)
    : source_(source), value_(value), path_(path) {
  if (value.is_object()) {
    taken_.resize(value.members().size());
  } else {
    source.Fail(value, path, "must be an object");
  }
}

void ObjectReader::Fail(const json::Value& at, std::string_view key, std::string_view rule) {
  source_.Fail(at, Path{&path_, key}, rule);
}

const json::Value* ObjectReader::Take(std::string_view key) {
  for (size_t i = 0; i < taken_.size(); ++i) {
    const json::Member& member = value_.members()[i];
    if (member.key != key) continue;
    taken_[i] = true;
    return member.value.is_null() ? nullptr : &member.value;
  }
  return nullptr;
}

const json::Value* ObjectReader::Require(std::string_view key) {
  const json::Value* value = Take(key);
  if (!value) Missing(key);
  return value;
}

bool ReadString(Source& source, const json::Value& value, const Path& path, std::string* out) {
  if (!value.is_string()) {
    source.Fail(value, path, "must be a string");
    return false;
  }
  // Whatever becomes a path, an argument or a variable would end there.
  if (value.text().find('\0') != std::string::npos) {
    source.Fail(value, path, "must not contain NUL");
    return false;
  }
  *out = value.text();
  return true;
}

void ObjectReader::String(std::string_view key, std::string* out) {
  if (const json::Value* value = Take(key)) ReadString(source_, *value, Path{&path_, key}, out);
}

void ObjectReader::Bool(std::string_view key, bool* out) {
  const json::Value* value = Take(key);
  if (!value) return;
  if (!value->is_bool()) return Fail(*value, key, "must be true or false");
  *out = value->boolean();
}

void ObjectReader::Uint(std::string_view key, uint64_t max, uint64_t* out) {
  const json::Value* value = Take(key);
  if (!value) return;
  std::optional<uint64_t> number = value->AsUint();
  if (!number || *number > max) {
    return Fail(*value, key, StrCat("must be a whole number between 0 and ", max));
  }
  *out = *number;
}

void ObjectReader::Uint32(std::string_view key, uint32_t max, uint32_t* out) {
  uint64_t number = *out;
  Uint(key, max, &number);
  *out = static_cast<uint32_t>(number);
}

void ObjectReader::Strings(std::string_view key, std::vector<std::string>* out) {
  Each(key, [&](const json::Value& item, const Path& path) {
    ReadString(source_, item, path, &out->emplace_back());
  });
}

void ObjectReader::Checked(std::string_view key, Status (*check)(std::string_view),
                           std::string* out) {
  const json::Value* value = Require(key);
  if (!value || !ReadString(source_, *value, Path{&path_, key}, out)) return;
  if (Status status = check(*out); !status) Fail(*value, key, status.error().message());
}

void ObjectReader::Finish(Unknown* unknown) {
  for (size_t i = 0; i < taken_.size(); ++i) {
    if (!taken_[i]) unknown->push_back(value_.members()[i]);
  }
}

void WriteUnknown(json::Value& object, const Unknown& unknown) {
  // They are none of the known ones, so nothing is looked up: there may be very many.
  std::vector<json::Member>& members = object.members();
  members.insert(members.end(), unknown.begin(), unknown.end());
}

}  // namespace rkt::appc
