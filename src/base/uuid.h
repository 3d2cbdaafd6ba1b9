// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// UUIDs of pods: random (RFC 4122, version 4), written in lower case with dashes.

#include <optional>
#include <string>
#include <string_view>

namespace rkt {

std::string NewUuid();
// Whether the text is 32 hexadecimal digits with or without dashes at 8-4-4-4-12, either case.
bool IsUuid(std::string_view text);
// Lower case with dashes; nothing where IsUuid says no.
std::optional<std::string> NormalizeUuid(std::string_view text);

}  // namespace rkt
