// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The examples of docs/networking.md, taken from there, and the images that they speak of.

#include <string>
#include <vector>

namespace rkt::test {

// The blocks of the section "Two examples" that are marked with a language, in order: "sh" are the fetch of the images,
// the web server's and the two pods' commands, "ini" the unit, "json" the network.
std::vector<std::string> ExampleBlocks(const std::string& language);
// The archives: example.com/web serves "welcome\n" at its port `http` (80), example.com/client has /bin/wget.
std::string ExampleWebImage();
std::string ExampleClientImage();
std::string Replaced(std::string text, const std::string& from, const std::string& to);

}  // namespace rkt::test
