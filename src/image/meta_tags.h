// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// The <meta name=... content=...> tags of a web page's head. Pages are written by strangers and
// often not valid HTML: what looks like a tag counts, comments, scripts and styles do not, and
// nothing counts after the head.

#include <string>
#include <string_view>
#include <vector>

namespace rkt::image {

struct MetaTag {
  std::string name;
  std::string content;
};

inline constexpr size_t kMaxMetaTags = 1000;  // more are not looked at

// Takes time in proportion to the page. Tags without one of the two attributes are left out.
std::vector<MetaTag> ScanMetaTags(std::string_view page);

}  // namespace rkt::image
