// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Messages for people, on standard error. Libraries return errors; only cli, servers and stage1 mains print
// them. A warning or notice may come from anywhere below.

#include <string>
#include <string_view>

#include "base/result.h"

namespace rkt {

// Whether --debug was given: informational lines and the whole tree of causes are printed.
void SetDebug(bool debug);
bool Debug();
// The word in front of messages that name no subsystem: the leaf command ("run", "list").
void SetLogName(std::string_view name);
const std::string& LogName();

// "NAME: text" on standard error; only the first line of a longer text is prefixed. `name` is the subsystem
// ("stage0", "image") or empty for the command's own.
void Notice(std::string_view name, std::string_view text);
// The same, with --debug only.
void DebugNotice(std::string_view name, std::string_view text);
// "NAME: message: innermost cause"; with --debug the message and the tree of causes below it, each link on a line
// of its own behind "└─", two spaces deeper than the one before (stage0.md of the reference, section 1).
void PrintError(std::string_view name, const Error& error);
// What PrintError prints, without the final newline.
std::string FormatError(std::string_view name, const Error& error, bool debug);

}  // namespace rkt
