// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Dates of HTTP headers (RFC 9110, 5.6.7).

#include <cstdint>
#include <optional>
#include <string_view>

namespace rkt::fetch::http {

// Seconds since the epoch; nothing for what is no date.
std::optional<int64_t> ParseDate(std::string_view text);

}  // namespace rkt::fetch::http
