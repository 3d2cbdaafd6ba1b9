// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/meta_tags.h"

#include <strings.h>

#include <charconv>

#include "base/strings.h"

namespace rkt::image {

namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// &amp; and its like; numbers up to 127, since URLs and names hold no others.
std::string Decode(std::string_view text) {
  constexpr std::pair<std::string_view, char> kNames[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  constexpr size_t kLongest = 8;
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    size_t semicolon = text[i] == '&' ? text.substr(i, kLongest).find(';') : std::string_view::npos;
    if (semicolon == std::string_view::npos) {
      out += text[i];
      continue;
    }
    std::string_view entity = text.substr(i + 1, semicolon - 1);
    char decoded = 0;
    for (const auto& [name, c] : kNames) {
      if (entity == name) decoded = c;
    }
    if (entity.starts_with('#')) {
      bool hex = entity.starts_with("#x") || entity.starts_with("#X");
      entity.remove_prefix(hex ? 2 : 1);
      unsigned value = 0;
      auto [end, error] =
          std::from_chars(entity.data(), entity.data() + entity.size(), value, hex ? 16 : 10);
      if (error == std::errc() && end == entity.data() + entity.size() && value > 0 &&
          value < 128) {
        decoded = static_cast<char>(value);
      }
    }
    if (decoded == 0) {
      out += text[i];
    } else {
      out += decoded;
      i += semicolon;
    }
  }
  return out;
}

class Scanner {
 public:
  explicit Scanner(std::string_view page) : rest_(page) {}

  std::vector<MetaTag> Scan() {
    while (tags_.size() < kMaxMetaTags) {
      size_t angle = rest_.find('<');
      if (angle == std::string_view::npos) break;
      rest_.remove_prefix(angle + 1);
      if (rest_.starts_with("!--")) {
        // "<!-->" is a whole comment.
        rest_.remove_prefix(1);
        SkipPast("-->");
      } else if (rest_.starts_with("!") || rest_.starts_with("?")) {
        SkipPast(">");
      } else if (rest_.starts_with("/")) {
        rest_.remove_prefix(1);
        if (TagName() == "head") break;
        SkipPast(">");
      } else if (!rest_.empty() && IsLetter(rest_[0])) {
        std::string name = TagName();
        if (name == "body") break;
        Attributes(name == "meta");
        if (name == "script" || name == "style" || name == "title") SkipElement(name);
      }
    }
    return std::move(tags_);
  }

 private:
  std::string TagName() {
    size_t n = 0;
    while (n < rest_.size() && !IsBlank(rest_[n]) && rest_[n] != '>' && rest_[n] != '/') ++n;
    std::string name = ToLower(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return name;
  }

  void SkipPast(std::string_view text) {
    size_t at = rest_.find(text);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + text.size());
  }

  // To the end tag; there may be anything in between.
  void SkipElement(std::string_view name) {
    for (;;) {
      SkipPast("</");
      if (rest_.size() < name.size()) return rest_.remove_prefix(rest_.size());
      if (::strncasecmp(rest_.data(), name.data(), name.size()) == 0) return SkipPast(">");
    }
  }

  void SkipBlanks() {
    size_t n = 0;
    while (n < rest_.size() && (IsBlank(rest_[n]) || rest_[n] == '/')) ++n;
    rest_.remove_prefix(n);
  }

  // The rest of a tag.
  void Attributes(bool meta) {
    MetaTag tag;
    bool named = false, filled = false;
    for (;;) {
      SkipBlanks();
      if (rest_.empty()) return;  // a tag that does not end is none
      if (rest_[0] == '>') break;
      size_t n = rest_[0] == '=' ? 1 : 0;
      while (n < rest_.size() && !IsBlank(rest_[n]) && rest_[n] != '>' && rest_[n] != '/' &&
             rest_[n] != '=')
        ++n;
      std::string_view name = rest_.substr(0, n);
      rest_.remove_prefix(n);
      std::string_view value = Value();
      if (!meta) continue;
      // The first of two counts.
      if (!named && Is(name, "name")) {
        tag.name = Decode(value);
        named = true;
      } else if (!filled && Is(name, "content")) {
        tag.content = Decode(value);
        filled = true;
      }
    }
    rest_.remove_prefix(1);
    if (named && filled) tags_.push_back(std::move(tag));
  }

  static bool Is(std::string_view name, std::string_view wanted) {
    return name.size() == wanted.size() &&
           ::strncasecmp(name.data(), wanted.data(), name.size()) == 0;
  }

  std::string_view Value() {
    size_t blanks = 0;
    while (blanks < rest_.size() && IsBlank(rest_[blanks])) ++blanks;
    if (blanks == rest_.size() || rest_[blanks] != '=') return "";
    rest_.remove_prefix(blanks + 1);
    while (!rest_.empty() && IsBlank(rest_[0])) rest_.remove_prefix(1);
    if (rest_.empty()) return "";
    std::string_view value;
    if (rest_[0] == '"' || rest_[0] == '\'') {
      size_t end = rest_.find(rest_[0], 1);
      if (end == std::string_view::npos) {
        rest_.remove_prefix(rest_.size());
        return "";
      }
      value = rest_.substr(1, end - 1);
      rest_.remove_prefix(end + 1);
      return value;
    }
    size_t n = 0;
    while (n < rest_.size() && !IsBlank(rest_[n]) && rest_[n] != '>') ++n;
    value = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return value;
  }

  std::string_view rest_;
  std::vector<MetaTag> tags_;
};

}  // namespace

std::vector<MetaTag> ScanMetaTags(std::string_view page) { return Scanner(page).Scan(); }

}  // namespace rkt::image
