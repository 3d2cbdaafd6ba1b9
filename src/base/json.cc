// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/json.h"

#define JSON_NO_IO 1
#define JSON_HAS_FILESYSTEM 0
#define JSON_HAS_EXPERIMENTAL_FILESYSTEM 0
#define JSON_USE_GLOBAL_UDLS 0
#include <algorithm>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>

namespace rkt::json {

namespace {

bool IsBetweenTokens(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}
bool IsInNumber(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// Hands the text to the parser and tells how far it has read: the SAX interface says nothing of
// places.
class Cursor {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** shared) : at_(at), shared_(shared) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *shared_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** shared_;
};

// The library's own words for what it met, without its prefix and without the bytes it quotes.
std::string Reason(std::string_view what) {
  size_t at = what.find("syntax error ");
  if (at != std::string_view::npos) what.remove_prefix(at);
  if (at == std::string_view::npos && (at = what.find("] ")) != std::string_view::npos) {
    what.remove_prefix(at + 2);
  }
  if (at = what.find("; last read: "); at != std::string_view::npos) what = what.substr(0, at);
  return TerminalSafe(what);
}

// Builds the tree. Every event comes right after its token was read, so that a token's place is the
// first byte behind the token before it that is no white space, colon or comma.
class Builder {
 public:
  Builder(std::string_view text, const ParseOptions& options) : text_(text), options_(options) {}

  const char** cursor() { return &cursor_; }
  void Start() { cursor_ = text_.data(); }
  Value TakeRoot() { return std::move(root_); }
  const std::optional<Error>& error() const { return error_; }

  bool null() { return Put() != nullptr; }
  bool boolean(bool value) {
    Value* place = Put();
    if (place) place->SetBool(value);
    return place != nullptr;
  }
  bool number_integer(int64_t) { return AddNumber(); }
  bool number_unsigned(uint64_t) { return AddNumber(); }
  bool number_float(double, const std::string&) { return AddNumber(); }
  bool string(std::string& text) {
    Value* place = Put();
    if (place) place->SetText(Type::kString, std::move(text));
    return place != nullptr;
  }
  bool binary(std::vector<uint8_t>&) { return false; }
  bool start_object(size_t) {
    Value* place = Open();
    if (place) place->SetObject();
    return place != nullptr;
  }
  bool start_array(size_t) {
    Value* place = Open();
    if (place) place->SetArray();
    return place != nullptr;
  }
  bool key(std::string& name) {
    std::vector<Member>& members = open_.back()->members();
    if (members.empty()) members.reserve(4);
    members.emplace_back().key = std::move(name);
    end_ = Consumed();
    return true;
  }
  bool end_object() { return CheckKeys(*open_.back()) && Close(); }
  bool end_array() { return Close(); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    return Fail(position > 0 ? position - 1 : 0, Reason(error.what()));
  }

 private:
  size_t Consumed() const { return static_cast<size_t>(cursor_ - text_.data()); }

  size_t TokenStart() const {
    size_t at = end_;
    while (at < text_.size() && IsBetweenTokens(text_[at])) ++at;
    return at;
  }

  bool Fail(size_t offset, std::string_view what) {
    if (!error_) error_ = Error(Code::kInvalid, PointAt(text_, offset, what));
    return false;
  }

  // Where the next value belongs.
  Value* Place() {
    if (open_.empty()) return &root_;
    Value* parent = open_.back();
    if (parent->is_object()) return &parent->members().back().value;
    std::vector<Value>& items = parent->items();
    if (items.empty()) items.reserve(4);
    return &items.emplace_back();
  }

  // A new null at its place in the tree, nullptr where there are too many values.
  Value* Put() {
    size_t start = TokenStart();
    if (++count_ > options_.max_values) {
      Fail(start, StrCat("more than ", options_.max_values, " values"));
      return nullptr;
    }
    Value* value = Place();
    value->set_offset(static_cast<uint32_t>(start));
    end_ = Consumed();
    return value;
  }

  // The lexer has read one byte past a number.
  bool AddNumber() {
    Value* value = Put();
    if (!value) return false;
    size_t start = value->offset();
    end_ = start;
    while (end_ < text_.size() && IsInNumber(text_[end_])) ++end_;
    value->SetText(Type::kNumber, std::string(text_.substr(start, end_ - start)));
    return true;
  }

  Value* Open() {
    if (open_.size() >= static_cast<size_t>(options_.max_depth)) {
      Fail(TokenStart(), StrCat("more than ", options_.max_depth, " levels deep"));
      return nullptr;
    }
    Value* value = Put();
    if (value) open_.push_back(value);
    return value;
  }

  bool Close() {
    open_.pop_back();
    end_ = Consumed();
    return true;
  }

  // Two parsers may disagree on which of two equal keys counts, so there must be one only.
  bool CheckKeys(const Value& object) {
    const std::vector<Member>& members = object.members();
    const Member* twice = nullptr;
    if (members.size() <= 16) {
      for (size_t i = 1; i < members.size() && !twice; ++i) {
        for (size_t j = 0; j < i; ++j) {
          if (members[i].key == members[j].key) twice = &members[i];
        }
      }
    } else {
      std::vector<const Member*> sorted;
      sorted.reserve(members.size());
      for (const Member& member : members) sorted.push_back(&member);
      std::sort(sorted.begin(), sorted.end(), [](const Member* a, const Member* b) {
        int order = a->key.compare(b->key);
        return order < 0 || (order == 0 && a < b);
      });
      for (size_t i = 1; i < sorted.size() && !twice; ++i) {
        if (sorted[i]->key == sorted[i - 1]->key) twice = sorted[i];
      }
    }
    if (!twice) return true;
    return Fail(twice->value.offset(), StrCat("duplicate key ", Quote(twice->key)));
  }

  std::string_view text_;
  const ParseOptions& options_;
  const char* cursor_ = nullptr;
  size_t end_ = 0;  // behind the token before
  size_t count_ = 0;
  Value root_;
  std::vector<Value*> open_;
  std::optional<Error> error_;
};

}  // namespace

const char* TypeName(Type type) {
  switch (type) {
    case Type::kNull:
      return "null";
    case Type::kBool:
      return "a boolean";
    case Type::kNumber:
      return "a number";
    case Type::kString:
      return "a string";
    case Type::kArray:
      return "an array";
    case Type::kObject:
      return "an object";
  }
  return "";
}

Value Value::Number(std::string text) {
  Value value;
  value.type_ = Type::kNumber;
  value.data_ = std::move(text);
  return value;
}

void Value::SetText(Type type, std::string text) {
  type_ = type;
  data_.emplace<std::string>(std::move(text));
}

void Value::SetBool(bool value) {
  type_ = Type::kBool;
  data_.emplace<bool>(value);
}

void Value::SetArray() {
  type_ = Type::kArray;
  data_.emplace<std::vector<Value>>();
}

void Value::SetObject() {
  type_ = Type::kObject;
  data_.emplace<std::vector<Member>>();
}

Value Value::Array(std::vector<Value> items) {
  Value value;
  value.type_ = Type::kArray;
  value.data_ = std::move(items);
  return value;
}

Value Value::Array(const std::vector<std::string>& items) {
  return Array(std::vector<Value>(items.begin(), items.end()));
}

Value Value::Object(std::vector<Member> members) {
  Value value;
  value.type_ = Type::kObject;
  value.data_ = std::move(members);
  return value;
}

std::optional<int64_t> Value::AsInt() const {
  return is_number() ? ParseInt(text()) : std::nullopt;
}

std::optional<uint64_t> Value::AsUint() const {
  return is_number() ? ParseUint(text()) : std::nullopt;
}

const Value* Value::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : members()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

Value* Value::Find(std::string_view key) {
  return const_cast<Value*>(static_cast<const Value*>(this)->Find(key));
}

Value& Value::Set(std::string_view key, Value value) {
  if (is_null()) *this = Object();
  if (Value* present = Find(key)) {
    *present = std::move(value);
    return *present;
  }
  // Objects that are made have some members, seldom many.
  if (members().empty()) members().reserve(8);
  members().push_back({std::string(key), std::move(value)});
  return members().back().value;
}

bool Value::Erase(std::string_view key) {
  if (!is_object()) return false;
  return std::erase_if(members(), [key](const Member& member) { return member.key == key; }) > 0;
}

Value& Value::Append(Value value) {
  if (is_null()) *this = Array();
  items().push_back(std::move(value));
  return items().back();
}

bool Value::operator==(const Value& other) const {
  return type_ == other.type_ && data_ == other.data_;
}

bool Member::operator==(const Member& other) const {
  return key == other.key && value == other.value;
}

Result<Value> Parse(std::string_view text, const ParseOptions& options) {
  if (text.size() > options.max_size || text.size() >= UINT32_MAX) {
    return Err(Code::kInvalid, "the text has ", text.size(), " bytes, at most ", options.max_size,
               " are allowed");
  }
  // The library would take the first as the end of the text and skip the second.
  if (size_t at = text.find('\0'); at != std::string_view::npos) {
    return Error(Code::kInvalid, PointAt(text, at, "a NUL byte"));
  }
  if (text.starts_with("\xef\xbb\xbf")) {
    return Error(Code::kInvalid, PointAt(text, 0, "a byte order mark"));
  }
  try {
    Builder builder(text, options);
    builder.Start();
    bool ok = nlohmann::json::sax_parse(Cursor(text.data(), builder.cursor()),
                                        Cursor(text.data() + text.size(), builder.cursor()),
                                        &builder, nlohmann::json::input_format_t::json,
                                        /*strict=*/true, /*ignore_comments=*/false);
    if (builder.error()) return *builder.error();
    if (!ok) return Error(Code::kInvalid, PointAt(text, 0, "not a JSON text"));
    return builder.TakeRoot();
  } catch (const std::exception& e) {
    return Err(Code::kInternal, "reading JSON: ", e.what());
  }
}

}  // namespace rkt::json
