// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "fetch/http/date.h"

#include <curl/curl.h>

#include <string>

namespace rkt::fetch::http {

std::optional<int64_t> ParseDate(std::string_view text) {
  if (text.empty() || text.size() > 100) return std::nullopt;
  time_t seconds = ::curl_getdate(std::string(text).c_str(), nullptr);
  if (seconds == -1) return std::nullopt;
  return seconds;
}

}  // namespace rkt::fetch::http
