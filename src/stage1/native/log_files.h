// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The log files of the apps, POD/logs/APP and the older ones beside it (docs/formats/logs.md): bounded, whatever an
// app prints, and whole at any moment. Lines of which the disk does not take all are not written at all.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace rkt::native {

// How much of its output is kept of each app.
struct LogLimits {
  uint64_t max_size = 10u << 20;  // bytes of one file
  int max_files = 5;              // the current one and the older ones: APP.1 is the youngest of them
};

// The variable by which stage0 hands the host's configuration on: "SIZE:FILES:JOURNAL", JOURNAL 0 or 1; what is
// empty has its default.
inline constexpr char kLogVariable[] = "RKT_LOG";
struct LogSettings {
  LogLimits limits;
  bool journal = true;            // send every line to the host's journal, too, where there is one
};
// kInvalid where the text is none of ours; without the variable (null) the defaults.
Result<LogSettings> ParseLogSettings(const char* text);

// Appends whole lines to the log of an app. `directory` is POD/logs, `file` the log in it; where it is full, it and
// the older ones are renamed and a new file gets the number of the descriptor. An error means that lines are lost.
Status AppendToLog(int directory, const std::string& app, int file, const LogLimits& limits, std::string_view lines);

}  // namespace rkt::native
