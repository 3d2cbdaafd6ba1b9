// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Names of the App Container specification 0.8.11 (section "Types"): AC Name, AC Identifier,
// labels, and the written form of an image's name with its labels. Pure text; nothing here looks at
// the store.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace rkt::appc {

// The specification's version that we read and that `rkt version` prints.
inline constexpr char kSpecVersion[] = "0.8.11";

// AC Name: a-z, 0-9, '-', a letter or digit at both ends.
Status CheckACName(std::string_view text);
bool IsACName(std::string_view text);
// AC Identifier: a-z, 0-9, and "-._~/", a letter or digit at both ends. (Doubled separators pass,
// as ever.)
Status CheckACIdentifier(std::string_view text);
bool IsACIdentifier(std::string_view text);
// Lower case, every other character '-', dashes at the ends cut. kInvalid where nothing is left.
Result<std::string> SanitizeACName(std::string_view text);
// The same with the identifier's characters; '_' takes the place of others, as converted images
// have it.
Result<std::string> SanitizeACIdentifier(std::string_view text);
// The app's name where none was given: the image name's last path element, sanitized.
Result<std::string> DefaultAppName(std::string_view image_name);

// MAJOR.MINOR.PATCH with optional pre-release and build parts, as acVersion has it.
bool IsSemVer(std::string_view text);
// "sha512-" and hexadecimal digits, at least two and at most 128.
bool IsImageId(std::string_view text);
Status CheckImageId(std::string_view text);
// IPv4 or IPv6, as inet_pton(3) reads them.
bool IsIpAddress(std::string_view text);

// Members of an object of a manifest that rkt does not know; they are written back behind the known
// ones.
using Unknown = std::vector<json::Member>;

struct Label {
  std::string name;
  std::string value;
  Unknown unknown = {};
  bool operator==(const Label&) const = default;
};
// The value of the label, nullptr where there is none.
const std::string* FindLabel(const std::vector<Label>& labels, std::string_view name);

// An image as it is asked for: its name and labels in the order given (the version is the label
// "version").
struct ImageName {
  std::string name;
  std::vector<Label> labels;

  const std::string* Find(std::string_view label) const { return FindLabel(labels, label); }
  // Empty where no version is asked for.
  std::string version() const;
  // NAME[:VERSION][,LABEL=VALUE...]
  std::string Text() const;
  bool operator==(const ImageName&) const = default;
};

// NAME[:VERSION][,LABEL=VALUE...]: one colon at most, before the first comma; a label given twice
// is an error.
Result<ImageName> ParseImageName(std::string_view text);

// The architectures that images for linux may be made for (a wider list holds inside manifests).
const std::vector<std::string>& RunnableArchitectures();
// "amd64", "aarch64" ... of the machine this program was built for.
const char* HostArchitecture();
// Adds os=linux and arch=HOST where they are missing, and refuses values that cannot run here
// (kInvalid).
Status AddHostLabels(ImageName& image);
// What an image must carry to be run: labels os and arch, linux and one of the list (kInvalid says
// which is not).
Status CheckRunnableLabels(const std::vector<Label>& labels);
// What the specification allows in a manifest: linux, freebsd, darwin and the architectures that go
// with each.
Status CheckManifestLabels(const std::vector<Label>& labels);

}  // namespace rkt::appc
