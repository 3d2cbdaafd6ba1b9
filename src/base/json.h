// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// JSON documents: a value type that keeps what the text said (order of keys, spelling of numbers,
// where each value stood), a strict parser and a writer whose output is byte for byte what Go's
// encoder prints. The parsing library is fenced in json.cc; nothing throws.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace rkt::json {

enum class Type : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
// "a string", "an object": for messages.
const char* TypeName(Type type);

class Value;
struct Member;

class Value {
 public:
  Value();  // null
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();
  Value(std::string text);       // NOLINT: implicit by design
  Value(std::string_view text);  // NOLINT
  Value(const char* text);       // NOLINT
  Value(bool value);             // NOLINT
  // clang-format off
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>)
  Value(T number) : Value(Number(std::to_string(number))) {}  // NOLINT
  // clang-format on
  // A number as it is to be written; the caller sees to its being one.
  static Value Number(std::string text);
  // Becomes a string or a number with this text, in place; the offset stays.
  void SetText(Type type, std::string text);
  void SetBool(bool value);
  void SetArray();   // empty
  void SetObject();  // empty
  static Value Array();
  static Value Array(std::vector<Value> items);
  static Value Array(const std::vector<std::string>& items);
  static Value Object();
  static Value Object(std::vector<Member> members);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // Each of these asks for its own type only (text() for strings and numbers, whose spelling it
  // gives).
  bool boolean() const { return *std::get_if<bool>(&data_); }
  const std::string& text() const { return *std::get_if<std::string>(&data_); }
  const std::vector<Value>& items() const { return *std::get_if<std::vector<Value>>(&data_); }
  std::vector<Value>& items() { return *std::get_if<std::vector<Value>>(&data_); }
  const std::vector<Member>& members() const { return *std::get_if<std::vector<Member>>(&data_); }
  std::vector<Member>& members() { return *std::get_if<std::vector<Member>>(&data_); }
  // A number without fraction or exponent that fits; nothing for all else.
  std::optional<int64_t> AsInt() const;
  std::optional<uint64_t> AsUint() const;

  // The member of an object, nullptr where there is none (or this is no object).
  const Value* Find(std::string_view key) const;
  Value* Find(std::string_view key);
  // Object: replaces in place, or appends; gives back the stored value. A null value becomes an
  // object.
  Value& Set(std::string_view key, Value value);
  // Object: whether there was such a member.
  bool Erase(std::string_view key);
  // Array (a null value becomes one).
  Value& Append(Value value);

  // Where the value began in the text that it was parsed from (bytes); 0 for one made here. See
  // Locate().
  uint32_t offset() const { return offset_; }
  void set_offset(uint32_t offset) { offset_ = offset; }

  // Same type and content; offsets do not count, the order of members does.
  bool operator==(const Value& other) const;

 private:
  Type type_ = Type::kNull;
  uint32_t offset_ = 0;
  std::variant<std::monostate, bool, std::string, std::vector<Value>, std::vector<Member>> data_;
};

struct Member {
  std::string key;
  Value value;
  bool operator==(const Member& other) const;
};

// Here, where Member is whole: the compiler needs that to destroy a vector of it.
inline Value::Value() = default;
inline Value::Value(const Value&) = default;
inline Value::Value(Value&&) noexcept = default;
inline Value& Value::operator=(const Value&) = default;
inline Value& Value::operator=(Value&&) noexcept = default;
inline Value::~Value() = default;
inline Value Value::Array() { return Array(std::vector<Value>()); }
inline Value Value::Object() { return Object(std::vector<Member>()); }
inline Value::Value(std::string text) : type_(Type::kString), data_(std::move(text)) {}
inline Value::Value(std::string_view text) : Value(std::string(text)) {}
inline Value::Value(const char* text) : Value(std::string(text)) {}
inline Value::Value(bool value) : type_(Type::kBool), data_(value) {}

struct ParseOptions {
  size_t max_size = 4u << 20;    // bytes of text
  size_t max_values = 1u << 18;  // values of all kinds
  int max_depth = 256;           // arrays and objects in each other
};

// The whole text as one value. Refused: duplicate keys in an object, invalid UTF-8, NUL, a byte
// order mark, text after the value, and what the options limit. Errors are kInvalid:
//   Error at line 3, column 14
//   <the source line, shortened around the place>
//                ^
//   what is wrong there
Result<Value> Parse(std::string_view text, const ParseOptions& options = {});

// Line and column, both counted from 1; the column in characters (code points).
struct Position {
  size_t line;
  size_t column;
};
Position Locate(std::string_view text, size_t offset);
// The message above for a place in the text.
std::string PointAt(std::string_view text, size_t offset, std::string_view what);

// One line without spaces.
std::string Write(const Value& value);
// One member a line, indented by tabs, no newline at the end.
std::string WriteIndented(const Value& value);
// A text as a JSON string, quotes included; '<', '>', '&', U+2028 and U+2029 escaped; bytes that
// are not UTF-8 become U+FFFD.
std::string QuoteString(std::string_view text);

}  // namespace rkt::json
