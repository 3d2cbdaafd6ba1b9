// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// How list and status show pods, and the output formats that they and image list share.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "cli/command.h"
#include "cli/invocation.h"
#include "stage0/list.h"

namespace rkt::cli {

// Setter of --format: "", json, json-pretty. Invalid format option: x
Status CheckFormat(Invocation&, const FlagSpec&, std::string_view value);
// json or json-pretty, as --format says, with a newline.
void PrintJson(const json::Value& value, std::string_view format);

// The JSON object of an app.
json::Value AppJson(const stage0::AppStatus& app);
// The JSON object of a pod; kInvalid where it has no time of creation yet: invalid creation time
Result<json::Value> PodJson(const stage0::PodStatus& pod);
// "default:ip4=172.16.28.2, other:ip4=10.1.2.3"
std::string NetworksText(const std::vector<stage0::NetworkStatus>& networks);

// The time of creation of pods that are still being prepared, as the original prints it.
inline constexpr std::string_view kNoTime = "0001-01-01 00:00:00 +0000 UTC";

// The block that tells on standard error what a listing could not read.
void PrintListingErrors(const std::vector<std::string>& errors, std::string_view listing);

}  // namespace rkt::cli
