// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Times, durations and sizes as people read and write them: the spellings of the original, which
// are those of Go.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rkt {

inline constexpr int64_t kSecond = 1'000'000'000;  // durations and times are in nanoseconds

// Nanoseconds since the epoch, now.
int64_t NowNs();

// "30m", "1h15m30.918s", "-1.5h", "300ms", "0". Nothing where it is no duration or does not fit.
std::optional<int64_t> ParseDuration(std::string_view text);
// "30m0s", "24h0m0s", "1.5s", "300ms", "0s".
std::string FormatDuration(int64_t ns);

// "2026-11-21 23:29:26.6 +0000 UTC": up to three digits of a fraction, in the local time zone.
std::string LongTime(int64_t ns);
// "now", "1 second ago", "3 weeks ago", "2 hours from now".
std::string ShortTime(int64_t ns, int64_t now_ns);

// Binary multiples, one decimal below ten: "999B", "7.0KiB", "27KiB".
std::string HumanSize(uint64_t bytes);

}  // namespace rkt
