// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Text: putting together, taking apart, numbers. No locale, no streams: both cost time at every start.

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace rkt {

namespace internal {
// One part of a StrCat: text, a character or a number in decimal.
class Part {
 public:
  Part(std::string_view text) : text_(text) {}        // NOLINT: implicit by design
  Part(const std::string& text) : text_(text) {}      // NOLINT
  Part(const char* text) : text_(text) {}             // NOLINT
  // Nothing that only converts to a character: it would be taken for one.
  template <typename T>
    requires std::is_same_v<T, char>
  Part(T c) : text_(buffer_, 1) { buffer_[0] = c; }  // NOLINT
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, bool>)
  Part(T number) {  // NOLINT
    auto [end, ec] = std::to_chars(buffer_, buffer_ + sizeof buffer_, number);
    text_ = std::string_view(buffer_, static_cast<size_t>(end - buffer_));
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  char buffer_[24];
};
std::string Concatenate(std::initializer_list<const Part*> parts);
template <typename... P>
std::string ConcatenateParts(const P&... parts) {
  return Concatenate({&parts...});
}
}  // namespace internal

// All parts in a row: StrCat("pod ", uuid, " has ", 3, " apps").
template <typename... Parts>
std::string StrCat(const Parts&... parts) {
  return internal::ConcatenateParts(internal::Part(parts)...);
}

// "a,b," at ',' gives "a", "b", "". Empty text gives one empty piece.
std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& pieces, std::string_view separator);
// Without white space at both ends.
std::string_view Trim(std::string_view text);
std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);
// The whole text as a decimal number, an optional '-' in front for signed types; nothing else is allowed.
std::optional<int64_t> ParseInt(std::string_view text);
std::optional<uint64_t> ParseUint(std::string_view text);
std::optional<uint64_t> ParseOctal(std::string_view text);
// With Go's %q: double quotes, backslash escapes, \xNN and \u for what does not print. For messages.
std::string Quote(std::string_view text);
std::string HexEncode(const void* data, size_t size);
std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to);
// Control characters, escape sequences and what is no UTF-8 as \xNN, so that text of an image or a pod cannot steer a terminal.
std::string TerminalSafe(std::string_view text);
// The same for text of several lines: newlines and tabs stay.
std::string TerminalSafeLines(std::string_view text);

}  // namespace rkt
