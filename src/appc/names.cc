// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "appc/names.h"

#include <arpa/inet.h>

#include <algorithm>

namespace rkt::appc {

namespace {

bool IsEdge(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsNameChar(char c) { return IsEdge(c) || c == '-'; }
bool IsIdentifierChar(char c) {
  return IsEdge(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

Status Check(std::string_view text, bool (*allowed)(char), const char* characters) {
  if (text.empty()) return Err(Code::kInvalid, "must not be empty");
  if (!std::all_of(text.begin(), text.end(), allowed)) {
    return Err(Code::kInvalid, "may have only ", characters, ": ",
               Quote(text.substr(0, std::min<size_t>(text.size(), 256))));
  }
  if (!IsEdge(text.front()) || !IsEdge(text.back())) {
    return Err(Code::kInvalid, "must begin and end with a lower case letter or a digit: ",
               Quote(text.substr(0, std::min<size_t>(text.size(), 256))));
  }
  return {};
}

Result<std::string> Sanitize(std::string_view text, bool (*allowed)(char), char replacement) {
  std::string out = ToLower(text);
  for (char& c : out) {
    if (!allowed(c)) c = replacement;
  }
  size_t begin = 0, end = out.size();
  while (begin < end && !IsEdge(out[begin])) ++begin;
  while (end > begin && !IsEdge(out[end - 1])) --end;
  if (begin == end) return Err(Code::kInvalid, "no name can be made of ", Quote(text));
  return out.substr(begin, end - begin);
}

std::string ListText(const std::vector<std::string>& list) { return Join(list, ", "); }

// The architectures that a manifest may name, by operating system (specification, "Image Manifest
// Schema").
const std::vector<std::string>* ManifestArchitectures(std::string_view os) {
  static const std::vector<std::string> kLinux = {"amd64",   "i386",   "aarch64", "aarch64_be",
                                                  "armv6l",  "armv7l", "armv7b",  "ppc64",
                                                  "ppc64le", "s390x"};
  static const std::vector<std::string> kFreeBsd = {"amd64", "i386", "arm"};
  static const std::vector<std::string> kDarwin = {"x86_64", "i386"};
  if (os == "linux") return &kLinux;
  if (os == "freebsd") return &kFreeBsd;
  if (os == "darwin") return &kDarwin;
  return nullptr;
}

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Status CheckRunnable(const std::string& os, const std::string& arch) {
  if (os != "linux") {
    return Err(Code::kInvalid, "unsupported os ", Quote(os), ", supported: linux");
  }
  if (!Contains(RunnableArchitectures(), arch)) {
    return Err(Code::kInvalid, "unsupported arch ", Quote(arch),
               " for linux, supported: ", ListText(RunnableArchitectures()));
  }
  return {};
}

// Numbers, letters and dashes between dots, none empty (semver 2.0, sections 9 and 10).
bool IsSemVerTail(std::string_view text) {
  bool at_start = true;
  for (char c : text) {
    if (c == '.') {
      if (at_start) return false;
      at_start = true;
      continue;
    }
    if (!IsDigit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-') return false;
    at_start = false;
  }
  return !at_start;
}

}  // namespace

Status CheckACName(std::string_view text) {
  return Check(text, IsNameChar, "lower case letters, digits and \"-\"");
}

bool IsACName(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsNameChar) &&
         IsEdge(text.front()) && IsEdge(text.back());
}

Status CheckACIdentifier(std::string_view text) {
  return Check(text, IsIdentifierChar, "lower case letters, digits and \"-._~/\"");
}

bool IsACIdentifier(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsIdentifierChar) &&
         IsEdge(text.front()) && IsEdge(text.back());
}

Result<std::string> SanitizeACName(std::string_view text) {
  return Sanitize(text, IsNameChar, '-');
}

Result<std::string> SanitizeACIdentifier(std::string_view text) {
  return Sanitize(text, IsIdentifierChar, '_');
}

Result<std::string> DefaultAppName(std::string_view image_name) {
  size_t slash = image_name.rfind('/');
  return SanitizeACName(slash == std::string_view::npos ? image_name
                                                        : image_name.substr(slash + 1));
}

bool IsSemVer(std::string_view text) {
  if (size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!IsSemVerTail(text.substr(plus + 1))) return false;
    text = text.substr(0, plus);
  }
  if (size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!IsSemVerTail(text.substr(dash + 1))) return false;
    text = text.substr(0, dash);
  }
  int numbers = 0;
  for (size_t at = 0; at <= text.size(); ++numbers) {
    size_t dot = std::min(text.find('.', at), text.size());
    std::string_view number = text.substr(at, dot - at);
    if (number.empty() || number.size() > 18 ||
        !std::all_of(number.begin(), number.end(), IsDigit)) {
      return false;
    }
    at = dot + 1;
  }
  return numbers == 3;
}

bool IsImageId(std::string_view text) {
  if (!text.starts_with("sha512-")) return false;
  text.remove_prefix(7);
  return text.size() >= 2 && text.size() <= 128 && std::all_of(text.begin(), text.end(), IsHex);
}

Status CheckImageId(std::string_view text) {
  if (IsImageId(text)) return {};
  return Err(Code::kInvalid, "must be \"sha512-\" and hexadecimal digits: ",
             Quote(text.substr(0, std::min<size_t>(text.size(), 160))));
}

bool IsIpAddress(std::string_view text) {
  std::string copy(text);
  unsigned char buffer[16];
  return copy.find('\0') == std::string::npos && (::inet_pton(AF_INET, copy.c_str(), buffer) == 1 ||
                                                  ::inet_pton(AF_INET6, copy.c_str(), buffer) == 1);
}

const std::string* FindLabel(const std::vector<Label>& labels, std::string_view name) {
  for (const Label& label : labels) {
    if (label.name == name) return &label.value;
  }
  return nullptr;
}

std::string ImageName::version() const {
  const std::string* version = Find("version");
  return version ? *version : std::string();
}

std::string ImageName::Text() const {
  std::string out = name;
  if (const std::string* version = Find("version")) out += StrCat(":", *version);
  for (const Label& label : labels) {
    if (label.name != "version") out += StrCat(",", label.name, "=", label.value);
  }
  return out;
}

Result<ImageName> ParseImageName(std::string_view text) {
  if (std::count(text.begin(), text.end(), ':') > 1) {
    return Err(Code::kInvalid, "image name ", Quote(text), " has more than one colon");
  }
  size_t comma = std::min(text.find(','), text.size());
  size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon > comma) {
    return Err(Code::kInvalid, "image name ", Quote(text),
               " has a colon behind the first comma; only a version may follow a colon");
  }
  ImageName image;
  size_t name_end = std::min(colon, comma);
  image.name = text.substr(0, name_end);
  if (Status status = CheckACIdentifier(image.name); !status) {
    return Err(Code::kInvalid, "invalid image name: ", status.error().message());
  }
  auto add = [&image](std::string_view name, std::string_view value) -> Status {
    if (image.Find(name)) return Err(Code::kInvalid, "label ", Quote(name), " is given twice");
    image.labels.push_back({std::string(name), std::string(value)});
    return {};
  };
  if (name_end < comma) TRY(add("version", text.substr(name_end + 1, comma - name_end - 1)));
  while (comma < text.size()) {
    size_t next = std::min(text.find(',', comma + 1), text.size());
    std::string_view pair = text.substr(comma + 1, next - comma - 1);
    comma = next;
    size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return Err(Code::kInvalid, "label ", Quote(pair), " has no value (want LABEL=VALUE)");
    }
    std::string_view label = pair.substr(0, equals);
    if (Status status = CheckACIdentifier(label); !status) {
      return Err(Code::kInvalid, "invalid label name: ", status.error().message());
    }
    if (label == "name") return Err(Code::kInvalid, "\"name\" cannot be a label");
    TRY(add(label, pair.substr(equals + 1)));
  }
  return image;
}

const std::vector<std::string>& RunnableArchitectures() {
  static const std::vector<std::string> kList = {"amd64",  "i386",   "aarch64", "aarch64_be",
                                                 "armv6l", "armv7l", "armv7b",  "ppc64le"};
  return kList;
}

const char* HostArchitecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__i386__)
  return "i386";
#elif defined(__aarch64__) && defined(__AARCH64EB__)
  return "aarch64_be";
#elif defined(__aarch64__)
  return "aarch64";
#elif defined(__arm__) && __ARM_ARCH >= 7 && defined(__ARMEB__)
  return "armv7b";
#elif defined(__arm__) && __ARM_ARCH >= 7
  return "armv7l";
#elif defined(__arm__)
  return "armv6l";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return "ppc64le";
#else
#error "no architecture of the specification"
#endif
}

Status AddHostLabels(ImageName& image) {
  if (!image.Find("os")) image.labels.push_back({"os", "linux"});
  if (!image.Find("arch")) image.labels.push_back({"arch", HostArchitecture()});
  return CheckRunnable(*image.Find("os"), *image.Find("arch"));
}

Status CheckRunnableLabels(const std::vector<Label>& labels) {
  const std::string* os = FindLabel(labels, "os");
  const std::string* arch = FindLabel(labels, "arch");
  if (!os) return Err(Code::kInvalid, "missing os label in the image manifest");
  if (!arch) return Err(Code::kInvalid, "missing arch label in the image manifest");
  return CheckRunnable(*os, *arch);
}

Status CheckManifestLabels(const std::vector<Label>& labels) {
  const std::string* os = FindLabel(labels, "os");
  const std::string* arch = FindLabel(labels, "arch");
  const std::vector<std::string>* allowed = os ? ManifestArchitectures(*os) : nullptr;
  if (os && !allowed) {
    return Err(Code::kInvalid, "unknown os ", Quote(*os), ", known: linux, freebsd, darwin");
  }
  if (allowed && arch && !Contains(*allowed, *arch)) {
    return Err(Code::kInvalid, "unknown arch ", Quote(*arch), " for ", *os,
               ", known: ", ListText(*allowed));
  }
  return {};
}

}  // namespace rkt::appc
