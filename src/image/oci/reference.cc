// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "image/oci/reference.h"

#include <algorithm>

#include "base/file.h"
#include "base/strings.h"

namespace rkt::image::oci {

namespace {

constexpr size_t kMaxRepository = 255;
constexpr size_t kMaxTag = 128;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWord(char c) { return IsLower(c) || IsDigit(c); }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }
bool IsAnyWord(char c) { return IsWord(c) || (c >= 'A' && c <= 'Z'); }

// Words of letters and digits with '.', '_', "__" or dashes between them.
bool IsPathComponent(std::string_view text) {
  if (text.empty() || !IsWord(text.front()) || !IsWord(text.back())) return false;
  for (size_t i = 0; i < text.size();) {
    if (IsWord(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    size_t length = end - i;
    bool good = text[i] == '-' || (text[i] == '.' && length == 1) || (text[i] == '_' && length <= 2);
    if (!good || end == text.size() || !IsWord(text[end])) return false;
    i = end;
  }
  return true;
}

bool IsTag(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTag && (IsAnyWord(text[0]) || text[0] == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAnyWord(c) || c == '_' || c == '.' || c == '-'; });
}

bool IsPort(std::string_view text) {
  auto port = ParseUint(text);
  return port && *port >= 1 && *port <= 65535;
}

bool IsHost(std::string_view text) {
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    std::string_view address = text.substr(1, end - 1), rest = text.substr(end + 1);
    return std::all_of(address.begin(), address.end(),
                       [](char c) { return IsHexDigit(c) || (c >= 'A' && c <= 'F') || c == ':' || c == '.'; }) &&
           (rest.empty() || (rest[0] == ':' && IsPort(rest.substr(1))));
  }
  size_t colon = text.find(':');
  if (colon != std::string_view::npos && !IsPort(text.substr(colon + 1))) return false;
  for (const std::string& label : Split(text.substr(0, colon), '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), [](char c) { return IsAnyWord(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool IsDigest(std::string_view text) {
  size_t digits = text.starts_with("sha256:") ? 64 : text.starts_with("sha512:") ? 128 : 0;
  return digits != 0 && text.size() == 7 + digits && std::all_of(text.begin() + 7, text.end(), IsHexDigit);
}

Result<std::string> DigestId(std::string_view digest) {
  if (!IsDigest(digest)) return Err(Code::kInvalid, "malformed digest ", Quote(digest.substr(0, 200)));
  std::string id(digest);
  id[6] = '-';
  return id;
}

Result<RegistryReference> ParseRegistryReference(std::string_view text) {
  auto invalid = [&](std::string_view what) {
    return Err(Code::kInvalid, "invalid docker reference ", Quote(text.substr(0, 512)), ": ", what);
  };
  RegistryReference reference;
  std::string_view rest = text;
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = std::string(rest.substr(at + 1));
    if (!IsDigest(reference.digest)) return invalid("malformed digest");
    rest = rest.substr(0, at);
  }
  size_t slash = rest.find('/');
  std::string_view first = rest.substr(0, slash);
  bool has_host = slash != std::string_view::npos &&
                  (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  std::string_view path = has_host ? rest.substr(slash + 1) : rest;
  if (size_t colon = path.rfind(':'); colon != std::string_view::npos) {
    reference.tag = std::string(path.substr(colon + 1));
    if (!IsTag(reference.tag)) return invalid("malformed tag");
    path = path.substr(0, colon);
  }
  if (path.empty()) return invalid("no name");
  if (path.size() > kMaxRepository) return invalid("the name is too long");
  for (const std::string& component : Split(path, '/')) {
    if (!IsPathComponent(component)) {
      return invalid(StrCat(Quote(component), " in a name: lower-case letters, digits, and separators between them"));
    }
  }
  if (has_host && !IsHost(first)) return invalid("malformed host");
  reference.host = has_host ? std::string(first) : kDefaultRegistry;
  reference.original = has_host ? StrCat(first, "/", path) : std::string(path);
  reference.repository = std::string(path);
  bool is_default = reference.host == kDefaultRegistry || reference.host == "docker.io" ||
                    reference.host == "index.docker.io";
  if (is_default) {
    reference.host = kDefaultRegistry;
    if (path.find('/') == std::string_view::npos) reference.repository = StrCat("library/", path);
  }
  if (reference.tag.empty() && reference.digest.empty()) {
    reference.tag = "latest";
    reference.default_tag = true;
  }
  return reference;
}

Result<FileReference> ParseFileReference(std::string_view text) {
  if (text.empty()) return Err(Code::kInvalid, "no path given");
  std::string path(text);
  if (Exists(path)) return FileReference{path, {}};
  for (size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
    std::string before(text.substr(0, colon));
    if (!before.empty() && Exists(before)) return FileReference{before, std::string(text.substr(colon + 1))};
  }
  return ErrnoError(ENOENT, StrCat("open ", path));
}

}  // namespace rkt::image::oci
