// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// Man pages, made of the table of commands. The build writes them (man_main.cc); rkt itself does
// not.

#include <string>
#include <vector>

#include "cli/command.h"

namespace rkt::cli {

// "rkt_image_list.1"
std::string ManPageName(const std::vector<const CommandSpec*>& path);
// The page in roff.
std::string ManPage(const std::vector<const CommandSpec*>& path);
// The ways to every command that gets a page: the root, groups, all that is not hidden.
std::vector<std::vector<const CommandSpec*>> ManPages();

}  // namespace rkt::cli
