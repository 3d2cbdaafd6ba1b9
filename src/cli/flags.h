// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Parsing of flags, with the rules and messages of the library that the original used: --x=v, --x
// v, booleans
// --x[=false], flags whose value may be left out, -h, and `--` which ends the flags.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/invocation.h"

namespace rkt::cli {

struct ParsedWords {
  std::vector<std::string_view> words;  // what was no flag
  bool help = false;                    // -h or --help stood there
};

// Takes the flags out of `arguments` and gives them to the invocation. Where the command's first
// word ends the flags, everything from that word on is returned as it stands. Messages: unknown
// flag: --x; bad flag syntax: ---; flag needs an argument: --x; invalid argument "v" for --x=v: ...
Result<ParsedWords> ParseFlags(Invocation& invocation, std::span<const std::string_view> arguments);

// 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False.
std::optional<bool> ParseBool(std::string_view text);

}  // namespace rkt::cli
