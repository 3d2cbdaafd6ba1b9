// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// HMAC-SHA512 (RFC 2104) and the base64 of RFC 4648 in which signatures of pods are written.

#include <string>
#include <string_view>

namespace rkt::metadata {

// 64 bytes.
std::string HmacSha512(std::string_view key, std::string_view message);
std::string Base64Text(std::string_view bytes);
// Takes the same time whatever differs.
bool SameText(std::string_view a, std::string_view b);

}  // namespace rkt::metadata
